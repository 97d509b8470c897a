/**
 * Keys and CA certificates on PKCS #11 tokens: for the builder of a hierarchy, never part of the signer. A key pair is
 * generated inside the module and stays there. Each call converges: a key is found again by its label, and no second one is
 * made while it is there. Nothing is ever deleted.
 */
import { hash } from 'node:crypto';
import type { Authority, CaKeyAlgorithm } from '../../hierarchy/hierarchy.ts';
import { SealwrightError } from '../../issuance/errors.ts';
import type { AuthorityProvisioner } from '../../issuance/ports.ts';
import * as der from '../../pki/der/writer.ts';
import { oids } from '../../pki/oids.ts';
import type { SubjectPublicKey } from '../../pki/public-key.ts';
import {
  buildAuthorityCertificate,
  buildAuthorityRequest,
  type HeldKey,
  requireKeyOf,
} from '../held-key/authority-documents.ts';
import { cka, ckm } from './constants.ts';
import { bindKey } from './describe-key.ts';
import { findKeyPair, readKeyAttributes, readPublicKey } from './key-objects.ts';
import type { LibraryOptions } from './library.ts';
import { assertLabel, formatReference, type KeyReference, parseReference } from './reference.ts';
import { Pkcs11Failure } from './return-values.ts';
import { openToken, type Session, type Token, type TokenOptions } from './token.ts';

export interface Pkcs11ProvisionerOptions {
  readonly library: LibraryOptions;
  /** One token, user and PIN a tier. */
  readonly readPin: (tokenLabel: string) => string;
  readonly random: (bytes: number) => Uint8Array;
  readonly openLibrary?: TokenOptions['openLibrary'];
}

export interface Pkcs11Provisioner extends AuthorityProvisioner {
  close(): void;
}

const sessionsMax = 1;

/** What the library refuses is `backend-unavailable`. A key that is there and not as described throws an Error that says how. */
export function createPkcs11Provisioner(options: Pkcs11ProvisionerOptions): Pkcs11Provisioner {
  const tokens = new Map<string, Token>();

  async function onToken<T>(tokenLabel: string, work: (session: Session) => Promise<T> | T): Promise<T> {
    let token = tokens.get(tokenLabel);
    if (token === undefined) {
      const readPin = () => options.readPin(tokenLabel);
      const { library, openLibrary } = options;
      token = openToken({
        library,
        tokenLabel,
        readPin,
        sessionsMax,
        ...(openLibrary === undefined ? {} : { openLibrary }),
      });
      tokens.set(tokenLabel, token);
    }
    try {
      return await token.withSession(work);
    } catch (error) {
      if (!(error instanceof Pkcs11Failure)) throw error;
      throw new SealwrightError('backend-unavailable', { message: `${error.code}: ${error.message}`, cause: error });
    }
  }

  const withKey = <T>(
    reference: KeyReference,
    authority: Pick<Authority, 'signingAlgorithm'>,
    work: (key: HeldKey) => Promise<T>,
  ) => onToken(reference.tokenLabel, async (session) => work(await heldKey(session, reference.keyLabel, authority)));

  return {
    async findAuthority(authority) {
      const reference = referenceOf(authority);
      const key = await onToken(reference.tokenLabel, (session) => {
        if (findKeyPair(session, reference.keyLabel) === undefined) return undefined;
        requireKeptInside(session, reference);
        return publicKeyOf(session, reference.keyLabel);
      });
      return key === undefined ? undefined : { ref: formatReference(reference), spkiSha256: key.sha256 };
    },
    async createAuthority(authority) {
      const reference = referenceOf(authority);
      await onToken(reference.tokenLabel, (session) => {
        if (findKeyPair(session, reference.keyLabel) === undefined)
          generateKeyPair(session, reference, authority.keyAlgorithm);
        requireKeptInside(session, reference);
      });
      return { ref: formatReference(reference) };
    },
    certificationRequest: (ref, authority) =>
      withKey(parseReference(ref), authority, (key) => buildAuthorityRequest(authority, key)),
    signAuthority: (order) =>
      withKey(parseReference(order.issuerRef), order.issuer, (key) =>
        buildAuthorityCertificate(order, key, options.random),
      ),
    async installCertificate(ref, certificateDer) {
      // The registry keeps certificates; a token needs none to sign. What is checked is that it is this key's.
      const { tokenLabel, keyLabel } = parseReference(ref);
      await onToken(tokenLabel, (session) => requireKeyOf(certificateDer, publicKeyOf(session, keyLabel)));
    },
    close() {
      for (const token of tokens.values()) token.close();
    },
  };
}

function referenceOf(authority: Authority): KeyReference {
  const { pkcs11 } = authority;
  if (pkcs11 === undefined) throw new Error(`CA ${authority.id} says neither token nor key`);
  assertLabel(pkcs11.tokenLabel);
  assertLabel(pkcs11.keyLabel);
  return pkcs11;
}

/** Named curves as CKA_EC_PARAMS has them: an object identifier, DER. */
const curveOf: Readonly<Record<Extract<CaKeyAlgorithm, `EC_${string}`>, string>> = {
  EC_prime256v1: oids.secp256r1,
  EC_secp384r1: oids.secp384r1,
  EC_secp521r1: oids.secp521r1,
};

/** 65537 (FIPS 186-5 §A.1.1 asks for more than 2^16). */
const rsaPublicExponent = Buffer.from([0x01, 0x00, 0x01]);

/**
 * The attributes are all said, since the defaults of modules differ and CloudHSM's are TOKEN false and EXTRACTABLE true. The
 * key signs and does nothing else. CKA_ID is computed from the labels, so that a repetition finds the same one.
 */
function generateKeyPair(
  { api, handle }: Session,
  { tokenLabel, keyLabel }: KeyReference,
  keyAlgorithm: CaKeyAlgorithm,
): void {
  const label = Buffer.from(keyLabel, 'utf8');
  const id = hash('sha256', `${tokenLabel}\0${keyLabel}`, 'buffer');
  const named = [
    { type: cka.token, value: true },
    { type: cka.label, value: label },
    { type: cka.id, value: id },
  ];
  const publicTemplate = [...named, { type: cka.verify, value: true }];
  const privateTemplate = [
    ...named,
    { type: cka.private, value: true },
    { type: cka.sensitive, value: true },
    { type: cka.extractable, value: false },
    { type: cka.sign, value: true },
  ];
  if (keyAlgorithm.startsWith('RSA_')) {
    const sized = [
      { type: cka.modulusBits, value: Number.parseInt(keyAlgorithm.slice('RSA_'.length), 10) },
      { type: cka.publicExponent, value: rsaPublicExponent },
      { type: cka.encrypt, value: false },
      { type: cka.wrap, value: false },
    ];
    const signsOnly = [
      { type: cka.decrypt, value: false },
      { type: cka.unwrap, value: false },
    ];
    const mechanism = { mechanism: ckm.rsaPkcsKeyPairGen };
    api.C_GenerateKeyPair(handle, mechanism, [...publicTemplate, ...sized], [...privateTemplate, ...signsOnly]);
    return;
  }
  const curve = curveOf[keyAlgorithm as keyof typeof curveOf];
  const parameters = { type: cka.ecParams, value: Buffer.from(der.oid(curve)) };
  const signsOnly = { type: cka.derive, value: false };
  const mechanism = { mechanism: ckm.ecKeyPairGen };
  api.C_GenerateKeyPair(handle, mechanism, [...publicTemplate, parameters], [...privateTemplate, signsOnly]);
}

/** Reads back what was asked for. A key that could have left the module, or could leave it, is no CA's. */
function requireKeptInside(session: Session, { keyLabel }: KeyReference): void {
  const handles = findKeyPair(session, keyLabel);
  if (handles === undefined)
    throw new Pkcs11Failure('device', 'key-missing', `the key ${keyLabel} was made and is not there`);
  const { extractable, ...wanted } = readKeyAttributes(session, handles.privateKey);
  const faults = Object.entries({ ...wanted, notExtractable: !extractable }).filter(([, holds]) => !holds);
  if (faults.length === 0) return;
  const names = faults.map(([name]) => name).join(', ');
  throw new Error(
    `the key ${keyLabel} is not kept as a CA key has to be: not ${names}. Raise the generation, or destroy the key`,
  );
}

async function heldKey(
  session: Session,
  keyLabel: string,
  { signingAlgorithm }: Pick<Authority, 'signingAlgorithm'>,
): Promise<HeldKey> {
  const found = await bindKey(session, keyLabel, signingAlgorithm);
  if (found === undefined || !('publicKey' in found)) {
    throw new Pkcs11Failure('absent', 'key-missing', `there is no whole key pair with the label ${keyLabel}`);
  }
  const { publicKey, signer, handles } = found;
  return { publicKey, sign: async (message) => signer.sign(session, handles.privateKey, message) };
}

function publicKeyOf(session: Session, keyLabel: string): SubjectPublicKey {
  const handles = findKeyPair(session, keyLabel);
  if (handles === undefined)
    throw new Pkcs11Failure('absent', 'key-missing', `there is no key with the label ${keyLabel}`);
  return readPublicKey(session, handles.publicKey);
}
