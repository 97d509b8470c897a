/** CA keys as PKCS#8 PEM files, mode 600, in a folder of the state. For the dev stage only. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  type BigIntStats,
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { CaKeyAlgorithm, Stage } from '../../hierarchy/hierarchy.ts';
import { parseSubjectPublicKey, type SubjectPublicKey } from '../../pki/public-key.ts';
import { type CaSigningAlgorithm, caSigningAlgorithmHash } from '../../pki/signature-algorithm.ts';
import { type Sign, signHere } from './sign.ts';

/** Why a key file cannot be signed with. `missing`: there is none; the others: there is one and it is not used. */
export class KeyFileError extends Error {
  readonly code: 'key-missing' | 'key-file-exposed' | 'key-file-unreadable';

  constructor(code: KeyFileError['code'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'KeyFileError';
    this.code = code;
  }
}

export interface SoftwareKey {
  readonly privateKey: KeyObject;
  readonly publicKey: SubjectPublicKey;
}

/** A CA key in a file is for trying things out. Throws outside the dev stage. */
export function assertDevelopment(stage: Stage): void {
  if (stage !== 'dev') throw new Error('the software backend is for the dev stage only');
}

/** A reference is a file's name without its ending: nothing in it may lead out of the folder. */
export function keyFilePath(folder: string, reference: string): string {
  if (!/^[a-z0-9][a-z0-9._-]{0,99}$/i.test(reference)) throw new RangeError('not a reference to a key file');
  return join(folder, `${reference}.pem`);
}

/** Reads a key. Throws KeyFileError. */
export function readKeyFile(path: string): SoftwareKey {
  return keyFileReader(path)();
}

/**
 * Looks at a key file each time it is called: one that was written to, replaced, opened to others or removed is found out. It
 * is read again when its inode or the time of its last change, which nobody can set, is another. Throws KeyFileError.
 */
export function keyFileReader(path: string): () => SoftwareKey {
  let known: { readonly found: string; readonly key: SoftwareKey } | undefined;
  return () => {
    const { ctimeNs, dev, ino, mode, size } = statOwnFile(path);
    const found = `${dev} ${ino} ${ctimeNs} ${mode} ${size}`;
    if (known?.found !== found) known = { found, key: parseKey(path) };
    return known.key;
  };
}

function statOwnFile(path: string): BigIntStats {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (found === undefined) throw new KeyFileError('key-missing', 'the key file is not there');
  if ((found.mode & 0o077n) !== 0n) {
    throw new KeyFileError(
      'key-file-exposed',
      'the key file is readable by others than its owner; it has to have mode 600',
    );
  }
  return found;
}

function parseKey(path: string): SoftwareKey {
  try {
    const privateKey = createPrivateKey(readFileSync(path));
    const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
    return { privateKey, publicKey: parseSubjectPublicKey(spki) };
  } catch (cause) {
    throw new KeyFileError('key-file-unreadable', 'the key file holds no private key', cause);
  }
}

const curves: Readonly<Record<string, string>> = {
  EC_prime256v1: 'P-256',
  EC_secp384r1: 'P-384',
  EC_secp521r1: 'P-521',
};

function generate(keyAlgorithm: CaKeyAlgorithm): KeyObject {
  const namedCurve = curves[keyAlgorithm];
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve }).privateKey;
  const modulusLength = Number.parseInt(keyAlgorithm.slice('RSA_'.length), 10);
  return generateKeyPairSync('rsa', { modulusLength }).privateKey;
}

/** Makes a key file unless there is one. The file appears whole or not at all, and never replaces another. */
export function ensureKeyFile(path: string, folder: string, keyAlgorithm: CaKeyAlgorithm): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  const partial = `${path}.${process.pid}.partial`;
  const pem = generate(keyAlgorithm).export({ format: 'pem', type: 'pkcs8' });
  writeFileSync(partial, pem, { mode: 0o600, flush: true });
  try {
    linkSync(partial, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(partial, { force: true });
  }
}

/**
 * The content of a signature BIT STRING, made by `sign`. Throws RangeError when key and algorithm are not of one family.
 */
export async function signWithKeyFile(
  key: SoftwareKey,
  algorithm: CaSigningAlgorithm,
  message: Uint8Array,
  sign: Sign = signHere,
): Promise<Uint8Array> {
  const family = algorithm.endsWith('ECDSA') ? 'ec' : 'rsa';
  if (key.publicKey.info.kind !== family)
    throw new RangeError(`a ${key.publicKey.keyType} key does not sign with ${algorithm}`);
  return sign(caSigningAlgorithmHash(algorithm), message, key.privateKey);
}
