/** The life of a CA: creation, CSR, import, status, deletion; ARNs of CAs. */
import { type ConformanceCase, require, requireEqual } from '../suite.ts';
import { blob, newAuthority, newIssue, template, type World } from '../world.ts';
import { documented } from './documented.ts';

const on = (arn: string): { readonly CertificateAuthorityArn: string } => ({ CertificateAuthorityArn: arn });

async function pending(world: World, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const arn = await world.createAuthority(more);
  requireEqual(await world.settled(arn), 'PENDING_CERTIFICATE', 'the status');
  return arn;
}

async function selfSigned(world: World, arn: string): Promise<string> {
  const { Csr } = await world.must('GetCertificateAuthorityCsr', on(arn));
  const more = { Csr: blob(String(Csr)), template: 'RootCACertificate', Validity: { Type: 'DAYS', Value: 365 } };
  return (await world.issueAndGet(arn, more)).pem;
}

const arnCases: readonly ConformanceCase[] = [
  documented('arn/a CA that is not there is ResourceNotFoundException', 'describeAuthority', 'none', async (world) => {
    const arn = world.absentAuthority();
    await world.refused('DescribeCertificateAuthority', on(arn), 'ResourceNotFoundException');
    await world.refused('GetCertificateAuthorityCsr', on(arn), 'ResourceNotFoundException');
    await world.refused('IssueCertificate', newIssue(arn), 'ResourceNotFoundException');
  }),
  documented('arn/an ARN of another kind is InvalidArnException', 'describeAuthority', 'none', async (world) => {
    for (const arn of [template('EndEntityCertificate'), `${world.absentAuthority()}/certificate/1`]) {
      await world.refused('DescribeCertificateAuthority', on(arn), 'InvalidArnException');
    }
  }),
];

const creationCases: readonly ConformanceCase[] = [
  documented(
    'authority/is CREATING or PENDING_CERTIFICATE, then PENDING_CERTIFICATE',
    'createAuthority',
    'authority',
    async (world) => {
      const arn = await world.createAuthority();
      require(/^arn:aws[a-z-]*:acm-pca:[a-z0-9-]+:\d{12}:certificate-authority\/[0-9a-f-]{36}$/.test(arn), arn);
      const first = await world.status(arn);
      require(first === 'CREATING' || first === 'PENDING_CERTIFICATE', `the status is ${first}`);
      requireEqual(await world.settled(arn), 'PENDING_CERTIFICATE', 'the status');
    },
  ),
  documented(
    'authority/describes what it was created with, and the defaults',
    'describeAuthority',
    'authority',
    async (world) => {
      const { CertificateAuthority: ca } = await world.must('DescribeCertificateAuthority', on(await pending(world)));
      const seen = ca as Record<string, unknown>;
      const { KeyAlgorithm, Subject } = seen.CertificateAuthorityConfiguration as Record<string, unknown>;
      requireEqual([seen.Type, KeyAlgorithm], ['ROOT', 'EC_prime256v1'], 'type and key');
      requireEqual((Subject as Record<string, unknown>).CommonName, 'Conformance', 'the common name');
      requireEqual(seen.UsageMode, 'GENERAL_PURPOSE', 'the mode');
      requireEqual(seen.KeyStorageSecurityStandard, 'FIPS_140_2_LEVEL_3_OR_HIGHER', 'the standard');
      requireEqual([seen.Serial, seen.NotAfter], [undefined, undefined], 'what a certificate says');
    },
  ),
  documented('authority/a creation token answers the same ARN', 'createAuthority', 'authority', async (world) => {
    const IdempotencyToken = `conformance-${world.account}-${process.hrtime.bigint() % 1_000_000n}`;
    const first = await world.createAuthority({ IdempotencyToken });
    requireEqual(await world.createAuthority({ IdempotencyToken }), first, 'the second ARN');
    require((await world.createAuthority()) !== first, 'a creation without token answered the same ARN');
  }),
  documented(
    'authority/refuses a signing algorithm of another family than the key',
    'createAuthority',
    'authority',
    async (world) => {
      const configuration = newAuthority().CertificateAuthorityConfiguration as object;
      const CertificateAuthorityConfiguration = { ...configuration, SigningAlgorithm: 'SHA256WITHRSA' };
      const input = newAuthority({ CertificateAuthorityConfiguration });
      await world.refused('CreateCertificateAuthority', input, 'InvalidArgsException', 'ValidationException');
    },
  ),
  documented('authority/has a CSR with its subject and key while pending', 'csr', 'authority', async (world) => {
    const { Csr } = await world.must('GetCertificateAuthorityCsr', on(await pending(world)));
    require(/^-----BEGIN CERTIFICATE REQUEST-----\r?\n/.test(String(Csr)), 'the CSR is no PEM');
  }),
  documented('authority/has no certificate while pending', 'importCertificate', 'authority', async (world) => {
    await world.refused('GetCertificateAuthorityCertificate', on(await pending(world)), 'InvalidStateException');
  }),
  documented('authority/a pending subordinate issues nothing', 'status', 'authority', async (world) => {
    const arn = await pending(world, { CertificateAuthorityType: 'SUBORDINATE' });
    await world.refused('IssueCertificate', newIssue(arn), 'InvalidStateException');
  }),
];

const importCases: readonly ConformanceCase[] = [
  documented(
    'import/makes a root ACTIVE, with serial and validity',
    'importCertificate',
    'authority',
    async (world) => {
      const arn = await world.root();
      const { CertificateAuthority: ca } = await world.must('DescribeCertificateAuthority', on(arn));
      const { Status, Serial, NotAfter } = ca as Record<string, unknown>;
      requireEqual(
        [Status, typeof Serial, typeof NotAfter],
        ['ACTIVE', 'string', 'number'],
        'status, serial, notAfter',
      );
      const { Certificate, CertificateChain } = await world.must('GetCertificateAuthorityCertificate', on(arn));
      require(String(Certificate).startsWith('-----BEGIN CERTIFICATE-----'), 'the certificate is no PEM');
      requireEqual(CertificateChain ?? null, null, 'the chain of a root');
    },
  ),
  documented('import/refuses what is no certificate', 'importCertificate', 'authority', async (world) => {
    const input = { ...on(await pending(world)), Certificate: blob('hello') };
    await world.refused('ImportCertificateAuthorityCertificate', input, 'MalformedCertificateException');
  }),
  documented('import/refuses a root of another key', 'importCertificate', 'authority', async (world) => {
    const [mine, other] = [await pending(world), await pending(world)];
    const input = { ...on(mine), Certificate: blob(await selfSigned(world, other)) };
    await world.refused('ImportCertificateAuthorityCertificate', input, 'CertificateMismatchException');
  }),
  documented('import/refuses a chain with a root', 'importCertificate', 'authority', async (world) => {
    const arn = await pending(world);
    const pem = await selfSigned(world, arn);
    const input = { ...on(arn), Certificate: blob(pem), CertificateChain: blob(pem) };
    const codes = ['InvalidRequestException', 'MalformedCertificateException', 'CertificateMismatchException'];
    await world.refused('ImportCertificateAuthorityCertificate', input, ...codes);
  }),
  documented('import/refuses a subordinate without its chain', 'importCertificate', 'authority', async (world) => {
    const root = await world.root();
    const arn = await pending(world, { CertificateAuthorityType: 'SUBORDINATE' });
    const { Csr } = await world.must('GetCertificateAuthorityCsr', on(arn));
    const more = { Csr: blob(String(Csr)), template: 'SubordinateCACertificate_PathLen0' };
    const { pem } = await world.issueAndGet(root, more);
    const input = { ...on(arn), Certificate: blob(pem) };
    const codes = ['InvalidRequestException', 'CertificateMismatchException', 'MalformedCertificateException'];
    await world.refused('ImportCertificateAuthorityCertificate', input, ...codes);
  }),
  documented(
    'import/refuses a certificate that is no CA certificate',
    'importCertificate',
    'authority',
    async (world) => {
      const root = await world.root();
      const arn = await pending(world, { CertificateAuthorityType: 'SUBORDINATE' });
      const { Csr } = await world.must('GetCertificateAuthorityCsr', on(arn));
      const { pem, chain = '' } = await world.issueAndGet(root, { Csr: blob(String(Csr)) });
      const input = { ...on(arn), Certificate: blob(pem), CertificateChain: blob(chain) };
      await world.refused('ImportCertificateAuthorityCertificate', input, 'MalformedCertificateException');
    },
  ),
];

const statusCases: readonly ConformanceCase[] = [
  documented('status/ACTIVE and DISABLED change into one another', 'updateAuthority', 'authority', async (world) => {
    const arn = await pending(world);
    await world.activate(arn);
    for (const Status of ['DISABLED', 'ACTIVE']) {
      await world.must('UpdateCertificateAuthority', { ...on(arn), Status });
      requireEqual(await world.status(arn), Status, 'the status');
    }
  }),
  documented(
    'status/a DISABLED CA issues nothing and takes no new certificate',
    'status',
    'authority',
    async (world) => {
      const arn = await pending(world);
      await world.activate(arn);
      const renewal = await selfSigned(world, arn).catch(() => undefined);
      const issued = await world.issueAndGet(arn);
      await world.must('UpdateCertificateAuthority', { ...on(arn), Status: 'DISABLED' });
      await world.refused('IssueCertificate', newIssue(arn), 'InvalidStateException');
      const { Certificate } = await world.must('GetCertificateAuthorityCertificate', on(arn));
      const input = { ...on(arn), Certificate: blob(renewal ?? String(Certificate)) };
      await world.refused('ImportCertificateAuthorityCertificate', input, 'InvalidStateException');
      await world.get(arn, issued.arn);
    },
  ),
  documented('status/a CA without certificate cannot be updated', 'updateAuthority', 'authority', async (world) => {
    const input = { ...on(await pending(world)), Status: 'DISABLED' };
    await world.refused('UpdateCertificateAuthority', input, 'InvalidStateException');
  }),
  documented('status/an ACTIVE CA cannot be deleted', 'deleteAuthority', 'authority', async (world) => {
    await world.refused('DeleteCertificateAuthority', on(await world.root()), 'InvalidStateException');
  }),
  documented(
    'status/a DELETED CA can be restored, and has no CSR meanwhile',
    'deleteAuthority',
    'authority',
    async (world) => {
      const arn = await pending(world);
      await world.must('DeleteCertificateAuthority', { ...on(arn), PermanentDeletionTimeInDays: 7 });
      requireEqual(await world.status(arn), 'DELETED', 'the status');
      await world.refused('GetCertificateAuthorityCsr', on(arn), 'InvalidStateException');
      await world.must('RestoreCertificateAuthority', on(arn));
      requireEqual(await world.status(arn), 'PENDING_CERTIFICATE', 'the status');
      await world.refused('RestoreCertificateAuthority', on(arn), 'InvalidStateException');
    },
  ),
];

export const authorityCases: readonly ConformanceCase[] = [
  ...arnCases,
  ...creationCases,
  ...importCases,
  ...statusCases,
];
