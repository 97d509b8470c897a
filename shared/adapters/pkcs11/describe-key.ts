/** What a module says of a key: read from it, never from our configuration. */
import { createHash, type KeyObject, verify } from 'node:crypto';
import { type ModuleValidation, notValidated, validationOfCluster } from '../../custody/cmvp-modules.ts';
import type {
  ClusterDescription,
  KeyDescription,
  KeyOrigin,
  ModuleDescription,
} from '../../custody/key-description.ts';
import { type OwnerValidation, validationByOwner } from '../../custody/owner-validations.ts';
import { isSoftHsm } from '../../custody/softhsm.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { type SubjectPublicKey, toKeyObject } from '../../pki/public-key.ts';
import { type CaSigningAlgorithm, caSigningAlgorithmHash } from '../../pki/signature-algorithm.ts';
import { caKeyAlgorithmOf } from '../held-key/key-algorithm.ts';
import { findKeyPair, type KeyPairHandles, readKeyAttributes, readPublicKey } from './key-objects.ts';
import { type KeySigner, keySigner } from './sign.ts';
import { type Session, trimmed } from './token.ts';

/** A key pair as it was found: whose private half has just signed for its public half. */
export interface BoundKey {
  readonly handles: KeyPairHandles;
  readonly publicKey: SubjectPublicKey;
  readonly signer: KeySigner;
}

/**
 * What a private key signs to show that it belongs to its public object: an object can be replaced under the same label
 * and CKA_ID, and attributes would not tell. It is no DER, so that no signature on it is one on a certificate, a request
 * or a CRL. One such signature is made for each reading of evidence.
 */
const probe = Buffer.from('Sealwright: which public key belongs to this private key?', 'latin1');

/** SHA-256 of the probe, to tell it from certificates in a log of what a token was given to sign. */
export const probeSha256 = createHash('sha256').update(probe).digest('hex');

const keyObjects = new WeakMap<SubjectPublicKey, KeyObject>();

function keyObjectOf(publicKey: SubjectPublicKey): KeyObject {
  const known = keyObjects.get(publicKey) ?? toKeyObject(publicKey);
  keyObjects.set(publicKey, known);
  return known;
}

/**
 * Finds a key pair and has it sign the probe. `unbound` when the signature does not verify: the private key is another
 * one. Undefined when there is no key. Throws what pkcs11js throws, or Pkcs11Failure.
 */
export async function bindKey(
  session: Session,
  keyLabel: string,
  algorithm: CaSigningAlgorithm,
): Promise<BoundKey | { readonly unbound: KeyPairHandles } | undefined> {
  const handles = findKeyPair(session, keyLabel);
  if (handles === undefined) return undefined;
  const publicKey = readPublicKey(session, handles.publicKey);
  const signer = keySigner(publicKey, algorithm);
  const signature = await signer.sign(session, handles.privateKey, probe);
  const verified = verify(caSigningAlgorithmHash(algorithm), probe, keyObjectOf(publicKey), signature);
  return verified ? { handles, publicKey, signer } : { unbound: handles };
}

function version({ major, minor }: { readonly major: number; readonly minor: number }): string {
  return `${major}.${minor}`;
}

function identify({ api, slot }: Session): ModuleDescription {
  const library = api.C_GetInfo();
  const token = api.C_GetTokenInfo(slot);
  // The hardware that a token is in; a library without slots of its own repeats the token's.
  const slotManufacturer = trimmed(api.C_GetSlotInfo(slot).manufacturerID);
  return {
    manufacturer: trimmed(token.manufacturerID) || slotManufacturer,
    model: trimmed(token.model),
    serial: trimmed(token.serialNumber),
    firmware: version(token.firmwareVersion),
    library: `${trimmed(library.libraryDescription)} ${version(library.libraryVersion)}`,
  };
}

/** What is known of a token from elsewhere than its PKCS #11 library. */
export interface Surroundings {
  readonly cluster: ClusterDescription | undefined;
  readonly origin: KeyOrigin | undefined;
  /** What the owner of the hierarchy has looked up; asked for where no provider says what the module is. */
  readonly validations: readonly OwnerValidation[];
}

function validationOf(
  module: ModuleDescription,
  { cluster, validations }: Surroundings,
  now: EpochMs,
): ModuleValidation {
  if (isSoftHsm(module)) return notValidated;
  return cluster === undefined ? validationByOwner(validations, module, now) : validationOfCluster(cluster, now);
}

/**
 * Reads the evidence of a key that was just looked for. A key that is not there is `gone`; one whose private half is not
 * that of its public half is `disabled`; neither has a digest, so that it equals no certificate's.
 */
export function describeKey(
  session: Session,
  found: Awaited<ReturnType<typeof bindKey>>,
  surroundings: Surroundings,
  now: EpochMs,
): KeyDescription {
  const { cluster, origin: storeOrigin } = surroundings;
  const module = identify(session);
  // SoftHSM keeps keys in files: whatever else it says, it is evidence of nothing.
  const emulated = isSoftHsm(module);
  const bound = found !== undefined && 'publicKey' in found ? found : undefined;
  const handles = found === undefined ? undefined : 'unbound' in found ? found.unbound : found.handles;
  const spkiSha256 = bound?.publicKey.sha256 ?? '';
  const backupId = cluster?.sourceBackupId;
  const origin: KeyOrigin | undefined =
    backupId === undefined ? storeOrigin : { kind: 'restored', knownBy: 'provider', backupId };
  return {
    source: emulated ? 'emulator' : 'module',
    model: 'self-managed-hsm',
    keyId: `sha256:${spkiSha256}`,
    spkiSha256,
    keyAlgorithm: bound === undefined ? '' : caKeyAlgorithmOf(bound.publicKey),
    ...(handles === undefined ? {} : { attributes: readKeyAttributes(session, handles.privateKey) }),
    ...validationOf(module, surroundings, now),
    module,
    ...(cluster === undefined ? {} : { cluster }),
    ...(origin === undefined ? {} : { origin }),
    status: found === undefined ? 'gone' : bound === undefined ? 'disabled' : 'usable',
    readAt: now,
  };
}
