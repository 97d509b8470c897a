/**
 * OpenSSH's keys and detached signatures, as `ssh-keygen -Y sign` writes them (OpenSSH, PROTOCOL.sshsig), of Ed25519 keys
 * (RFC 8709), verified here so that a transcript can be checked on a machine without OpenSSH.
 */
import { createPublicKey, hash, verify } from 'node:crypto';
import { isEd25519PublicKey } from '../pki/ed25519.ts';

/** What `-n` is given: a signature made for anything else proves nothing here. */
export const ceremonyNamespace = 'sealwright-ceremony';

export interface SshPublicKey {
  /** The wire form: what is compared. */
  readonly blob: Uint8Array;
  /** 32 octets (RFC 8032). */
  readonly octets: Uint8Array;
  /** As `ssh-keygen -l` shows it: `SHA256:` and base64 without padding. */
  readonly fingerprint: string;
}

export interface SshSignature {
  readonly publicKey: SshPublicKey;
  readonly namespace: string;
  readonly hashAlgorithm: 'sha256' | 'sha512';
  readonly signature: Uint8Array;
}

/** Not a key or signature of the form. The message is for people and carries nothing of the input. */
export class SshFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SshFormatError';
  }
}

const keyType = 'ssh-ed25519';
const magic = Buffer.from('SSHSIG');
const signatureVersion = 1;
const stringBytesMax = 4_096;
const armoredCharactersMax = 16_384;

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

function readUint32(cursor: Cursor): number {
  if (cursor.at + 4 > cursor.bytes.length) throw new SshFormatError('the bytes end early');
  const value = cursor.bytes.readUInt32BE(cursor.at);
  cursor.at += 4;
  return value;
}

/** `string` of RFC 4251 §5. */
function readString(cursor: Cursor): Buffer {
  const length = readUint32(cursor);
  if (length > stringBytesMax) throw new SshFormatError('a field is too long');
  if (cursor.at + length > cursor.bytes.length) throw new SshFormatError('the bytes end early');
  const value = cursor.bytes.subarray(cursor.at, cursor.at + length);
  cursor.at += length;
  return value;
}

function expectEnd(cursor: Cursor): void {
  if (cursor.at !== cursor.bytes.length) throw new SshFormatError('bytes follow the end');
}

function sshString(value: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([length, value]);
}

function readKeyBlob(blob: Buffer): SshPublicKey {
  const cursor: Cursor = { bytes: blob, at: 0 };
  if (readString(cursor).toString('latin1') !== keyType) throw new SshFormatError(`the key is not ${keyType}`);
  const octets = readString(cursor);
  expectEnd(cursor);
  if (!isEd25519PublicKey(octets)) throw new SshFormatError('the octets are no Ed25519 key');
  const digest = hash('sha256', blob, 'base64').replace(/=+$/, '');
  return { blob, octets, fingerprint: `SHA256:${digest}` };
}

function strictBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw new SshFormatError('not base64');
  return bytes;
}

/** `ssh-ed25519 AAAA… [comment]`, as in a .pub file. Throws SshFormatError. */
export function parseSshPublicKey(line: string): SshPublicKey {
  const match = /^ssh-ed25519 ([A-Za-z0-9+/=]{1,512})(?: [^\r\n]*)?$/.exec(line.trim());
  if (match === null) throw new SshFormatError(`not a public key of type ${keyType}: ssh-ed25519 AAAA…`);
  return readKeyBlob(strictBase64(match[1]!));
}

/**
 * An armored signature, and nothing else in the text but one line end. Throws SshFormatError: bytes after the blob, another
 * version, reserved bytes that are used, a key or signature that is not Ed25519.
 */
export function parseSshSignature(armored: string): SshSignature {
  if (armored.length > armoredCharactersMax) throw new SshFormatError('the signature is too long');
  const form = /^-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n-----END SSH SIGNATURE-----\r?\n?$/;
  const match = form.exec(armored);
  if (match === null) throw new SshFormatError('not an SSH SIGNATURE block that stands alone');
  const cursor: Cursor = { bytes: strictBase64(match[1]!.replace(/[\r\n]+/g, '')), at: magic.length };
  if (!cursor.bytes.subarray(0, magic.length).equals(magic)) throw new SshFormatError('the bytes are no SSHSIG');
  if (readUint32(cursor) !== signatureVersion) throw new SshFormatError('the signature is of another version');
  const publicKey = readKeyBlob(readString(cursor));
  const namespace = readString(cursor).toString('utf8');
  if (readString(cursor).length > 0) throw new SshFormatError('a field that is reserved is used');
  const hashAlgorithm = readString(cursor).toString('latin1');
  if (hashAlgorithm !== 'sha256' && hashAlgorithm !== 'sha512') throw new SshFormatError('an unknown hash algorithm');
  const inner: Cursor = { bytes: readString(cursor), at: 0 };
  expectEnd(cursor);
  if (readString(inner).toString('latin1') !== keyType) throw new SshFormatError('the signature is of another type');
  const signature = readString(inner);
  expectEnd(inner);
  if (signature.length !== 64) throw new SshFormatError('an Ed25519 signature has 64 bytes');
  return { publicKey, namespace, hashAlgorithm, signature };
}

/** SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 §4) before its 32 octets. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/** Whether the signature is one of `message`, under the key and for the namespace that it names itself. */
export function verifySshSignature(signature: SshSignature, message: Uint8Array): boolean {
  const signed = Buffer.concat([
    magic,
    sshString(Buffer.from(signature.namespace, 'utf8')),
    sshString(Buffer.alloc(0)),
    sshString(Buffer.from(signature.hashAlgorithm, 'latin1')),
    sshString(hash(signature.hashAlgorithm, message, 'buffer')),
  ]);
  const der = Buffer.concat([spkiPrefix, signature.publicKey.octets]);
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  return verify(null, signed, key, signature.signature);
}
