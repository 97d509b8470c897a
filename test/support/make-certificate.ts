/** Certificates for tests: a small hierarchy in this process, and leaves that are valid until one field is changed. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { LintSubject } from '../../shared/lints/lint.ts';
import { type Certificate, type Extension, parseCertificate } from '../../shared/pki/certificate.ts';
import {
  assembleCertificate,
  authorityKeyIdentifierExtension,
  basicConstraintsExtension,
  buildTbsCertificate,
  crlDistributionPointExtension,
  extendedKeyUsageExtension,
  keyIdentifierOf,
  keyUsageExtension,
  subjectAltNameExtension,
  subjectKeyIdentifierExtension,
} from '../../shared/pki/certificate-builder.ts';
import * as der from '../../shared/pki/der/writer.ts';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { encodeCommonNameOnly, encodeDistinguishedName, type GeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { parseSubjectPublicKey, type SubjectPublicKey } from '../../shared/pki/public-key.ts';
import {
  type CaSigningAlgorithm,
  caSigningAlgorithmHash,
  encodeCaSigningAlgorithm,
} from '../../shared/pki/signature-algorithm.ts';

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly publicKey: SubjectPublicKey;
}

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
export const testTime: EpochMs = Date.parse('2026-11-23T12:00:00Z');
export const dnsName = 'sensor-17.fleet.example';
export const spiffeId = 'spiffe://fleet.example/plant-7/press';
export const crlUrl = 'http://crl.fleet.example/v1/crls/workloads/1-3';

export function testKeyOf(pair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }): TestKey {
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
  return { privateKey: pair.privateKey, publicKey: parseSubjectPublicKey(new Uint8Array(spki)) };
}

export function newEcTestKey(namedCurve = 'P-256'): TestKey {
  return testKeyOf(generateKeyPairSync('ec', { namedCurve }));
}

export function newRsaTestKey(modulusLength = 2048, publicExponent = 65_537): TestKey {
  return testKeyOf(generateKeyPairSync('rsa', { modulusLength, publicExponent }));
}

export function newEd25519TestKey(): TestKey {
  return testKeyOf(generateKeyPairSync('ed25519'));
}

export interface CaOptions {
  readonly key?: TestKey;
  readonly subject?: Uint8Array;
  readonly notBefore?: EpochMs;
  readonly notAfter?: EpochMs;
  readonly signingAlgorithm?: CaSigningAlgorithm;
  /** Take the place of those with the same object identifier. */
  readonly extensions?: readonly Extension[];
}

export interface TestCa {
  readonly key: TestKey;
  readonly certificate: Certificate;
}

/** A self-signed CA. */
export function makeCa(options: CaOptions = {}): TestCa {
  const key = options.key ?? newEcTestKey();
  const subject = options.subject ?? encodeDistinguishedName('CN=Workloads G1,O=Example Fleet');
  const signingAlgorithm = options.signingAlgorithm ?? 'SHA256WITHECDSA';
  const tbs = buildTbsCertificate({
    serialNumber: Uint8Array.of(0x41, 2, 3, 4, 5, 6, 7, 8, 9),
    signingAlgorithm,
    issuer: subject,
    notBefore: options.notBefore ?? testTime - 30 * dayMs,
    notAfter: options.notAfter ?? testTime + 1000 * dayMs,
    subject,
    publicKey: key.publicKey.der,
    extensions: mergeExtensions(
      [
        basicConstraintsExtension({ ca: true, pathLen: 0 }),
        keyUsageExtension(['keyCertSign', 'cRLSign']),
        subjectKeyIdentifierExtension(keyIdentifierOf(key.publicKey)),
      ],
      options.extensions ?? [],
    ),
  });
  const signature = sign(caSigningAlgorithmHash(signingAlgorithm), tbs, key.privateKey);
  return { key, certificate: parseCertificate(assembleCertificate(tbs, signingAlgorithm, signature)) };
}

/** `given` with each of `extensions` in the place of the one with its object identifier, else at the end. */
export function mergeExtensions(given: readonly Extension[], extensions: readonly Extension[]): readonly Extension[] {
  const merged = given.map((old) => extensions.find(({ oid }) => oid === old.oid) ?? old);
  return [...merged, ...extensions.filter(({ oid }) => given.every((old) => old.oid !== oid))];
}

/** A leaf in encoded pieces, and what it is held against. Every field can be made wrong by itself. */
export interface Leaf {
  /** TLVs of the TBSCertificate. */
  readonly version: Uint8Array;
  readonly serial: Uint8Array;
  readonly algorithm: Uint8Array;
  readonly issuerName: Uint8Array;
  readonly validity: Uint8Array;
  readonly subjectName: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly extensions: readonly Extension[];
  /** As `algorithm` unless given. */
  readonly outerAlgorithm?: Uint8Array;
  readonly against: Omit<LintSubject, 'certificate'>;
}

const ca = makeCa();
/** One CA for every leaf. */
export const leafCa: TestCa = ca;
export const leafKey: TestKey = newEcTestKey();

export function validityOf(notBefore: EpochMs, notAfter: EpochMs): Uint8Array {
  return der.sequence(der.time(notBefore), der.time(notAfter));
}

function leafOf(usage: 'tls' | 'svid', commonName: string | undefined, names: readonly GeneralName[]): Leaf {
  const lifetimeMsMax = usage === 'tls' ? 90 * dayMs + hourMs : hourMs + 5 * 60_000;
  const notBefore = testTime - (usage === 'tls' ? hourMs : 5 * 60_000);
  const purposes = [oids.serverAuth, oids.clientAuth];
  return {
    version: der.explicit(0, der.integer(2)),
    serial: der.integerBytes(Uint8Array.from({ length: 16 }, (_, i) => 0x41 + i)),
    algorithm: encodeCaSigningAlgorithm('SHA256WITHECDSA'),
    issuerName: ca.certificate.tbs.subject.der,
    validity: validityOf(notBefore, notBefore + lifetimeMsMax),
    subjectName: encodeCommonNameOnly(commonName),
    publicKey: leafKey.publicKey.der,
    extensions: [
      basicConstraintsExtension({ ca: false }),
      keyUsageExtension(['digitalSignature']),
      extendedKeyUsageExtension(purposes),
      subjectAltNameExtension(names, commonName === undefined),
      subjectKeyIdentifierExtension(keyIdentifierOf(leafKey.publicKey)),
      authorityKeyIdentifierExtension(keyIdentifierOf(ca.key.publicKey)),
      crlDistributionPointExtension(crlUrl),
    ],
    against: {
      issuer: ca.certificate,
      profile: usage === 'tls' ? 'device' : 'svid',
      usage,
      lifetimeMsMax,
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: purposes,
      crlExpected: true,
    },
  };
}

/** A leaf of the device kind: the DNS name, also as common name. */
export const tlsLeaf: Leaf = leafOf('tls', dnsName, [{ kind: 'dns', value: dnsName }]);
/** A leaf of the service kind: DNS names, empty subject. */
export const serviceLeaf: Leaf = leafOf('tls', undefined, [
  { kind: 'dns', value: 'press.fleet.example' },
  { kind: 'dns', value: 'press.plant-7.fleet.example' },
]);
/** An SVID. */
export const svidLeaf: Leaf = leafOf('svid', undefined, [{ kind: 'uri', value: spiffeId }]);

export function withExtension(leaf: Leaf, ...extensions: readonly Extension[]): Leaf {
  return { ...leaf, extensions: mergeExtensions(leaf.extensions, extensions) };
}

export function withoutExtension(leaf: Leaf, oid: string): Leaf {
  return { ...leaf, extensions: leaf.extensions.filter((extension) => extension.oid !== oid) };
}

/** The same extension with another critical flag. */
export function withCriticality(leaf: Leaf, oid: string, critical: boolean): Leaf {
  return {
    ...leaf,
    extensions: leaf.extensions.map((extension) => (extension.oid === oid ? { ...extension, critical } : extension)),
  };
}

/** Another public key, with its own subject key identifier. */
export function withKey(leaf: Leaf, spki: Uint8Array): Leaf {
  const identifier = subjectKeyIdentifierExtension(keyIdentifierOf(parseSubjectPublicKey(spki)));
  return withExtension({ ...leaf, publicKey: spki }, identifier);
}

/** Held against something else. */
export function against(leaf: Leaf, changes: Partial<Leaf['against']>): Leaf {
  return { ...leaf, against: { ...leaf.against, ...changes } };
}

function encodeExtension({ oid, critical, value }: Extension): Uint8Array {
  return der.sequence(der.oid(oid), ...(critical ? [der.booleanTrue()] : []), der.octetString(value));
}

export function tbsOf(leaf: Leaf): Uint8Array {
  return der.sequence(
    leaf.version,
    leaf.serial,
    leaf.algorithm,
    leaf.issuerName,
    leaf.validity,
    leaf.subjectName,
    leaf.publicKey,
    der.explicit(3, der.sequence(...leaf.extensions.map(encodeExtension))),
  );
}

/** Certificate DER, signed by `leafCa` with ECDSA and SHA-256 whatever `algorithm` says. */
export function certificateDerOf(leaf: Leaf): Uint8Array {
  const tbs = tbsOf(leaf);
  return der.sequence(
    tbs,
    leaf.outerAlgorithm ?? leaf.algorithm,
    der.bitString(sign('sha256', tbs, ca.key.privateKey)),
  );
}

export function lintSubjectOf(leaf: Leaf): LintSubject {
  return { ...leaf.against, certificate: parseCertificate(certificateDerOf(leaf)) };
}
