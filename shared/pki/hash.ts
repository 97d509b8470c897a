import { hash } from 'node:crypto';

/** SHA-256 (FIPS 180-4) of `bytes`, or of the UTF-8 of a text, in lower-case hex, 64 characters: fingerprints and key digests. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex');
}

/**
 * `LP(x)` of each field, one after the other: four bytes of big-endian length, then the bytes (of a text, its UTF-8). Makes a
 * concatenation injective.
 */
export function lengthPrefixed(...fields: readonly (string | Uint8Array)[]): Uint8Array {
  let length = 0;
  for (const field of fields) length += 4 + Buffer.byteLength(field);
  const out = Buffer.allocUnsafe(length);
  let at = 0;
  for (const field of fields) {
    const bytes = Buffer.byteLength(field);
    out.writeUInt32BE(bytes, at);
    if (typeof field === 'string') out.write(field, at + 4, 'utf8');
    else out.set(field, at + 4);
    at += 4 + bytes;
  }
  return out;
}

/** SHA-256 (FIPS 180-4) of `bytes` in base64url, 43 characters. */
export function sha256Base64Url(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64url');
}

/** SHA-256 (FIPS 180-4) of `bytes`, 32 octets. */
export function sha256(bytes: Uint8Array): Uint8Array {
  // One character an octet: a Buffer of the runtime's costs twice what the digest does.
  const octets = hash('sha256', bytes, 'binary');
  const digest = new Uint8Array(octets.length);
  for (let at = 0; at < octets.length; at++) digest[at] = octets.charCodeAt(at);
  return digest;
}
