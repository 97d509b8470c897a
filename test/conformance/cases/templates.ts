/** What templates fix, what they leave to ApiPassthrough and to the CSR, and which of these comes first. */
import type { Extension } from '../../../shared/pki/certificate.ts';
import {
  extendedKeyUsageExtension,
  keyUsageExtension,
  subjectAltNameExtension,
} from '../../../shared/pki/certificate-builder.ts';
import { type CsrOptions, newCsr } from '../../support/acm-pca-endpoint.ts';
import { type ConformanceCase, require, requireEqual } from '../suite.ts';
import { blob, type Issued, newIssue, type World } from '../world.ts';
import { documented } from './documented.ts';

const purpose = {
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  timeStamping: '1.3.6.1.5.5.7.3.8',
};
const oid = {
  basicConstraints: '2.5.29.19',
  authorityKey: '2.5.29.35',
  subjectKey: '2.5.29.14',
  extKeyUsage: '2.5.29.37',
};

const passthrough = {
  Subject: { CommonName: 'from-api.example' },
  Extensions: {
    SubjectAlternativeNames: [{ DnsName: 'from-api.example' }],
    ExtendedKeyUsage: [{ ExtendedKeyUsageType: 'TIME_STAMPING' }],
    KeyUsage: { NonRepudiation: true },
  },
};
const csrName = (dNSName: string): Extension => subjectAltNameExtension([{ kind: 'dns', value: dNSName }], false);
const csrWith = (extensions: readonly Extension[], more: CsrOptions = {}): string =>
  blob(newCsr({ subject: 'CN=from-csr.example', extensions, ...more }));
const fullCsr = (): string =>
  csrWith([
    csrName('from-csr.example'),
    extendedKeyUsageExtension([purpose.codeSigning]),
    keyUsageExtension(['keyAgreement']),
  ]);

async function issueBy(world: World, template: string, more: Readonly<Record<string, unknown>> = {}): Promise<Issued> {
  return world.issueAndGet(await world.root(), { template, Csr: fullCsr(), ...more });
}

function requireNames({ certificate }: Issued, subject: string, names: readonly string[]): void {
  const common = certificate.subject.filter((attribute) => attribute.startsWith('2.5.4.3='));
  requireEqual(common, [`2.5.4.3=${subject}`], 'the common name');
  requireEqual(certificate.names, names, 'the names');
}

/** Key usage, purposes and basic constraints of the template families that fix them. */
const fixed: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['EndEntityCertificate', ['digitalSignature', 'keyEncipherment'], [purpose.server, purpose.client]],
  ['EndEntityClientAuthCertificate', ['digitalSignature', 'keyEncipherment'], [purpose.client]],
  ['EndEntityServerAuthCertificate', ['digitalSignature', 'keyEncipherment'], [purpose.server]],
  ['CodeSigningCertificate', ['digitalSignature'], [purpose.codeSigning]],
  ['OCSPSigningCertificate', ['digitalSignature'], [purpose.ocspSigning]],
];

const fixedCases: readonly ConformanceCase[] = fixed.map(([name, usage, purposes]) =>
  documented(`template/${name} fixes key usage and purposes`, 'templates', 'certificate', async (world) => {
    const { certificate } = await issueBy(world, name, { ApiPassthrough: passthrough });
    requireEqual(certificate.keyUsage, usage, 'the key usage');
    requireEqual(certificate.purposes, purposes, 'the purposes');
    requireEqual(certificate.basicConstraints?.ca, false, 'CA');
    require(certificate.extensions.has(oid.authorityKey), 'there is no authority key identifier');
    require(certificate.extensions.has(oid.subjectKey), 'there is no subject key identifier');
  }),
);

const orderCases: readonly ConformanceCase[] = [
  documented('template/none is EndEntityCertificate/V1', 'issue', 'certificate', async (world) => {
    const { certificate } = await world.issueAndGet(await world.root(), { Csr: fullCsr() });
    requireEqual(certificate.purposes, [purpose.server, purpose.client], 'the purposes');
  }),
  documented('template/ApiPassthrough is ignored by a template that is none', 'issue', 'certificate', async (world) => {
    for (const name of ['EndEntityCertificate', 'EndEntityCertificate_CSRPassthrough']) {
      requireNames(await issueBy(world, name, { ApiPassthrough: passthrough }), 'from-csr.example', [
        'from-csr.example',
      ]);
    }
  }),
  documented(
    'template/a base template takes subject and SAN of the CSR, and nothing else',
    'templates',
    'certificate',
    async (world) => {
      const Csr = csrWith([
        csrName('from-csr.example'),
        { oid: '1.2.3.4', critical: false, value: Uint8Array.of(5, 0) },
      ]);
      const issued = await issueBy(world, 'EndEntityCertificate', { Csr });
      requireNames(issued, 'from-csr.example', ['from-csr.example']);
      require(!issued.certificate.extensions.has('1.2.3.4'), 'an extension of the CSR was copied');
    },
  ),
  documented('template/API comes before CSR', 'templateOrder', 'certificate', async (world) => {
    const issued = await issueBy(world, 'BlankEndEntityCertificate_APICSRPassthrough', { ApiPassthrough: passthrough });
    requireNames(issued, 'from-api.example', ['from-api.example']);
    requireEqual(issued.certificate.purposes, [purpose.timeStamping], 'the purposes');
    requireEqual(issued.certificate.keyUsage, ['nonRepudiation'], 'the key usage');
  }),
  documented('template/the template comes before API and CSR', 'templateOrder', 'certificate', async (world) => {
    const name = 'EndEntityCertificate_APICSRPassthrough';
    const { certificate } = await issueBy(world, name, { ApiPassthrough: passthrough });
    requireEqual(certificate.purposes, [purpose.server, purpose.client], 'the purposes');
    requireEqual(certificate.keyUsage, ['digitalSignature', 'keyEncipherment'], 'the key usage');
  }),
  documented(
    'template/CSR passthrough copies what the template leaves open',
    'templates',
    'certificate',
    async (world) => {
      const { certificate } = await issueBy(world, 'BlankEndEntityCertificate_CSRPassthrough');
      requireEqual(certificate.purposes, [purpose.codeSigning], 'the purposes');
      requireEqual(certificate.keyUsage, ['keyAgreement'], 'the key usage');
    },
  ),
  documented(
    'template/CSR passthrough does not make a CA of an end entity',
    'templates',
    'certificate',
    async (world) => {
      const ca = { oid: oid.basicConstraints, critical: true, value: Uint8Array.from([0x30, 3, 1, 1, 255]) };
      const Csr = csrWith([ca]);
      const { certificate } = await issueBy(world, 'BlankEndEntityCertificate_CSRPassthrough', { Csr });
      requireEqual(certificate.basicConstraints?.ca, false, 'CA');
    },
  ),
  documented(
    'template/a blank one with API passthrough has neither key usage nor purposes of its own',
    'templates',
    'certificate',
    async (world) => {
      const name = 'BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough';
      const ApiPassthrough = { Subject: { CommonName: 'blank.example' } };
      const { certificate } = await issueBy(world, name, { ApiPassthrough });
      requireEqual([certificate.keyUsage ?? null, certificate.purposes ?? null], [null, null], 'usage and purposes');
      requireEqual(certificate.extensions.get(oid.basicConstraints)?.critical, true, 'critical basic constraints');
    },
  ),
  documented('template/a custom extension is passed through as it says', 'issue', 'certificate', async (world) => {
    const CustomExtensions = [{ ObjectIdentifier: '1.2.3.4', Value: 'BQA=', Critical: false }];
    const ApiPassthrough = { Extensions: { CustomExtensions } };
    const { certificate } = await issueBy(world, 'BlankEndEntityCertificate_APIPassthrough', { ApiPassthrough });
    const { critical, value = new ArrayBuffer(0) } = certificate.extensions.get('1.2.3.4') ?? {};
    requireEqual([critical, Buffer.from(value).toString('hex')], [false, '0500'], 'the extension');
  }),
];

const authorityCases: readonly ConformanceCase[] = [
  ...[0, 1, 2, 3].map((pathLen) =>
    documented(
      `template/SubordinateCACertificate_PathLen${pathLen} fixes the path length`,
      'templates',
      'certificate',
      async (world) => {
        const { certificate } = await issueBy(world, `SubordinateCACertificate_PathLen${pathLen}`);
        requireEqual(certificate.basicConstraints, { ca: true, pathLen }, 'the basic constraints');
        requireEqual(certificate.keyUsage, ['crlSign', 'digitalSignature', 'keyCertSign'], 'the key usage');
        requireEqual(certificate.extensions.get(oid.basicConstraints)?.critical, true, 'critical');
        requireEqual(certificate.purposes ?? null, null, 'the purposes');
      },
    ),
  ),
  documented('template/a path length has to be below that of the CA', 'issue', 'certificate', async (world) => {
    const input = newIssue(await world.subordinate(), { template: 'SubordinateCACertificate_PathLen0' });
    await world.refused('IssueCertificate', input, 'ValidationException', 'InvalidArgsException');
  }),
  documented('template/a root template is not for a subordinate CA', 'templates', 'certificate', async (world) => {
    const input = newIssue(await world.subordinate(), { template: 'RootCACertificate' });
    const codes = ['InvalidArgsException', 'ValidationException', 'InvalidStateException', 'MalformedCSRException'];
    await world.refused('IssueCertificate', input, ...codes);
  }),
];

export const templateCases: readonly ConformanceCase[] = [...fixedCases, ...orderCases, ...authorityCases];
