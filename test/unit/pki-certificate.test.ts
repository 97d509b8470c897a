import { constants, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  authorityKeyIdentifierOf,
  basicConstraintsOf,
  crlDistributionPointsOf,
  extendedKeyUsageOf,
  findExtension,
  keyUsageOf,
  nameConstraintsOf,
  parseCertificate,
  parseTbsCertificate,
  subjectAltNames,
  subjectKeyIdentifierOf,
  verifyCertificateSignature,
} from '../../shared/pki/certificate.ts';
import { assembleCertificate, nameConstraintsExtension } from '../../shared/pki/certificate-builder.ts';
import * as der from '../../shared/pki/der/writer.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import { formatDistinguishedName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { encodeCaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';
import {
  certificateDerOf,
  crlUrl,
  dayMs,
  dnsName,
  hourMs,
  type Leaf,
  leafCa,
  leafKey,
  makeCa,
  newEcTestKey,
  newEd25519TestKey,
  newRsaTestKey,
  svidLeaf,
  type TestKey,
  tbsOf,
  testTime,
  tlsLeaf,
  withExtension,
} from '../support/make-certificate.ts';
import { X509Certificate as OracleCertificate } from '../support/x509-oracle.ts';

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
const wellFormed = certificateDerOf(tlsLeaf);

function malformed(action: () => unknown): MalformedError {
  try {
    action();
  } catch (error) {
    if (error instanceof MalformedError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Extensions as raw DER, so that they can be written wrongly. */
function withRawExtensions(leaf: Leaf, ...extensions: readonly Uint8Array[]): Uint8Array {
  const tbs = der.sequence(
    ...[leaf.version, leaf.serial, leaf.algorithm, leaf.issuerName, leaf.validity, leaf.subjectName, leaf.publicKey],
    der.explicit(3, der.sequence(...extensions)),
  );
  return der.sequence(tbs, leaf.algorithm, der.bitString(Uint8Array.of(1)));
}

const rawExtension = (oid: string, ...parts: readonly Uint8Array[]): Uint8Array => der.sequence(der.oid(oid), ...parts);
const basicConstraintsValue = der.octetString(der.sequence());

describe('parsing a certificate', () => {
  it('reads every field (RFC 5280 §4.1)', () => {
    const certificate = parseCertificate(wellFormed);
    const { tbs } = certificate;
    expect(tbs.serialHex).toBe('4142434445464748494a4b4c4d4e4f50');
    expect(tbs.serialNumber).toBe(0x4142434445464748494a4b4c4d4e4f50n);
    expect(formatDistinguishedName(tbs.issuer)).toBe('CN=Workloads G1,O=Example Fleet');
    expect(formatDistinguishedName(tbs.subject)).toBe(`CN=${dnsName}`);
    expect(tbs.notBefore).toBe(testTime - hourMs);
    expect(tbs.notAfter).toBe(testTime + 90 * dayMs);
    expect(tbs.publicKey.sha256).toBe(leafKey.publicKey.sha256);
    expect(hex(tbs.der)).toBe(hex(tbsOf(tlsLeaf)));
    expect(hex(tbs.signatureAlgorithmDer)).toBe(hex(encodeCaSigningAlgorithm('SHA256WITHECDSA')));
    expect(hex(certificate.der)).toBe(hex(wellFormed));
  });

  it('decodes the extensions', () => {
    const { tbs } = parseCertificate(wellFormed);
    expect(subjectAltNames(tbs)).toEqual({ critical: false, names: [{ kind: 'dns', value: dnsName }] });
    expect(basicConstraintsOf(tbs)).toEqual({ ca: false });
    expect(keyUsageOf(tbs)).toEqual(['digitalSignature']);
    expect(extendedKeyUsageOf(tbs)).toEqual([oids.serverAuth, oids.clientAuth]);
    expect(crlDistributionPointsOf(tbs)).toEqual([crlUrl]);
    expect(hex(authorityKeyIdentifierOf(tbs))).toBe(hex(subjectKeyIdentifierOf(leafCa.certificate.tbs)));
    expect(findExtension(tbs, oids.basicConstraints)?.critical).toBe(true);
  });

  it('answers undefined for extensions that are absent', () => {
    const { tbs } = parseCertificate(withRawExtensions(tlsLeaf, rawExtension(oids.tlsFeature, basicConstraintsValue)));
    const accessors = [subjectAltNames, basicConstraintsOf, keyUsageOf, extendedKeyUsageOf, subjectKeyIdentifierOf];
    for (const accessor of [...accessors, authorityKeyIdentifierOf, crlDistributionPointsOf, nameConstraintsOf]) {
      expect(accessor(tbs)).toBeUndefined();
    }
  });

  it('agrees with an independent library', () => {
    const oracle = new OracleCertificate(Buffer.from(wellFormed));
    const { tbs, fingerprint } = parseCertificate(wellFormed);
    expect(oracle.serialNumber).toBe(tbs.serialHex);
    expect(oracle.notBefore.getTime()).toBe(tbs.notBefore);
    expect(oracle.notAfter.getTime()).toBe(tbs.notAfter);
    expect(oracle.extensions.map(({ type, critical }) => [type, critical])).toEqual(
      tbs.extensions.map(({ oid, critical }) => [oid, critical]),
    );
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  it('reads a TBSCertificate that stands alone', () => {
    expect(parseTbsCertificate(tbsOf(svidLeaf)).serialHex).toBe(parseCertificate(wellFormed).tbs.serialHex);
  });

  it.each([
    ['00', '00', 0n],
    ['80', '-80', -128n],
    ['0080', '80', 128n],
    ['00ff01', 'ff01', 0xff01n],
  ])('reads the serial content %s as %s', (content, text, value) => {
    const octets = Buffer.from(content, 'hex');
    const serial = Uint8Array.of(0x02, octets.length, ...octets);
    const { tbs } = parseCertificate(certificateDerOf({ ...tlsLeaf, serial }));
    expect([tbs.serialHex, tbs.serialNumber]).toEqual([text, value]);
  });

  it('reads a GeneralizedTime', () => {
    const validity = der.sequence(der.time(testTime), der.time(Date.parse('2050-01-01T00:00:00Z')));
    const { tbs } = parseCertificate(certificateDerOf({ ...tlsLeaf, validity }));
    expect(tbs.notAfter).toBe(Date.parse('2050-01-01T00:00:00Z'));
  });
});

describe('refusing what is no certificate', () => {
  const utc = (text: string): Uint8Array => Uint8Array.of(0x17, text.length, ...Buffer.from(text));
  const validityOf = (text: string): Leaf => ({ ...tlsLeaf, validity: der.sequence(utc(text), utc('270101000000Z')) });
  const cases: readonly (readonly [string, () => Uint8Array, string])[] = [
    ['version 1', () => certificateDerOf({ ...tlsLeaf, version: new Uint8Array(0) }), 'der-malformed'],
    ['version 2', () => certificateDerOf({ ...tlsLeaf, version: der.explicit(0, der.integer(1)) }), 'der-malformed'],
    ['no extensions', () => certificateDerOf({ ...tlsLeaf, extensions: [] }), 'der-malformed'],
    [
      'an extension twice',
      () => certificateDerOf({ ...tlsLeaf, extensions: [...tlsLeaf.extensions, ...tlsLeaf.extensions.slice(0, 1)] }),
      'der-malformed',
    ],
    [
      'critical FALSE spelt out',
      () =>
        withRawExtensions(tlsLeaf, rawExtension(oids.basicConstraints, Uint8Array.of(1, 1, 0), basicConstraintsValue)),
      'der-not-canonical',
    ],
    [
      'another signature algorithm outside',
      () => certificateDerOf({ ...tlsLeaf, outerAlgorithm: encodeCaSigningAlgorithm('SHA384WITHECDSA') }),
      'der-malformed',
    ],
    ['a serial of 65 octets', () => certificateDerOf({ ...tlsLeaf, serial: der.integer(1n << 512n) }), 'der-malformed'],
    ['a time without seconds', () => certificateDerOf(validityOf('2611231200Z')), 'der-not-canonical'],
    ['a time with an offset', () => certificateDerOf(validityOf('261123120000+0100')), 'der-not-canonical'],
    ['a 31st of February', () => certificateDerOf(validityOf('260231120000Z')), 'der-malformed'],
    ['bytes after it', () => der.concat(wellFormed, Uint8Array.of(0)), 'der-trailing-bytes'],
    ['its last byte missing', () => wellFormed.subarray(0, wellFormed.length - 1), 'der-truncated'],
    ['nothing', () => new Uint8Array(0), 'der-truncated'],
    [
      'an issuer unique identifier',
      () =>
        certificateDerOf({ ...tlsLeaf, publicKey: der.concat(tlsLeaf.publicKey, der.implicit(1, Uint8Array.of(0))) }),
      'der-malformed',
    ],
  ];

  it.each(cases)('refuses a certificate with %s', (_, make, code) => {
    expect(malformed(() => parseCertificate(make())).code).toBe(code);
  });

  it.each([
    ['key usage without a bit', oids.keyUsage, '030100', keyUsageOf],
    ['key usage with trailing zero bits (X.690 §11.2.2)', oids.keyUsage, '03020080', keyUsageOf],
    ['key usage with a tenth bit', oids.keyUsage, '0303060040', keyUsageOf],
    ['basic constraints with FALSE spelt out', oids.basicConstraints, '3003010100', basicConstraintsOf],
    ['a negative path length', oids.basicConstraints, '30060101ff0201ff', basicConstraintsOf],
    ['an empty extended key usage', oids.extendedKeyUsage, '3000', extendedKeyUsageOf],
    ['an empty subject alternative name', oids.subjectAltName, '3000', subjectAltNames],
    [
      'an authority key identifier with a serial but no issuer',
      oids.authorityKeyIdentifier,
      '3003820101',
      authorityKeyIdentifierOf,
    ],
    ['no distribution point', oids.crlDistributionPoints, '3000', crlDistributionPointsOf],
    ['empty name constraints', oids.nameConstraints, '3000', nameConstraintsOf],
    ['a subtree with a minimum', oids.nameConstraints, '300aa0083006820161800101', nameConstraintsOf],
    [
      'an address range with a gap in its mask',
      oids.nameConstraints,
      '300ea00c300a87080a000000ff00ff00',
      nameConstraintsOf,
    ],
  ])('refuses %s', (_, oid, value, accessor) => {
    const leaf = withExtension(tlsLeaf, { oid, critical: false, value: Buffer.from(value, 'hex') });
    const { tbs } = parseCertificate(certificateDerOf(leaf));
    expect(malformed(() => accessor(tbs))).toBeInstanceOf(MalformedError);
  });

  it('throws nothing but MalformedError for any single changed byte', () => {
    const accessors = [subjectAltNames, basicConstraintsOf, keyUsageOf, extendedKeyUsageOf, subjectKeyIdentifierOf];
    let refused = 0;
    for (let at = 0; at < wellFormed.length; at += 1) {
      for (const change of [0x01, 0x80, 0xff]) {
        const bytes = wellFormed.slice();
        bytes[at] = (bytes[at] ?? 0) ^ change;
        try {
          const { tbs } = parseCertificate(bytes);
          for (const accessor of [...accessors, authorityKeyIdentifierOf, crlDistributionPointsOf]) accessor(tbs);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
          refused += 1;
        }
      }
    }
    expect(refused).toBeGreaterThan(wellFormed.length / 2);
  });
});

describe('name constraints of a certificate', () => {
  it('reads back what was written (RFC 5280 §4.2.1.10)', () => {
    const directory = leafCa.certificate.tbs.subject.der;
    const constraints = {
      permitted: [
        { kind: 'dns', value: 'fleet.example' },
        { kind: 'uri', value: '.fleet.example' },
        { kind: 'ip', value: '10.0.0.0/8' },
        { kind: 'ip', value: '2001:db8::/32' },
      ],
      excluded: [
        { kind: 'directory', der: directory },
        { kind: 'email', value: 'fleet.example' },
      ],
    } as const;
    const { certificate } = makeCa({ extensions: [nameConstraintsExtension(constraints)] });
    const read = nameConstraintsOf(certificate.tbs);
    expect(read?.permitted).toEqual(constraints.permitted);
    expect(read?.excluded.map(({ kind }) => kind)).toEqual(['directory', 'email']);
    expect(findExtension(certificate.tbs, oids.nameConstraints)?.critical).toBe(true);
  });
});

describe('verifying the signature of a certificate', () => {
  const signedBy = (key: TestKey, algorithm: Uint8Array, make: (tbs: Uint8Array) => Uint8Array) => {
    const tbs = tbsOf({ ...tlsLeaf, algorithm });
    return verifyCertificateSignature(
      parseCertificate(der.sequence(tbs, algorithm, der.bitString(make(tbs)))),
      key.publicKey,
    );
  };

  it('accepts ECDSA', async () => {
    expect(await verifyCertificateSignature(parseCertificate(wellFormed), leafCa.key.publicKey)).toBe(true);
  });

  it('accepts RSA PKCS #1 v1.5, RSASSA-PSS and Ed25519', async () => {
    const rsa = newRsaTestKey();
    const pkcs1 = encodeCaSigningAlgorithm('SHA384WITHRSA');
    expect(await signedBy(rsa, pkcs1, (tbs) => sign('sha384', tbs, rsa.privateKey))).toBe(true);
    const hash = der.sequence(der.oid(oids.sha256), der.nullValue());
    const pss = der.sequence(
      der.oid(oids.rsassaPss),
      der.sequence(
        der.explicit(0, hash),
        der.explicit(1, der.sequence(der.oid(oids.mgf1), hash)),
        der.explicit(2, der.integer(32)),
      ),
    );
    const padding = { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    expect(await signedBy(rsa, pss, (tbs) => sign('sha256', tbs, padding))).toBe(true);
    const ed25519 = newEd25519TestKey();
    const eddsa = der.sequence(der.oid(oids.ed25519));
    expect(await signedBy(ed25519, eddsa, (tbs) => sign(null, tbs, ed25519.privateKey))).toBe(true);
  });

  it('refuses the key of another CA', async () => {
    expect(await verifyCertificateSignature(parseCertificate(wellFormed), newEcTestKey().publicKey)).toBe(false);
  });

  it('refuses a key that does not fit the algorithm', async () => {
    const rsa = newRsaTestKey();
    expect(await verifyCertificateSignature(parseCertificate(wellFormed), rsa.publicKey)).toBe(false);
    const pkcs1 = encodeCaSigningAlgorithm('SHA256WITHRSA');
    expect(await signedBy(leafCa.key, pkcs1, (tbs) => sign('sha256', tbs, leafCa.key.privateKey))).toBe(false);
  });

  it('refuses a changed TBSCertificate', async () => {
    const { signature } = parseCertificate(wellFormed);
    const changed = tbsOf({ ...tlsLeaf, serial: der.integer(1n << 64n) });
    const forged = parseCertificate(assembleCertificate(changed, 'SHA256WITHECDSA', signature));
    expect(await verifyCertificateSignature(forged, leafCa.key.publicKey)).toBe(false);
  });

  it('refuses SHA-1 and a signature that is no ECDSA-Sig-Value', async () => {
    const sha1 = der.sequence(der.oid(oids.ecdsaWithSha1));
    expect(await signedBy(leafCa.key, sha1, (tbs) => sign('sha1', tbs, leafCa.key.privateKey))).toBe(false);
    const ecdsa = encodeCaSigningAlgorithm('SHA256WITHECDSA');
    expect(await signedBy(leafCa.key, ecdsa, () => Uint8Array.of(1, 2, 3))).toBe(false);
    const raw = { key: leafCa.key.privateKey, dsaEncoding: 'ieee-p1363' } as const;
    expect(await signedBy(leafCa.key, ecdsa, (tbs) => sign('sha256', tbs, raw))).toBe(false);
  });
});
