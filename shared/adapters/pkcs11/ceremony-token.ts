/** One token and one key of a CA, as a key ceremony uses them: each answer is the module's own. */
import { randomBytes } from 'node:crypto';
import type { ModuleReport } from '../../ceremony/record.ts';
import type { ClusterDescription, KeyAttributes, KeyDescription } from '../../custody/key-description.ts';
import type { OwnerValidation } from '../../custody/owner-validations.ts';
import type { Authority } from '../../hierarchy/hierarchy.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import type { SubjectPublicKey } from '../../pki/public-key.ts';
import { buildAuthorityRequest } from '../held-key/authority-documents.ts';
import { bindKey, describeKey } from './describe-key.ts';
import { findKeyPair, readKeyAttributes } from './key-objects.ts';
import type { LibraryOptions } from './library.ts';
import { createPkcs11Provisioner } from './provisioner.ts';
import { Pkcs11Failure } from './return-values.ts';
import { storeOriginOf } from './store-origin.ts';
import { openToken, type Session, type TokenOptions, trimmed } from './token.ts';

export interface CeremonyTokenOptions {
  readonly library: LibraryOptions;
  /** With its `pkcs11` section; its subject is the one that is certified. */
  readonly authority: Authority;
  readonly readPin: () => string;
  /** The cluster behind the library, where its provider can be asked: whose validation holds. A rejection is no evidence. */
  readonly describeCluster?: () => Promise<ClusterDescription>;
  /** Validations of HSMs by the hierarchy's owner. */
  readonly validations?: readonly OwnerValidation[];
  readonly openLibrary?: TokenOptions['openLibrary'];
}

export interface CeremonyKey {
  readonly publicKey: SubjectPublicKey;
  readonly attributes: KeyAttributes;
}

/** Every call throws Pkcs11Failure for what the module refuses. */
export interface CeremonyToken {
  readonly tokenLabel: string;
  readonly keyLabel: string;
  /** C_GetInfo, C_GetSlotInfo, C_GetTokenInfo. */
  describeModule(): Promise<ModuleReport>;
  /** The key pair of the label, its private half bound to its public one by a signature; undefined when there is none. */
  findKey(): Promise<CeremonyKey | undefined>;
  /** Makes the key pair. Throws Error when a key of the label is there, or does not come out as it was asked for. */
  generateKey(): Promise<CeremonyKey>;
  /** PKCS#10 DER, signed by the key. */
  request(): Promise<Uint8Array>;
  /** The content of a signature BIT STRING over `tbs`, by the CA's signing algorithm. */
  sign(tbs: Uint8Array): Promise<Uint8Array>;
  readEvidence(now: EpochMs): Promise<KeyDescription>;
  close(): void;
}

/** Opens nothing yet: the first use does. Throws Error when the CA has no PKCS #11 key. */
export function createCeremonyToken(options: CeremonyTokenOptions): CeremonyToken {
  const { authority, library, readPin, openLibrary } = options;
  const { pkcs11, signingAlgorithm } = authority;
  if (pkcs11 === undefined) throw new Error(`the key of CA ${authority.id} is on no PKCS #11 token`);
  const { tokenLabel, keyLabel } = pkcs11;
  const interposed = openLibrary === undefined ? {} : { openLibrary };
  const token = openToken({ library, tokenLabel, readPin, sessionsMax: 1, ...interposed });
  const bound = async (session: Session) => {
    const found = await bindKey(session, keyLabel, signingAlgorithm);
    if (found !== undefined && 'publicKey' in found) return found;
    const why = found === undefined ? 'there is no key' : 'the private key is not that of its public object';
    throw new Pkcs11Failure('absent', 'key-missing', `${why}: ${keyLabel} on ${tokenLabel}`);
  };
  const findKey = () =>
    token.withSession(async (session) => {
      if (findKeyPair(session, keyLabel) === undefined) return undefined;
      const { publicKey, handles } = await bound(session);
      return { publicKey, attributes: readKeyAttributes(session, handles.privateKey) };
    });
  return {
    tokenLabel,
    keyLabel,
    describeModule: () => token.withSession(moduleReport),
    findKey,
    async generateKey() {
      if ((await findKey()) !== undefined) throw new Error(`there is a key ${keyLabel} on ${tokenLabel} already`);
      const provisioner = createPkcs11Provisioner({
        library,
        readPin,
        random: (bytes) => randomBytes(bytes),
        ...interposed,
      });
      try {
        await provisioner.createAuthority(authority);
      } finally {
        provisioner.close();
      }
      const made = await findKey();
      if (made === undefined) throw new Error(`the key ${keyLabel} was made and is not there`);
      return made;
    },
    request: () =>
      token.withSession(async (session) => {
        const { publicKey, signer, handles } = await bound(session);
        const sign = async (message: Uint8Array) => signer.sign(session, handles.privateKey, message);
        return buildAuthorityRequest(authority, { publicKey, sign });
      }),
    sign: (tbs) =>
      token.withSession(async (session) => {
        const { signer, handles } = await bound(session);
        return signer.sign(session, handles.privateKey, tbs);
      }),
    async readEvidence(now) {
      const cluster = await options.describeCluster?.();
      const origin = storeOriginOf(library);
      return token.withSession(async (session) => {
        const found = await bindKey(session, keyLabel, signingAlgorithm);
        return describeKey(session, found, { cluster, origin, validations: options.validations ?? [] }, now);
      });
    },
    close: () => token.close(),
  };
}

function version({ major, minor }: { readonly major: number; readonly minor: number }): string {
  return `${major}.${minor}`;
}

function moduleReport({ api, slot }: Session): ModuleReport {
  const library = api.C_GetInfo();
  const slotInfo = api.C_GetSlotInfo(slot);
  const token = api.C_GetTokenInfo(slot);
  return {
    library: {
      manufacturer: trimmed(library.manufacturerID),
      description: trimmed(library.libraryDescription),
      version: version(library.libraryVersion),
      cryptoki: version(library.cryptokiVersion),
    },
    slot: {
      manufacturer: trimmed(slotInfo.manufacturerID),
      description: trimmed(slotInfo.slotDescription),
      hardware: version(slotInfo.hardwareVersion),
      firmware: version(slotInfo.firmwareVersion),
    },
    token: {
      label: trimmed(token.label),
      manufacturer: trimmed(token.manufacturerID),
      model: trimmed(token.model),
      serial: trimmed(token.serialNumber),
      hardware: version(token.hardwareVersion),
      firmware: version(token.firmwareVersion),
      flags: token.flags,
    },
  };
}
