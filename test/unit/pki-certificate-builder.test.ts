import { spawnSync } from 'node:child_process';
import { sign, type webcrypto, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keyUsageOf, parseCertificate, parseTbsCertificate } from '../../shared/pki/certificate.ts';
import {
  assembleCertificate,
  assembleCertificationRequest,
  authorityKeyIdentifierExtension,
  basicConstraintsExtension,
  buildCertificationRequestInfo,
  buildTbsCertificate,
  crlDistributionPointExtension,
  extendedKeyUsageExtension,
  keyIdentifierOf,
  keyUsageExtension,
  nameConstraintsExtension,
  subjectAltNameExtension,
  subjectKeyIdentifierExtension,
  type TbsCertificateFields,
} from '../../shared/pki/certificate-builder.ts';
import { keyUsageNames } from '../../shared/pki/certificate-extensions.ts';
import { type KeyUsageName, parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { encodeCommonNameOnly, encodeDistinguishedName, type GeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { verifyPossession } from '../../shared/pki/possession.ts';
import { encodeCaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';
import {
  certificateDerOf,
  crlUrl,
  dayMs,
  leafCa,
  leafKey,
  makeCa,
  testTime,
  tlsLeaf,
} from '../support/make-certificate.ts';
import * as oracle from '../support/x509-oracle.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const names: readonly GeneralName[] = [
  { kind: 'dns', value: 'sensor-17.fleet.example' },
  { kind: 'uri', value: 'spiffe://fleet.example/press' },
  { kind: 'ip', value: '10.0.0.1' },
  { kind: 'ip', value: '2001:db8::1' },
  { kind: 'email', value: 'press@fleet.example' },
];
const fields: TbsCertificateFields = {
  serialNumber: Uint8Array.of(0, 0x8f, 2, 3, 4, 5, 6, 7, 8),
  signingAlgorithm: 'SHA256WITHECDSA',
  issuer: leafCa.certificate.tbs.subject.der,
  notBefore: testTime,
  notAfter: Date.parse('2051-01-01T00:00:00Z'),
  subject: encodeCommonNameOnly('sensor-17.fleet.example'),
  publicKey: leafKey.publicKey.der,
  extensions: [
    basicConstraintsExtension({ ca: false }),
    keyUsageExtension(['digitalSignature', 'decipherOnly', 'keyAgreement']),
    extendedKeyUsageExtension([oids.serverAuth, oids.clientAuth]),
    subjectAltNameExtension(names, false),
    subjectKeyIdentifierExtension(keyIdentifierOf(leafKey.publicKey)),
    authorityKeyIdentifierExtension(keyIdentifierOf(leafCa.key.publicKey)),
    crlDistributionPointExtension(crlUrl),
  ],
};
const tbs = buildTbsCertificate(fields);
const built = assembleCertificate(tbs, 'SHA256WITHECDSA', sign('sha256', tbs, leafCa.key.privateKey));

describe('building a certificate', () => {
  it('is parsed and verified by node:crypto as it was meant', () => {
    const theirs = new X509Certificate(built);
    expect(theirs.serialNumber).toBe('8F02030405060708');
    expect(theirs.subject).toBe('CN=sensor-17.fleet.example');
    expect(theirs.validFrom).toBe('Nov 23 12:00:00 2026 GMT');
    expect(theirs.validTo).toBe('Jan  1 00:00:00 2051 GMT');
    expect(theirs.ca).toBe(false);
    expect(theirs.keyUsage).toEqual([oids.serverAuth, oids.clientAuth]);
    expect(theirs.subjectAltName).toBe(
      'DNS:sensor-17.fleet.example, URI:spiffe://fleet.example/press, IP Address:10.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1, email:press@fleet.example',
    );
    expect(theirs.verify(new X509Certificate(leafCa.certificate.der).publicKey)).toBe(true);
    expect(theirs.checkIssued(new X509Certificate(leafCa.certificate.der))).toBe(true);
  });

  it('is parsed by an independent library as it was meant', () => {
    const theirs = new oracle.X509Certificate(Buffer.from(built));
    expect(theirs.serialNumber).toBe('8f02030405060708');
    expect(theirs.notAfter.getTime()).toBe(fields.notAfter);
    const usages = theirs.getExtension(oracle.KeyUsagesExtension)?.usages;
    const { digitalSignature, keyAgreement, decipherOnly } = oracle.KeyUsageFlags;
    expect(usages).toBe(digitalSignature | keyAgreement | decipherOnly);
    expect(theirs.getExtension(oracle.BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true });
    expect(theirs.getExtension(oracle.SubjectKeyIdentifierExtension)?.keyId).toBe(
      hex(keyIdentifierOf(leafKey.publicKey)),
    );
    expect(theirs.getExtension(oracle.AuthorityKeyIdentifierExtension)?.keyId).toBe(
      hex(keyIdentifierOf(leafCa.key.publicKey)),
    );
    const points = theirs.getExtension(oracle.CRLDistributionPointsExtension)?.distributionPoints;
    expect(points?.map((point) => point.distributionPoint?.fullName?.[0]?.uniformResourceIdentifier)).toEqual([crlUrl]);
    expect(hex(new Uint8Array(theirs.rawData))).toBe(hex(built));
  });

  it('is byte for byte what the independent library builds from the same fields', async () => {
    const theirs = await oracle.X509CertificateGenerator.create({
      serialNumber: '4142434445464748494a4b4c4d4e4f50',
      issuer: 'CN=Workloads G1, O=Example Fleet',
      subject: 'CN=sensor-17.fleet.example',
      notBefore: new Date(testTime),
      notAfter: new Date(testTime + dayMs),
      publicKey: await importPublicKey(),
      signingKey: await importSigningKey(),
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [
        new oracle.BasicConstraintsExtension(false, undefined, true),
        new oracle.KeyUsagesExtension(oracle.KeyUsageFlags.digitalSignature, true),
        new oracle.ExtendedKeyUsageExtension([oids.serverAuth, oids.clientAuth]),
        new oracle.SubjectAlternativeNameExtension([{ type: 'dns', value: 'sensor-17.fleet.example' }]),
        new oracle.SubjectKeyIdentifierExtension(hex(keyIdentifierOf(leafKey.publicKey))),
        new oracle.AuthorityKeyIdentifierExtension(hex(keyIdentifierOf(leafCa.key.publicKey))),
      ],
    });
    const read = parseCertificate(new Uint8Array(theirs.rawData)).tbs;
    const ours = buildTbsCertificate({
      ...fields,
      serialNumber: Buffer.from('4142434445464748494a4b4c4d4e4f50', 'hex'),
      issuer: read.issuer.der,
      notAfter: testTime + dayMs,
      subject: read.subject.der,
      extensions: [
        basicConstraintsExtension({ ca: false }),
        keyUsageExtension(['digitalSignature']),
        extendedKeyUsageExtension([oids.serverAuth, oids.clientAuth]),
        subjectAltNameExtension([{ kind: 'dns', value: 'sensor-17.fleet.example' }], false),
        subjectKeyIdentifierExtension(keyIdentifierOf(leafKey.publicKey)),
        authorityKeyIdentifierExtension(keyIdentifierOf(leafCa.key.publicKey)),
      ],
    });
    expect(hex(ours)).toBe(hex(read.der));
  });

  const openssl = spawnSync('openssl', ['version']);
  // Not every machine that runs the tests has the openssl command; the two oracles above are always there.
  it.skipIf(openssl.status !== 0)('is accepted by openssl x509 in strict mode with its issuer', () => {
    const input = encodePem('CERTIFICATE', certificateDerOf(tlsLeaf));
    const { status, stdout } = spawnSync('openssl', ['x509', '-noout', '-text'], { input, encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toContain('CA:FALSE');
    expect(stdout).toContain(`URI:${crlUrl}`);
    expect(stdout).toMatch(/X509v3 Key Usage: critical\s+Digital Signature\n/);
  });

  it('refuses fields that no certificate can have', () => {
    expect(() => buildTbsCertificate({ ...fields, notBefore: testTime + 1 })).toThrow(RangeError);
    expect(() => buildTbsCertificate({ ...fields, extensions: [] })).toThrow(RangeError);
    expect(() => basicConstraintsExtension({ ca: false, pathLen: 0 })).toThrow(RangeError);
    expect(() => keyUsageExtension([])).toThrow(RangeError);
    expect(() => extendedKeyUsageExtension([])).toThrow(RangeError);
    expect(() => nameConstraintsExtension({ permitted: [], excluded: [] })).toThrow(RangeError);
  });
});

describe('building extensions', () => {
  it.each([
    [['digitalSignature'], '03020780'],
    [['keyCertSign', 'cRLSign'], '03020106'],
    [['decipherOnly'], '0303070080'],
    [['digitalSignature', 'encipherOnly'], '03020081'],
  ] as const)('writes %j without trailing zero bits (X.690 §11.2.2)', (usages, expected) => {
    expect(hex(keyUsageExtension(usages).value)).toBe(expected);
  });

  it('reads back every set of key usages', () => {
    for (let bits = 1; bits < 1 << keyUsageNames.length; bits += 1) {
      const usages: readonly KeyUsageName[] = keyUsageNames.filter((_, bit) => (bits & (1 << bit)) !== 0);
      const read = parseTbsCertificate(buildTbsCertificate({ ...fields, extensions: [keyUsageExtension(usages)] }));
      expect(keyUsageOf(read)).toEqual(usages);
    }
  });

  it('leaves out CA FALSE, which is the default, and writes a path length', () => {
    expect(hex(basicConstraintsExtension({ ca: false }).value)).toBe('3000');
    expect(hex(basicConstraintsExtension({ ca: true }).value)).toBe('30030101ff');
    expect(hex(basicConstraintsExtension({ ca: true, pathLen: 1 }).value)).toBe('30060101ff020101');
  });

  it('marks basic constraints, key usage and name constraints critical, and the identifiers not', () => {
    expect(basicConstraintsExtension({ ca: true }).critical).toBe(true);
    expect(keyUsageExtension(['cRLSign']).critical).toBe(true);
    const permitted = [{ kind: 'dns', value: 'fleet.example' }] as const;
    expect(nameConstraintsExtension({ permitted, excluded: [] }).critical).toBe(true);
    expect(subjectKeyIdentifierExtension(Uint8Array.of(1)).critical).toBe(false);
    expect(authorityKeyIdentifierExtension(Uint8Array.of(1)).critical).toBe(false);
    expect(crlDistributionPointExtension(crlUrl).critical).toBe(false);
    expect(subjectAltNameExtension(names, true).critical).toBe(true);
  });

  it('writes name constraints without minimum and maximum (RFC 5280 §4.2.1.10)', () => {
    const { value } = nameConstraintsExtension({
      permitted: [{ kind: 'dns', value: 'a.example' }],
      excluded: [{ kind: 'ip', value: '10.0.0.0/8' }],
    });
    expect(hex(value)).toBe(`301da00d300b8209${hex(Buffer.from('a.example'))}a10c300a87080a000000ff000000`);
  });

  it('derives a key identifier of 160 bits from SHA-256 (RFC 7093 §2)', async () => {
    const id = keyIdentifierOf(leafKey.publicKey);
    expect(id.length).toBe(20);
    const digest = await crypto.subtle.digest('SHA-256', Buffer.from(leafKey.publicKey.bits));
    expect(hex(id)).toBe(hex(new Uint8Array(digest).subarray(0, 20)));
  });

  it('makes CA certificates with name constraints that node:crypto takes for one', () => {
    const permitted = [{ kind: 'dns', value: 'fleet.example' }] as const;
    const { certificate } = makeCa({ extensions: [nameConstraintsExtension({ permitted, excluded: [] })] });
    expect(new X509Certificate(certificate.der).ca).toBe(true);
  });
});

describe('building a certification request', () => {
  const subject = encodeDistinguishedName('CN=press,O=Example Fleet');
  const request = (extensions: TbsCertificateFields['extensions']): Uint8Array => {
    const info = buildCertificationRequestInfo(subject, leafKey.publicKey.der, extensions);
    const signature = sign('sha256', info, leafKey.privateKey);
    return assembleCertificationRequest(info, encodeCaSigningAlgorithm('SHA256WITHECDSA'), signature);
  };

  it('is parsed with its names, and proves possession (RFC 2986)', async () => {
    const parsed = parseCertificationRequest(request([subjectAltNameExtension(names, false)]));
    expect(parsed.names).toEqual(names);
    expect(hex(parsed.subject.der)).toBe(hex(subject));
    expect(await verifyPossession(parsed)).toBe(true);
  });

  it('has empty attributes without extensions', async () => {
    const parsed = parseCertificationRequest(request([]));
    expect(parsed.extensions).toEqual([]);
    expect(parsed.attributeOids).toEqual([]);
    expect(await verifyPossession(parsed)).toBe(true);
  });

  it('is parsed and verified by an independent library', async () => {
    const theirs = new oracle.Pkcs10CertificateRequest(Buffer.from(request(fields.extensions.slice(0, 4))));
    expect(theirs.subject).toBe('CN=press, O=Example Fleet');
    expect(theirs.extensions.map(({ type }) => type)).toEqual(fields.extensions.slice(0, 4).map(({ oid }) => oid));
    expect(await theirs.verify()).toBe(true);
  });
});

async function importPublicKey(): Promise<webcrypto.CryptoKey> {
  const spki = Buffer.from(leafKey.publicKey.der);
  return crypto.subtle.importKey('spki', spki, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
}

async function importSigningKey(): Promise<webcrypto.CryptoKey> {
  const pkcs8 = leafCa.key.privateKey.export({ type: 'pkcs8', format: 'der' });
  return crypto.subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
}
