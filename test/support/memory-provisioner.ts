/** An AuthorityProvisioner whose keys live in this process, and a registry to go with it: for tests of what builds a hierarchy. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Authority, CaKeyAlgorithm } from '../../shared/hierarchy/hierarchy.ts';
import { extendedKeyUsageOf, nameConstraintsOf } from '../../shared/issuance/authority-certificate.ts';
import type { InstalledAuthority } from '../../shared/issuance/issuance-record.ts';
import type { AuthorityProvisioner, AuthorityRegistry, AuthoritySigningOrder } from '../../shared/issuance/ports.ts';
import { parseCertificate, subjectKeyIdentifierOf } from '../../shared/pki/certificate.ts';
import {
  assembleCertificate,
  assembleCertificationRequest,
  authorityKeyIdentifierExtension,
  basicConstraintsExtension,
  buildCertificationRequestInfo,
  buildTbsCertificate,
  extendedKeyUsageExtension,
  keyIdentifierOf,
  keyUsageExtension,
  nameConstraintsExtension,
  subjectKeyIdentifierExtension,
  type TbsCertificateFields,
} from '../../shared/pki/certificate-builder.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { encodeDistinguishedName } from '../../shared/pki/names.ts';
import { parseSubjectPublicKey } from '../../shared/pki/public-key.ts';
import { caSigningAlgorithmHash, encodeCaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';

export interface MemoryProvisioner extends AuthorityProvisioner {
  /** Keys made, one a CA. */
  readonly keysMade: string[];
  readonly installed: Map<string, Uint8Array>;
}

export interface MemoryProvisionerOptions {
  /** Changes what is put into a CA certificate. */
  readonly alter?: (fields: TbsCertificateFields, order: AuthoritySigningOrder) => TbsCertificateFields;
  /** Changes the request that a CA gives of itself. */
  readonly alterRequest?: (der: Uint8Array) => Uint8Array;
}

const curves: Partial<Record<CaKeyAlgorithm, string>> = { EC_prime256v1: 'P-256', EC_secp384r1: 'P-384' };

function newKey(algorithm: CaKeyAlgorithm): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: curves[algorithm] ?? 'P-521' }).privateKey;
}

function publicKeyOf(key: KeyObject) {
  return parseSubjectPublicKey(createPublicDer(key));
}

function createPublicDer(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

function fieldsOf(order: AuthoritySigningOrder, issuerKey: KeyObject): TbsCertificateFields {
  const { authority, issuerCertificateDer } = order;
  const { publicKey, subject } = parseCertificationRequest(order.requestDer);
  const issuer = issuerCertificateDer === undefined ? undefined : parseCertificate(issuerCertificateDer).tbs;
  const issuerKeyId = issuer === undefined ? undefined : subjectKeyIdentifierOf(issuer);
  const constraints = nameConstraintsOf(authority);
  const purposes = extendedKeyUsageOf(authority);
  return {
    serialNumber: createHash('sha256')
      .update(order.requestDer)
      .digest()
      .subarray(0, 16)
      .map((octet) => (octet & 0x7f) | 1),
    signingAlgorithm: order.issuer.signingAlgorithm,
    issuer: issuer?.subject.der ?? subject.der,
    notBefore: order.notBefore,
    notAfter: order.notAfter,
    subject: subject.der,
    publicKey: publicKey.der,
    extensions: [
      basicConstraintsExtension({ ca: true, pathLen: authority.pathLen }),
      keyUsageExtension(['keyCertSign', 'cRLSign']),
      subjectKeyIdentifierExtension(keyIdentifierOf(publicKey)),
      authorityKeyIdentifierExtension(issuerKeyId ?? keyIdentifierOf(publicKeyOf(issuerKey))),
      ...(constraints === undefined ? [] : [nameConstraintsExtension(constraints)]),
      ...(purposes === undefined ? [] : [extendedKeyUsageExtension(purposes)]),
    ],
  };
}

export function createMemoryProvisioner(options: MemoryProvisionerOptions = {}): MemoryProvisioner {
  const { alter = (fields) => fields, alterRequest = (der) => der } = options;
  const keys = new Map<string, KeyObject>();
  const keysMade: string[] = [];
  const installed = new Map<string, Uint8Array>();
  const keyOf = (ref: string): KeyObject => {
    const key = keys.get(ref);
    if (key === undefined) throw new Error(`no key ${ref}`);
    return key;
  };
  return {
    keysMade,
    installed,
    async findAuthority(authority: Authority) {
      const ref = `memory:${authority.id}#${authority.generation}`;
      const key = keys.get(ref);
      return key === undefined ? undefined : { ref, spkiSha256: publicKeyOf(key).sha256 };
    },
    async createAuthority(authority: Authority) {
      const ref = `memory:${authority.id}#${authority.generation}`;
      if (!keys.has(ref)) {
        keys.set(ref, newKey(authority.keyAlgorithm));
        keysMade.push(ref);
      }
      return { ref };
    },
    async certificationRequest(ref, authority) {
      const key = keyOf(ref);
      const info = buildCertificationRequestInfo(encodeDistinguishedName(authority.subject), createPublicDer(key), []);
      const hash = caSigningAlgorithmHash(authority.signingAlgorithm);
      const algorithm = encodeCaSigningAlgorithm(authority.signingAlgorithm);
      return alterRequest(assembleCertificationRequest(info, algorithm, sign(hash, info, key)));
    },
    async signAuthority(order) {
      const key = keyOf(order.issuerRef);
      const fields = alter(fieldsOf(order, key), order);
      const tbs = buildTbsCertificate(fields);
      return assembleCertificate(
        tbs,
        fields.signingAlgorithm,
        sign(caSigningAlgorithmHash(fields.signingAlgorithm), tbs, key),
      );
    },
    async installCertificate(ref, certificateDer) {
      installed.set(ref, certificateDer);
    },
  };
}

export interface MemoryRegistry extends AuthorityRegistry {
  readonly entries: InstalledAuthority[];
  readonly frozen: Set<string>;
}

export function createMemoryRegistry(): MemoryRegistry {
  const entries: InstalledAuthority[] = [];
  const frozen = new Set<string>();
  return {
    entries,
    frozen,
    list: async () => [...entries],
    async install(authority) {
      const known = entries.find((entry) => entry.caId === authority.caId && entry.generation === authority.generation);
      if (known === undefined) entries.push(authority);
      else if (Buffer.compare(known.certificateDer, authority.certificateDer) !== 0)
        throw new Error('another certificate');
    },
    async setFrozen(caId, isFrozen) {
      if (isFrozen) frozen.add(caId);
      else frozen.delete(caId);
    },
    isFrozen: async (caId) => frozen.has(caId),
    fenceOf: async (caId) => (frozen.has(caId) ? { frozen: true, at: 0, by: 'memory' } : undefined),
  };
}
