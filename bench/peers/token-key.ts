import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createPkcs11Provisioner } from '../../shared/adapters/pkcs11/provisioner.ts';
import { prepareSoftHsmToken, readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';

/** A key pair in SoftHSM, made as ours are: what a peer needs to sign with it. */
export interface TokenKey {
  readonly modulePath: string;
  readonly softhsmConf: string;
  readonly tokenLabel: string;
  readonly keyLabel: string;
  readonly pinFile: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
}

/** Makes a token below `dir`, and in it the key of the first P-256 CA of a hierarchy that is on a token. */
export async function makeTokenKey(dir: string, modulePath: string, hierarchy: Hierarchy): Promise<TokenKey> {
  const authority = hierarchy.authorities.find(
    ({ keyAlgorithm, pkcs11 }) => pkcs11 !== undefined && keyAlgorithm === 'EC_prime256v1',
  );
  if (authority?.pkcs11 === undefined) throw new Error('no CA of the hierarchy has a P-256 key on a token');
  const { keyLabel, tokenLabel } = authority.pkcs11;
  const confBefore = process.env.SOFTHSM2_CONF;
  const token = prepareSoftHsmToken({ libraryPath: modulePath, folder: join(dir, 'softhsm'), tokenLabel });
  const provisioner = createPkcs11Provisioner({
    library: token.library,
    readPin: () => readPinFile(token.pinFile),
    random: (bytes) => randomBytes(bytes),
  });
  try {
    const { ref } = await provisioner.createAuthority(authority);
    const request = parseCertificationRequest(await provisioner.certificationRequest(ref, authority));
    const { softhsmConf } = token.library;
    return { modulePath, softhsmConf, tokenLabel, keyLabel, pinFile: token.pinFile, spki: request.publicKey.der };
  } finally {
    provisioner.close();
    // Loading the library has put it there; the servers started from here have configurations of their own.
    if (confBefore === undefined) delete process.env.SOFTHSM2_CONF;
    else process.env.SOFTHSM2_CONF = confBefore;
  }
}
