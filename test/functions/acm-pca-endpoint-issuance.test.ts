import {
  type ACMPCAClient,
  GetCertificateAuthorityCertificateCommand,
  GetCertificateAuthorityCsrCommand,
  type IssueCertificateRequest,
} from '@aws-sdk/client-acm-pca';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  keyUsageExtension,
  subjectAltNameExtension,
} from '../../shared/pki/certificate-builder.ts';
import * as der from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import {
  createAuthority,
  dayMs,
  decodeCertificate,
  errorNameOf,
  issueAndGet,
  newCsr,
  newRoot,
  newSubordinate,
  startTestEndpoint,
  type TestEndpoint,
} from '../support/acm-pca-endpoint.ts';

let endpoint: TestEndpoint;
let client: ACMPCAClient;
let root: string;
let issuance: string;

beforeAll(async () => {
  endpoint = await startTestEndpoint();
  client = endpoint.client;
  root = await newRoot(client);
  issuance = await newSubordinate(client, root, 0);
});
afterAll(() => endpoint.dispose());

async function certificateOf(more: Parameters<typeof issueAndGet>[2] = {}, ca = issuance) {
  return decodeCertificate((await issueAndGet(client, ca, more)).pem);
}

function refusalOf(more: Parameters<typeof issueAndGet>[2], ca = issuance): Promise<string> {
  return errorNameOf(issueAndGet(client, ca, more));
}

const dnsNames = (...values: string[]) =>
  subjectAltNameExtension(
    values.map((value) => ({ kind: 'dns', value }) as const),
    false,
  );

/** Asks for everything: SAN, code signing, keyEncipherment and to be a CA. */
const greedyCsr = () =>
  newCsr({
    subject: 'CN=from-csr.example',
    extensions: [
      dnsNames('from-csr.example'),
      keyUsageExtension(['keyEncipherment', 'keyCertSign']),
      extendedKeyUsageExtension([oids.codeSigning]),
      basicConstraintsExtension({ ca: true }),
      { oid: '1.2.3.4', critical: false, value: Uint8Array.of(5, 0) },
    ],
  });

const api = {
  Subject: { CommonName: 'from-api.example', Organization: 'Example Fleet' },
  Extensions: {
    SubjectAlternativeNames: [{ DnsName: 'from-api.example' }],
    KeyUsage: { DigitalSignature: true },
    ExtendedKeyUsage: [{ ExtendedKeyUsageType: 'CLIENT_AUTH' as const }],
  },
};

describe('templates', () => {
  it('gives EndEntityCertificate/V1 when none is named: KU and EKU its own, subject and SAN of the CSR (base-template)', async () => {
    const certificate = await certificateOf({ Csr: greedyCsr() });
    expect(certificate).toMatchObject({
      subject: ['2.5.4.3=from-csr.example'],
      issuer: ['2.5.4.10=Example Fleet', '2.5.4.3=Test Subordinate'],
      names: ['from-csr.example'],
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      purposes: [oids.serverAuth, oids.clientAuth],
      basicConstraints: { ca: false, pathLen: undefined },
    });
    expect(certificate.extensions.get(oids.keyUsage)?.critical).toBe(true);
    expect(certificate.extensions.get(oids.extendedKeyUsage)?.critical).toBe(false);
    expect(certificate.extensions.get(oids.basicConstraints)?.critical).toBe(false);
    expect(certificate.extensions.has('1.2.3.4')).toBe(false);
  });

  it('ignores ApiPassthrough silently unless the template is an API passthrough one (passthrough)', async () => {
    for (const template of ['EndEntityCertificate', 'EndEntityCertificate_CSRPassthrough']) {
      const certificate = await certificateOf({ Csr: greedyCsr(), api, template });
      expect(certificate.subject).toEqual(['2.5.4.3=from-csr.example']);
      expect(certificate.names).toEqual(['from-csr.example']);
    }
  });

  it('takes what the template leaves open from the API before the CSR (precedence)', async () => {
    const both = await certificateOf({
      Csr: greedyCsr(),
      api,
      template: 'BlankEndEntityCertificate_APICSRPassthrough',
    });
    expect(both).toMatchObject({
      subject: ['2.5.4.10=Example Fleet', '2.5.4.3=from-api.example'],
      names: ['from-api.example'],
      keyUsage: ['digitalSignature'],
      purposes: [oids.clientAuth],
      basicConstraints: { ca: false },
    });
    expect(both.extensions.has('1.2.3.4')).toBe(true);
    const fixed = await certificateOf({ Csr: greedyCsr(), api, template: 'EndEntityCertificate_APIPassthrough' });
    expect(fixed.keyUsage).toEqual(['digitalSignature', 'keyEncipherment']);
    expect(fixed.purposes).toEqual([oids.serverAuth, oids.clientAuth]);
    expect(fixed.names).toEqual(['from-api.example']);
    expect(fixed.extensions.has('1.2.3.4')).toBe(false);
  });

  it('lets a CSR passthrough requester choose every extension but those of the template (precedence)', async () => {
    const blank = await certificateOf({ Csr: greedyCsr(), template: 'BlankEndEntityCertificate_CSRPassthrough' });
    expect(blank).toMatchObject({
      keyUsage: ['keyCertSign', 'keyEncipherment'],
      purposes: [oids.codeSigning],
      basicConstraints: { ca: false },
    });
  });

  it('falls back on subject and SAN of the CSR where the API names none (precedence)', async () => {
    const template = 'BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough';
    const certificate = await certificateOf({ Csr: greedyCsr(), api: { Extensions: {} }, template });
    expect(certificate.subject).toEqual(['2.5.4.3=from-csr.example']);
    expect(certificate.names).toEqual(['from-csr.example']);
    expect(certificate.keyUsage).toBeUndefined();
    expect(certificate.purposes).toBeUndefined();
    expect(certificate.extensions.get(oids.basicConstraints)?.critical).toBe(true);
  });

  it('makes the SAN critical when the subject is empty, and refuses a certificate that names nobody (empty-subject)', async () => {
    const template = 'BlankEndEntityCertificate_APIPassthrough';
    const { Extensions } = api;
    const certificate = await certificateOf({ Csr: greedyCsr(), api: { Subject: {}, Extensions }, template });
    expect(certificate.subject).toEqual([]);
    expect(certificate.extensions.get(oids.subjectAltName)?.critical).toBe(true);
    expect((await certificateOf({ api, template })).extensions.get(oids.subjectAltName)?.critical).toBe(false);
    const fromCsr = await certificateOf({ Csr: newCsr({ subject: '', extensions: [dnsNames('a.example')] }) });
    expect(fromCsr.extensions.get(oids.subjectAltName)?.critical).toBe(true);
    expect(await refusalOf({ Csr: newCsr({ subject: '' }) })).toBe('MalformedCSRException');
  });

  it('gives the single-purpose templates their purposes (catalogue)', async () => {
    const expected = {
      EndEntityClientAuthCertificate: [[oids.clientAuth], ['digitalSignature', 'keyEncipherment'], false],
      EndEntityServerAuthCertificate: [[oids.serverAuth], ['digitalSignature', 'keyEncipherment'], false],
      CodeSigningCertificate: [[oids.codeSigning], ['digitalSignature'], true],
      OCSPSigningCertificate: [['1.3.6.1.5.5.7.3.9'], ['digitalSignature'], true],
    } as const;
    for (const [template, [purposes, usage, critical]] of Object.entries(expected)) {
      const certificate = await certificateOf({ template });
      expect(certificate.purposes).toEqual(purposes);
      expect(certificate.keyUsage).toEqual(usage);
      expect(certificate.extensions.get(oids.extendedKeyUsage)?.critical).toBe(critical);
    }
  });

  it('makes subordinate CAs of the path length its name says, below that of the issuer (path-length)', async () => {
    const csr = newCsr({ subject: 'CN=Sub' });
    const parent = await newSubordinate(client, root, 2);
    const template = 'SubordinateCACertificate_PathLen1';
    const certificate = await certificateOf({ Csr: csr, template }, parent);
    expect(certificate.basicConstraints).toEqual({ ca: true, pathLen: 1 });
    expect(certificate.keyUsage).toEqual(['crlSign', 'digitalSignature', 'keyCertSign']);
    expect(certificate.extensions.get(oids.basicConstraints)?.critical).toBe(true);
    expect(await refusalOf({ Csr: csr, template: 'SubordinateCACertificate_PathLen2' }, parent)).toBe(
      'ValidationException',
    );
    expect(await refusalOf({ Csr: csr, template: 'SubordinateCACertificate_PathLen0' })).toBe('ValidationException');
  });

  it('puts custom extensions, policies and every kind of name where the template leaves them open (api-passthrough)', async () => {
    const subtree = der.sequence(der.implicit(2, der.ia5Content('fleet.example')));
    const constraints = { oid: oids.nameConstraints, value: der.sequence(der.implicitConstructed(0, subtree)) };
    const certificate = await certificateOf(
      {
        Csr: newCsr({ subject: 'CN=Constrained' }),
        template: 'BlankSubordinateCACertificate_PathLen0_APIPassthrough',
        api: {
          Subject: { CustomAttributes: [{ ObjectIdentifier: '2.5.4.3', Value: 'Custom' }] },
          Extensions: {
            KeyUsage: { KeyCertSign: true, CRLSign: true },
            CertificatePolicies: [
              {
                CertPolicyId: '1.2.3.4.5',
                PolicyQualifiers: [{ PolicyQualifierId: 'CPS', Qualifier: { CpsUri: 'http://cps.example' } }],
              },
            ],
            SubjectAlternativeNames: [
              { DnsName: 'a.example' },
              { IpAddress: '2001:db8::1' },
              { IpAddress: '192.0.2.1' },
              { UniformResourceIdentifier: 'spiffe://fleet.example/a' },
              { Rfc822Name: 'a@fleet.example' },
              { DirectoryName: { CommonName: 'a' } },
              { RegisteredId: '1.2.3' },
              { OtherName: { TypeId: '1.2.3', Value: 'x' } },
            ],
            CustomExtensions: [
              {
                ObjectIdentifier: constraints.oid,
                Value: Buffer.from(constraints.value).toString('base64'),
                Critical: true,
              },
              { ObjectIdentifier: oids.basicConstraints, Value: 'MAA=', Critical: false },
            ],
          },
        },
      },
      root,
    );
    expect(certificate.subject).toEqual(['2.5.4.3=Custom']);
    expect(certificate.keyUsage).toEqual(['crlSign', 'keyCertSign']);
    expect(certificate.names?.slice(0, 4)).toEqual([
      'a.example',
      '2001:db8::1',
      '192.0.2.1',
      'spiffe://fleet.example/a',
    ]);
    expect(certificate.names).toHaveLength(8);
    expect(Buffer.from(certificate.extensions.get(constraints.oid)!.value)).toEqual(Buffer.from(constraints.value));
    expect(certificate.extensions.get(constraints.oid)?.critical).toBe(true);
    expect(certificate.extensions.has(oids.certificatePolicies)).toBe(true);
    expect(certificate.basicConstraints).toEqual({ ca: true, pathLen: 0 });
  });

  it('refuses a passthrough that is none (api-passthrough)', async () => {
    const template = 'BlankEndEntityCertificate_APIPassthrough';
    const attribute = { ObjectIdentifier: '2.5.4.3', Value: 'x' };
    const refused = [
      { Subject: { CommonName: 'x', CustomAttributes: [attribute] } },
      { Subject: { CustomAttributes: [{ ...attribute, ObjectIdentifier: '1.2.03' }] } },
      { Extensions: { SubjectAlternativeNames: [{ IpAddress: '300.1.1.1' }] } },
      { Extensions: { SubjectAlternativeNames: [{ DnsName: 'a.example', Rfc822Name: 'a@example' }] } },
      { Extensions: { SubjectAlternativeNames: [{ DnsName: 'ä.example' }] } },
      { Extensions: { ExtendedKeyUsage: [{}] } },
      { Extensions: { CustomExtensions: [1, 2].map(() => ({ ObjectIdentifier: '1.2.3', Value: 'BQA=' })) } },
    ];
    for (const one of refused) expect(await refusalOf({ api: one, template })).toBe('InvalidArgsException');
  });

  it('refuses a template that is not in the catalogue (catalogue)', async () => {
    for (const template of ['EndEntity', 'BlankEndEntityCertificate', 'SubordinateCACertificate_PathLen4']) {
      expect(await refusalOf({ template })).toBe('InvalidArgsException');
    }
  });
});

describe('validity', () => {
  const secondsOf = (at: number) => Math.floor(at / 1000);
  const until = (Type: 'ABSOLUTE' | 'END_DATE' | 'DAYS' | 'MONTHS' | 'YEARS', Value: number) => ({
    Validity: { Type, Value },
  });

  it('starts 60 minutes before issuance and counts days, months and years from issuance (validity-types)', async () => {
    const now = endpoint.now();
    const days = await certificateOf(until('DAYS', 90));
    expect([days.notBefore, days.notAfter]).toEqual([now - 3_600_000, now + 90 * dayMs]);
    expect((await certificateOf(until('MONTHS', 3))).notAfter).toBe(Date.UTC(2027, 1, 23, 12));
    expect((await certificateOf(until('YEARS', 2))).notAfter).toBe(Date.UTC(2028, 10, 23, 12));
  });

  it('takes ABSOLUTE in seconds and END_DATE in both forms (validity-types)', async () => {
    const at = Date.UTC(2027, 0, 2, 3, 4, 5);
    expect((await certificateOf(until('ABSOLUTE', secondsOf(at)))).notAfter).toBe(at);
    expect((await certificateOf(until('END_DATE', 270102030405))).notAfter).toBe(at);
    expect((await certificateOf(until('END_DATE', 20270102030405))).notAfter).toBe(at);
    expect(await refusalOf(until('END_DATE', 20271302030405))).toBe('ValidationException');
    const pending = await createAuthority(client);
    const on = { CertificateAuthorityArn: pending };
    const { Csr } = await client.send(new GetCertificateAuthorityCsrCommand(on));
    const ofRoot = { Csr: Buffer.from(Csr!), template: 'RootCACertificate' };
    expect(await refusalOf({ ...ofRoot, ...until('END_DATE', 501231235959) }, pending)).toBe('ValidationException');
    const last = await certificateOf({ ...ofRoot, ...until('END_DATE', 491231235959) }, pending);
    expect(last.notAfter).toBe(Date.UTC(2049, 11, 31, 23, 59, 59));
    const never = await certificateOf({ ...ofRoot, ...until('ABSOLUTE', 253402300799) }, pending);
    expect(never.notAfter).toBe(Date.UTC(9999, 11, 31, 23, 59, 59));
    expect(await refusalOf({ ...ofRoot, ...until('ABSOLUTE', 253402300800) }, pending)).toBe('ValidationException');
  });

  it('moves notBefore without moving notAfter, ABSOLUTE only (not-before)', async () => {
    const now = endpoint.now();
    const at = now - 10 * dayMs;
    const ValidityNotBefore = { Type: 'ABSOLUTE', Value: secondsOf(at) } as const;
    const certificate = await certificateOf({ ...until('DAYS', 20), ValidityNotBefore });
    expect([certificate.notBefore, certificate.notAfter]).toEqual([at, now + 20 * dayMs]);
    expect(await refusalOf({ ValidityNotBefore: { Type: 'DAYS', Value: 1 } })).toBe('ValidationException');
    const late = { Type: 'ABSOLUTE', Value: secondsOf(now + 40 * dayMs) } as const;
    expect(await refusalOf({ ValidityNotBefore: late })).toBe('ValidationException');
  });

  it('refuses, and does not clamp, a notAfter beyond that of the CA or in the past (nesting)', async () => {
    const end = secondsOf(endpoint.now() + 1825 * dayMs);
    expect((await certificateOf(until('ABSOLUTE', end))).notAfter).toBe(end * 1000);
    expect(await refusalOf(until('ABSOLUTE', end + 1))).toBe('ValidationException');
    expect(await refusalOf(until('YEARS', 6))).toBe('ValidationException');
    expect(await refusalOf(until('ABSOLUTE', secondsOf(endpoint.now())))).toBe('ValidationException');
    expect(await refusalOf(until('DAYS', Number.MAX_SAFE_INTEGER))).toBe('ValidationException');
  });

  it('allows seven days and no more to a CA of short-lived certificates (usage-mode)', async () => {
    const more = { UsageMode: 'SHORT_LIVED_CERTIFICATE' } as const;
    const shortLived = await newSubordinate(client, root, 0, { more });
    const week = await certificateOf(until('DAYS', 7), shortLived);
    expect(week.notAfter).toBe(endpoint.now() + 7 * dayMs);
    const over = until('ABSOLUTE', secondsOf(endpoint.now() + 7 * dayMs) + 1);
    expect(await refusalOf(over, shortLived)).toBe('ValidationException');
  });
});

describe('what every certificate carries', () => {
  it('has SKI, AKI and a serial number that its ARN repeats in decimal (identifiers)', async () => {
    const { pem, arn } = await issueAndGet(client, issuance);
    const certificate = decodeCertificate(pem);
    expect(certificate.extensions.has(oids.subjectKeyIdentifier)).toBe(true);
    expect(certificate.extensions.has(oids.authorityKeyIdentifier)).toBe(true);
    expect(arn).toBe(`${issuance}/certificate/${certificate.serialNumber}`);
    expect(certificate.serialNumber).toBeGreaterThan(0n);
    expect(certificate.serialNumber.toString(2).length).toBeLessThanOrEqual(128);
  });

  it('is encoded as the service does: KeyUsage in nine bits, no AKI on a root (encoding)', async () => {
    const { extensions } = await certificateOf();
    expect(Buffer.from(extensions.get(oids.keyUsage)!.value).toString('hex')).toBe('030307a000');
    const own = new GetCertificateAuthorityCertificateCommand({ CertificateAuthorityArn: root });
    const rootCertificate = decodeCertificate((await client.send(own)).Certificate!);
    expect(rootCertificate.extensions.has(oids.subjectKeyIdentifier)).toBe(true);
    expect(rootCertificate.extensions.has(oids.authorityKeyIdentifier)).toBe(false);
  });

  it('has the CDP and OCSP address of the configuration, unless the CDP is left out (revocation-configuration)', async () => {
    const urlsOf = async (crl: object) => {
      const RevocationConfiguration = {
        CrlConfiguration: { Enabled: true, S3BucketName: 'crls', ...crl },
        OcspConfiguration: { Enabled: true },
      };
      const ca = await newSubordinate(client, root, 0, { more: { RevocationConfiguration } });
      const { extensions } = await certificateOf({}, ca);
      const id = ca.slice(-36);
      const text = (oid: string) => Buffer.from(extensions.get(oid)?.value ?? new ArrayBuffer()).toString('latin1');
      return { crl: text(oids.crlDistributionPoints).replace(id, 'ID'), ocsp: text(oids.authorityInfoAccess) };
    };
    expect((await urlsOf({ CustomCname: 'crl.fleet.example' })).crl).toContain('http://crl.fleet.example/crl/ID.crl');
    const plain = await urlsOf({});
    expect(plain.crl).toContain('http://crls.s3.us-east-1.amazonaws.com/crl/ID.crl');
    expect(plain.ocsp).toContain('http://ocsp.acm-pca.us-east-1.amazonaws.com');
    const omitted = { CrlDistributionPointExtensionConfiguration: { OmitExtension: true } };
    expect((await urlsOf(omitted)).crl).toBe('');
    expect((await certificateOf()).extensions.has(oids.crlDistributionPoints)).toBe(false);
  });
});

describe('signing algorithm', () => {
  it('is of the family of the CA key, whatever its size (algorithm-family)', async () => {
    const request: Partial<IssueCertificateRequest> = { SigningAlgorithm: 'SHA512WITHECDSA' };
    expect(await refusalOf(request)).toBe('no error');
    expect(await refusalOf({ SigningAlgorithm: 'SHA256WITHRSA' })).toBe('InvalidArgsException');
  });

  it('does not issue from a CA that has no certificate (ca-states)', async () => {
    expect(await refusalOf({}, await createAuthority(client))).toBe('InvalidStateException');
  });
});
