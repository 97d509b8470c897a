/** One leaf a violation: valid but for one thing. `breaks` is the only lint that may speak of it. */
import {
  authorityKeyIdentifierExtension,
  basicConstraintsExtension,
  crlDistributionPointExtension,
  extendedKeyUsageExtension,
  keyIdentifierOf,
  keyUsageExtension,
  subjectKeyIdentifierExtension,
} from '../../shared/pki/certificate-builder.ts';
import type { KeyUsageName } from '../../shared/pki/certification-request.ts';
import * as der from '../../shared/pki/der/writer.ts';
import { encodeDistinguishedName, encodeGeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { encodeCaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';
import { issuerWith, type LintVector, nameVectors } from './lint-vectors-names.ts';
import {
  against,
  crlUrl,
  dayMs,
  hourMs,
  type Leaf,
  leafCa,
  leafKey,
  newEcTestKey,
  newEd25519TestKey,
  newRsaTestKey,
  svidLeaf,
  testTime,
  tlsLeaf,
  validityOf,
  withCriticality,
  withExtension,
  withKey,
  withoutExtension,
} from './make-certificate.ts';

export type { LintVector } from './lint-vectors-names.ts';

/** Both the certificate and its profile have these usages. */
function withUsages(leaf: Leaf, usages: readonly KeyUsageName[]): Leaf {
  return against(withExtension(leaf, keyUsageExtension(usages)), { keyUsage: usages });
}

function withPurposes(leaf: Leaf, purposes: readonly string[]): Leaf {
  return against(withExtension(leaf, extendedKeyUsageExtension(purposes)), { extendedKeyUsage: purposes });
}

/** The leaf's own key as a compressed point. */
function compressedKey(): Uint8Array {
  const point = leafKey.publicKey.bits;
  const compressed = Uint8Array.of(2 + ((point[64] ?? 0) & 1), ...point.subarray(1, 33));
  const algorithm = der.sequence(der.oid(oids.ecPublicKey), der.oid(oids.secp256r1));
  return der.sequence(algorithm, der.bitString(compressed));
}

const fieldVectors: readonly LintVector[] = [
  {
    breaks: 'certificate-well-formed',
    what: 'whose extended key usage lists no purpose',
    leaf: () => withExtension(tlsLeaf, { oid: oids.extendedKeyUsage, critical: false, value: der.sequence() }),
  },
  {
    breaks: 'certificate-well-formed',
    what: 'whose subject alternative name holds no name',
    leaf: () => withExtension(tlsLeaf, { oid: oids.subjectAltName, critical: false, value: der.sequence() }),
  },
  { breaks: 'serial-positive', what: 'with serial zero', leaf: () => ({ ...tlsLeaf, serial: der.integer(0) }) },
  { breaks: 'serial-positive', what: 'with a negative serial', leaf: () => ({ ...tlsLeaf, serial: der.integer(-99) }) },
  {
    breaks: 'serial-length-max',
    what: 'with a serial of 21 octets',
    leaf: () => ({ ...tlsLeaf, serial: der.integer(1n << 159n) }),
  },
  {
    breaks: 'serial-entropy-size',
    what: 'with a serial of 7 octets',
    leaf: () => ({ ...tlsLeaf, serial: der.integer((1n << 56n) - 1n) }),
  },
  {
    breaks: 'signature-algorithm-allowed',
    what: 'signed with SHA-1',
    leaf: () => ({ ...tlsLeaf, algorithm: der.sequence(der.oid(oids.ecdsaWithSha1)) }),
  },
  {
    breaks: 'signature-algorithm-allowed',
    what: 'whose ECDSA algorithm has NULL parameters',
    leaf: () => ({ ...tlsLeaf, algorithm: der.sequence(der.oid(oids.ecdsaWithSha256), der.nullValue()) }),
  },
  {
    breaks: 'signature-algorithm-fits-issuer-key',
    what: 'signed with RSA under a CA with an EC key',
    leaf: () => ({ ...tlsLeaf, algorithm: encodeCaSigningAlgorithm('SHA256WITHRSA') }),
  },
  {
    breaks: 'issuer-name-equals-issuer-subject',
    what: 'whose issuer name has the attributes in another order',
    leaf: () => ({ ...tlsLeaf, issuerName: encodeDistinguishedName('O=Example Fleet,CN=Workloads G1') }),
  },
  {
    breaks: 'issuer-is-ca',
    what: 'issued by a leaf',
    leaf: () => issuerWith({ extensions: [basicConstraintsExtension({ ca: false })] }),
  },
  {
    breaks: 'issuer-is-ca',
    what: 'issued by a CA that may only sign CRLs',
    leaf: () => issuerWith({ extensions: [keyUsageExtension(['cRLSign'])] }),
  },
  {
    breaks: 'validity-order',
    what: 'that ends when it begins',
    leaf: () => ({ ...tlsLeaf, validity: validityOf(testTime, testTime) }),
  },
  {
    breaks: 'validity-lifetime-max',
    what: 'that lives a second longer than its profile',
    leaf: () => against(tlsLeaf, { lifetimeMsMax: tlsLeaf.against.lifetimeMsMax - 1000 }),
  },
  {
    breaks: 'validity-not-before-within-issuer',
    what: 'that begins before its CA does',
    leaf: () => issuerWith({ notBefore: testTime - hourMs + 1000 }),
  },
  {
    breaks: 'validity-not-after-within-issuer',
    what: 'that outlives its CA',
    leaf: () => issuerWith({ notAfter: testTime + 90 * dayMs - 1000 }),
  },
  {
    breaks: 'validity-time-encoding',
    what: 'with a GeneralizedTime before 2050',
    leaf: () => {
      const generalized = Uint8Array.of(0x18, 15, ...Buffer.from('20261123120000Z'));
      return { ...tlsLeaf, validity: der.sequence(generalized, der.time(testTime + dayMs)) };
    },
  },
  {
    breaks: 'public-key-type-allowed',
    what: 'with a key on secp256k1',
    leaf: () => withKey(tlsLeaf, newEcTestKey('secp256k1').publicKey.der),
  },
  {
    breaks: 'public-key-point-uncompressed',
    what: 'with a compressed point',
    leaf: () => withKey(tlsLeaf, compressedKey()),
  },
  {
    breaks: 'rsa-modulus-size',
    what: 'with an RSA modulus of 1024 bits',
    leaf: () => withKey(tlsLeaf, newRsaTestKey(1024).publicKey.der),
  },
  {
    breaks: 'rsa-public-exponent',
    what: 'with the RSA exponent 3',
    leaf: () => withKey(tlsLeaf, newRsaTestKey(2048, 3).publicKey.der),
  },
];

const usageVectors: readonly LintVector[] = [
  {
    breaks: 'basic-constraints-present',
    what: 'without basic constraints',
    leaf: () => withoutExtension(tlsLeaf, oids.basicConstraints),
  },
  {
    breaks: 'basic-constraints-critical',
    what: 'whose basic constraints are not critical',
    leaf: () => withCriticality(tlsLeaf, oids.basicConstraints, false),
  },
  {
    breaks: 'basic-constraints-not-ca',
    what: 'marked as a CA',
    leaf: () => withExtension(tlsLeaf, basicConstraintsExtension({ ca: true, pathLen: 0 })),
  },
  {
    breaks: 'basic-constraints-no-path-len',
    what: 'with a path length',
    leaf: () =>
      withExtension(tlsLeaf, { oid: oids.basicConstraints, critical: true, value: der.sequence(der.integer(0)) }),
  },
  { breaks: 'key-usage-present', what: 'without key usage', leaf: () => withoutExtension(tlsLeaf, oids.keyUsage) },
  {
    breaks: 'key-usage-critical',
    what: 'whose key usage is not critical',
    leaf: () => withCriticality(tlsLeaf, oids.keyUsage, false),
  },
  {
    breaks: 'key-usage-exact',
    what: 'with a usage more than its profile',
    leaf: () => withExtension(tlsLeaf, keyUsageExtension(['digitalSignature', 'nonRepudiation'])),
  },
  {
    breaks: 'key-usage-exact',
    what: 'with a usage less than its profile',
    leaf: () => against(tlsLeaf, { keyUsage: ['digitalSignature', 'nonRepudiation'] }),
  },
  {
    breaks: 'key-usage-no-ca-bits',
    what: 'that signs certificates because its profile says so',
    leaf: () => withUsages(tlsLeaf, ['digitalSignature', 'keyCertSign']),
  },
  {
    breaks: 'key-usage-no-ca-bits',
    what: 'that signs CRLs because its profile says so',
    leaf: () => withUsages(svidLeaf, ['digitalSignature', 'cRLSign']),
  },
  {
    breaks: 'key-usage-fits-key',
    what: 'with keyEncipherment for an EC key',
    leaf: () => withUsages(tlsLeaf, ['digitalSignature', 'keyEncipherment']),
  },
  {
    breaks: 'key-usage-fits-key',
    what: 'with keyAgreement for an Ed25519 key',
    leaf: () => withUsages(withKey(tlsLeaf, newEd25519TestKey().publicKey.der), ['digitalSignature', 'keyAgreement']),
  },
  {
    breaks: 'extended-key-usage-present',
    what: 'without extended key usage',
    leaf: () => withoutExtension(tlsLeaf, oids.extendedKeyUsage),
  },
  {
    breaks: 'extended-key-usage-not-critical',
    what: 'whose extended key usage is critical',
    leaf: () => withCriticality(tlsLeaf, oids.extendedKeyUsage, true),
  },
  {
    breaks: 'extended-key-usage-exact',
    what: 'with a purpose more than its profile',
    leaf: () => withExtension(tlsLeaf, extendedKeyUsageExtension([oids.serverAuth, oids.clientAuth, oids.codeSigning])),
  },
  {
    breaks: 'extended-key-usage-exact',
    what: 'with the same purpose twice in the place of two',
    leaf: () => withExtension(tlsLeaf, extendedKeyUsageExtension([oids.serverAuth, oids.serverAuth])),
  },
  {
    breaks: 'extended-key-usage-no-any',
    what: 'for any purpose because its profile says so',
    leaf: () => withPurposes(tlsLeaf, [oids.serverAuth, oids.clientAuth, oids.anyExtendedKeyUsage]),
  },
  {
    breaks: 'svid-key-usage',
    what: 'that is an SVID without digitalSignature',
    leaf: () => withUsages(svidLeaf, ['nonRepudiation']),
  },
  {
    breaks: 'svid-extended-key-usage',
    what: 'that is an SVID for clients only',
    leaf: () => withPurposes(svidLeaf, [oids.clientAuth]),
  },
];

const identifierVectors: readonly LintVector[] = [
  {
    breaks: 'subject-key-identifier-present',
    what: 'without a subject key identifier',
    leaf: () => withoutExtension(tlsLeaf, oids.subjectKeyIdentifier),
  },
  {
    breaks: 'subject-key-identifier-not-critical',
    what: 'whose subject key identifier is critical',
    leaf: () => withCriticality(tlsLeaf, oids.subjectKeyIdentifier, true),
  },
  {
    breaks: 'subject-key-identifier-derivation',
    what: 'with the key identifier of another key',
    leaf: () => withExtension(tlsLeaf, subjectKeyIdentifierExtension(keyIdentifierOf(leafCa.key.publicKey))),
  },
  {
    breaks: 'authority-key-identifier-present',
    what: 'without an authority key identifier',
    leaf: () => withoutExtension(tlsLeaf, oids.authorityKeyIdentifier),
  },
  {
    breaks: 'authority-key-identifier-not-critical',
    what: 'whose authority key identifier is critical',
    leaf: () => withCriticality(tlsLeaf, oids.authorityKeyIdentifier, true),
  },
  {
    breaks: 'authority-key-identifier-equals-issuer',
    what: 'with the authority key identifier of another CA',
    leaf: () => withExtension(tlsLeaf, authorityKeyIdentifierExtension(keyIdentifierOf(leafKey.publicKey))),
  },
  {
    breaks: 'authority-key-identifier-equals-issuer',
    what: 'whose authority key identifier is empty',
    leaf: () => withExtension(tlsLeaf, { oid: oids.authorityKeyIdentifier, critical: false, value: der.sequence() }),
  },
  {
    breaks: 'authority-key-identifier-form',
    what: "whose authority key identifier also names the CA's issuer and serial",
    leaf: () => {
      const id = der.implicit(0, keyIdentifierOf(leafCa.key.publicKey));
      const issuerName = der.implicitConstructed(1, der.explicit(4, leafCa.certificate.tbs.issuer.der));
      const value = der.sequence(id, issuerName, der.implicit(2, Uint8Array.of(5)));
      return withExtension(tlsLeaf, { oid: oids.authorityKeyIdentifier, critical: false, value });
    },
  },
];

const otherVectors: readonly LintVector[] = [
  {
    breaks: 'crl-distribution-point-expected',
    what: 'without the CRL its CA publishes',
    leaf: () => withoutExtension(tlsLeaf, oids.crlDistributionPoints),
  },
  {
    breaks: 'crl-distribution-point-expected',
    what: 'with a CRL its CA does not publish',
    leaf: () => against(tlsLeaf, { crlExpected: false }),
  },
  {
    breaks: 'crl-distribution-point-not-critical',
    what: 'whose CRL distribution point is critical',
    leaf: () => withCriticality(tlsLeaf, oids.crlDistributionPoints, true),
  },
  {
    breaks: 'crl-distribution-point-single',
    what: 'with two CRLs',
    leaf: () => {
      const point = (url: string) =>
        der.sequence(der.explicit(0, der.implicitConstructed(0, der.implicit(6, der.ia5Content(url)))));
      const value = der.sequence(point(crlUrl), point(`${crlUrl}1`));
      return withExtension(tlsLeaf, { oid: oids.crlDistributionPoints, critical: false, value });
    },
  },
  {
    breaks: 'crl-distribution-point-http',
    what: 'whose CRL is behind https',
    leaf: () => withExtension(tlsLeaf, crlDistributionPointExtension(crlUrl.replace('http:', 'https:'))),
  },
  {
    breaks: 'crl-distribution-point-full-name-only',
    what: 'whose CRL is for some reasons only',
    leaf: () => {
      const name = der.explicit(0, der.implicitConstructed(0, der.implicit(6, der.ia5Content(crlUrl))));
      const value = der.sequence(der.sequence(name, der.implicit(1, Uint8Array.of(6, 0x40))));
      return withExtension(tlsLeaf, { oid: oids.crlDistributionPoints, critical: false, value });
    },
  },
  {
    breaks: 'crl-distribution-point-full-name-only',
    what: 'whose CRL is named by a directory name',
    leaf: () => {
      const directory = encodeGeneralName({
        kind: 'directory',
        der: der.explicit(4, encodeDistinguishedName('CN=Workloads G1')),
      });
      const value = der.sequence(der.sequence(der.explicit(0, der.implicitConstructed(0, directory))));
      return withExtension(tlsLeaf, { oid: oids.crlDistributionPoints, critical: false, value });
    },
  },
  {
    breaks: 'critical-extensions-known',
    what: 'with a critical extension of no profile',
    leaf: () => withExtension(tlsLeaf, { oid: oids.inhibitAnyPolicy, critical: true, value: der.integer(0) }),
  },
  {
    breaks: 'extensions-expected',
    what: 'with a TLS feature that its request asked for',
    leaf: () => withExtension(tlsLeaf, { oid: oids.tlsFeature, critical: false, value: der.sequence(der.integer(5)) }),
  },
];

export const lintVectors: readonly LintVector[] = [
  ...fieldVectors,
  ...usageVectors,
  ...nameVectors,
  ...identifierVectors,
  ...otherVectors,
];
