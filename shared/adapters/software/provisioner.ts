/** CA keys and certificates with keys in files: for the builder of a hierarchy in the dev stage. Each call converges. */
import { existsSync } from 'node:fs';
import type { Authority, Stage } from '../../hierarchy/hierarchy.ts';
import { SealwrightError } from '../../issuance/errors.ts';
import type { AuthorityProvisioner } from '../../issuance/ports.ts';
import {
  buildAuthorityCertificate,
  buildAuthorityRequest,
  type HeldKey,
  requireKeyOf,
} from '../held-key/authority-documents.ts';
import {
  assertDevelopment,
  ensureKeyFile,
  KeyFileError,
  keyFilePath,
  readKeyFile,
  signWithKeyFile,
} from './key-file.ts';

export interface SoftwareProvisionerOptions {
  readonly stage: Stage;
  /** Belongs to this adapter alone. */
  readonly folder: string;
  readonly random: (bytes: number) => Uint8Array;
}

/** Throws outside the dev stage. */
export function createSoftwareProvisioner(options: SoftwareProvisionerOptions): AuthorityProvisioner {
  const { folder, random, stage } = options;
  assertDevelopment(stage);

  function heldKey(ref: string, { signingAlgorithm }: Pick<Authority, 'signingAlgorithm'>): HeldKey {
    const key = readKey(folder, ref);
    return { publicKey: key.publicKey, sign: (message) => signWithKeyFile(key, signingAlgorithm, message) };
  }

  const refOf = ({ id, generation }: Authority) => `${id}-g${generation}`;

  return {
    async findAuthority(authority) {
      const ref = refOf(authority);
      if (!existsSync(keyFilePath(folder, ref))) return undefined;
      return { ref, spkiSha256: readKey(folder, ref).publicKey.sha256 };
    },
    async createAuthority(authority) {
      const ref = refOf(authority);
      ensureKeyFile(keyFilePath(folder, ref), folder, authority.keyAlgorithm);
      readKey(folder, ref);
      return { ref };
    },
    certificationRequest: async (ref, authority) => buildAuthorityRequest(authority, heldKey(ref, authority)),
    signAuthority: async (order) => buildAuthorityCertificate(order, heldKey(order.issuerRef, order.issuer), random),
    async installCertificate(ref, certificateDer) {
      // The registry keeps certificates; what is checked is that it is this key's.
      requireKeyOf(certificateDer, readKey(folder, ref).publicKey);
    },
  };
}

function readKey(folder: string, ref: string) {
  try {
    return readKeyFile(keyFilePath(folder, ref));
  } catch (cause) {
    if (!(cause instanceof KeyFileError)) throw cause;
    throw new SealwrightError('backend-unavailable', { message: `${cause.code}: ${cause.message}`, cause });
  }
}
