import { hash } from 'node:crypto';

/** SHA-256 (FIPS 180-4) of `bytes` in lower-case hex, 64 characters: fingerprints and key digests. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** SHA-256 (FIPS 180-4) of `bytes`, 32 octets. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}
