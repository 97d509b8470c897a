/** IssueCertificate and GetCertificate: CSRs, validity, tokens, what is answered when. */
import { type ConformanceCase, require, requireEqual } from '../suite.ts';
import { blob, newIssue, type World } from '../world.ts';
import { documented, onEndpoint } from './documented.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const on = (authority: string, certificate: string) => ({
  CertificateAuthorityArn: authority,
  CertificateArn: certificate,
});
const seconds = (at: number): number => Math.floor(at / 1000);

/** Instant of the target's clock: notBefore of what it issues now is 60 minutes before. */
async function targetNow(world: World): Promise<number> {
  return (await world.issueAndGet(await world.root())).certificate.notBefore + hourMs;
}

async function requireValidity(world: World, validity: object, wanted: (now: number) => number, slackMs: number) {
  const { certificate } = await world.issueAndGet(await world.root(), { Validity: validity });
  const differs = Math.abs(certificate.notAfter - wanted(certificate.notBefore + hourMs));
  require(differs <= slackMs, `notAfter differs by ${differs} ms`);
}

function utcDigits(at: number): number {
  return Number(new Date(at).toISOString().replace(/\D/g, '').slice(0, 14));
}

const csrCases: readonly ConformanceCase[] = [
  documented('issue/refuses what is no CSR', 'issue', 'certificate', async (world) => {
    await world.refused(
      'IssueCertificate',
      newIssue(await world.root(), { Csr: blob('hello') }),
      'MalformedCSRException',
    );
  }),
  documented('issue/refuses a CSR whose signature is not its own', 'issue', 'certificate', async (world) => {
    const root = await world.root();
    const pem = Buffer.from(String(newIssue(root).Csr), 'base64')
      .toString()
      .split('\n');
    const der = Buffer.from(pem.slice(1, -2).join(''), 'base64');
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const broken = `${pem[0]}\n${der.toString('base64')}\n${pem.at(-2)}\n`;
    await world.refused('IssueCertificate', newIssue(root, { Csr: blob(broken) }), 'MalformedCSRException');
  }),
  documented(
    'issue/refuses a signing algorithm of another family than the CA key',
    'issue',
    'certificate',
    async (world) => {
      const input = newIssue(await world.root(), { SigningAlgorithm: 'SHA256WITHRSA' });
      await world.refused('IssueCertificate', input, 'InvalidArgsException', 'ValidationException');
    },
  ),
  documented('issue/refuses a template that there is not', 'templates', 'certificate', async (world) => {
    const input = newIssue(await world.root(), { template: 'NoSuchCertificate' });
    await world.refused(
      'IssueCertificate',
      input,
      'InvalidArgsException',
      'InvalidArnException',
      'ValidationException',
    );
  }),
];

const validityCases: readonly ConformanceCase[] = [
  documented('validity/notBefore is issuance minus 60 minutes', 'issue', 'certificate', async (world) => {
    const before = Date.now();
    const { certificate } = await world.issueAndGet(await world.root());
    const offMs = Math.abs(certificate.notBefore + hourMs - before);
    // The clock of an endpoint in a test may stand elsewhere; one that is near has to be near to the minute.
    require(offMs < 60_000 || offMs > 12 * hourMs, `notBefore plus 60 minutes is ${offMs} ms away from now`);
    const lifetimeMs = certificate.notAfter - certificate.notBefore;
    require(Math.abs(lifetimeMs - 30 * dayMs - hourMs) <= 1000, `30 days last ${lifetimeMs} ms`);
  }),
  documented('validity/DAYS counts from issuance', 'validity', 'certificate', (world) =>
    requireValidity(world, { Type: 'DAYS', Value: 10 }, (now) => now + 10 * dayMs, 5000),
  ),
  documented('validity/MONTHS counts from issuance', 'validity', 'certificate', (world) =>
    requireValidity(world, { Type: 'MONTHS', Value: 1 }, (now) => now + 29.5 * dayMs, 1.6 * dayMs),
  ),
  documented('validity/YEARS counts from issuance', 'validity', 'certificate', (world) =>
    requireValidity(world, { Type: 'YEARS', Value: 1 }, (now) => now + 365.5 * dayMs, dayMs),
  ),
  documented('validity/ABSOLUTE is Unix seconds', 'validity', 'certificate', async (world) => {
    const notAfter = seconds(await targetNow(world)) + 86_400;
    await requireValidity(world, { Type: 'ABSOLUTE', Value: notAfter }, () => notAfter * 1000, 0);
  }),
  documented('validity/END_DATE is YYYYMMDDHHMMSS', 'validity', 'certificate', async (world) => {
    const at = seconds((await targetNow(world)) + 20 * dayMs) * 1000;
    await requireValidity(world, { Type: 'END_DATE', Value: utcDigits(at) }, () => at, 0);
  }),
  documented('validity/END_DATE is YYMMDDHHMMSS too', 'validity', 'certificate', async (world) => {
    const at = seconds((await targetNow(world)) + 20 * dayMs) * 1000;
    const value = Number(String(utcDigits(at)).slice(2));
    await requireValidity(world, { Type: 'END_DATE', Value: value }, () => at, 0);
  }),
  documented('validity/refuses an end in the past', 'validity', 'certificate', async (world) => {
    const past = { Type: 'ABSOLUTE', Value: seconds(await targetNow(world)) - 86_400 };
    const input = newIssue(await world.root(), { Validity: past });
    await world.refused('IssueCertificate', input, 'ValidationException', 'InvalidArgsException');
  }),
  documented(
    'validity/refuses, and does not clamp, an end after that of the CA',
    'issue',
    'certificate',
    async (world) => {
      const input = newIssue(await world.root(), { Validity: { Type: 'DAYS', Value: 3651 } });
      await world.refused('IssueCertificate', input, 'ValidationException');
    },
  ),
  documented(
    'validity/ValidityNotBefore is taken and does not move notAfter',
    'issue',
    'certificate',
    async (world) => {
      const now = await targetNow(world);
      const ValidityNotBefore = { Type: 'ABSOLUTE', Value: seconds(now) - 600 };
      const { certificate } = await world.issueAndGet(await world.root(), { ValidityNotBefore });
      requireEqual(certificate.notBefore, ValidityNotBefore.Value * 1000, 'notBefore');
      require(Math.abs(certificate.notAfter - now - 30 * dayMs) <= 60_000, 'notAfter moved');
    },
  ),
  documented('validity/ValidityNotBefore is ABSOLUTE only', 'issue', 'certificate', async (world) => {
    const input = newIssue(await world.root(), { ValidityNotBefore: { Type: 'DAYS', Value: 1 } });
    await world.refused('IssueCertificate', input, 'ValidationException', 'InvalidArgsException');
  }),
];

const tokenCases: readonly ConformanceCase[] = [
  documented('token/the same token answers the same ARN', 'issue', 'certificate', async (world) => {
    const root = await world.root();
    const IdempotencyToken = `conformance-${process.hrtime.bigint()}`.slice(0, 36);
    const input = newIssue(root, { IdempotencyToken });
    const first = await world.must('IssueCertificate', input);
    requireEqual((await world.must('IssueCertificate', input)).CertificateArn, first.CertificateArn, 'the second ARN');
  }),
  documented('token/calls with one token at the same time answer one ARN', 'issue', 'certificate', async (world) => {
    const IdempotencyToken = `at-once-${process.hrtime.bigint()}`.slice(0, 36);
    const input = newIssue(await world.root(), { IdempotencyToken });
    const answers = await Promise.all([1, 2, 3].map(() => world.must('IssueCertificate', input)));
    requireEqual(new Set(answers.map(({ CertificateArn }) => CertificateArn)).size, 1, 'the number of ARNs');
  }),
  documented('token/without a token each call issues', 'issue', 'certificate', async (world) => {
    const input = newIssue(await world.root());
    const [one, two] = [await world.must('IssueCertificate', input), await world.must('IssueCertificate', input)];
    require(one.CertificateArn !== two.CertificateArn, 'both calls answered one ARN');
  }),
  documented('token/belongs to one CA', 'issue', 'certificate', async (world) => {
    const IdempotencyToken = `two-cas-${process.hrtime.bigint()}`.slice(0, 36);
    const arns = [await world.root(), await world.subordinate()];
    for (const arn of arns)
      require((await world.issue(arn, { IdempotencyToken })).startsWith(arn), 'it met another CA');
  }),
];

const answerCases: readonly ConformanceCase[] = [
  documented('get/the ARN ends in the serial number in decimal', 'get', 'certificate', async (world) => {
    const root = await world.root();
    const { arn, certificate } = await world.issueAndGet(root);
    requireEqual(arn, `${root}/certificate/${certificate.serialNumber}`, 'the ARN');
  }),
  documented('get/the serial number is positive and shorter than 20 octets', 'get', 'certificate', async (world) => {
    const { certificate } = await world.issueAndGet(await world.root());
    const { serialNumber } = certificate;
    require(serialNumber > 0n && serialNumber < 2n ** 159n, `the serial number is ${serialNumber}`);
  }),
  documented('get/the chain begins with the CA and ends in its root', 'get', 'certificate', async (world) => {
    const [root, subordinate] = [await world.root(), await world.subordinate()];
    const { chain = '', pem } = await world.issueAndGet(subordinate);
    const own = async (arn: string): Promise<string> => {
      const output = await world.must('GetCertificateAuthorityCertificate', { CertificateAuthorityArn: arn });
      return String(output.Certificate).trim();
    };
    const blocks = chain.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
    requireEqual(blocks, [await own(subordinate), await own(root)], 'the chain');
    require(!chain.includes(pem.trim()), 'the leaf is in its own chain');
  }),
  documented('get/an ARN of another CA is refused', 'get', 'certificate', async (world) => {
    const [root, subordinate] = [await world.root(), await world.subordinate()];
    const arn = await world.issue(root);
    await world.refused('GetCertificate', on(subordinate, arn), 'InvalidArnException', 'ResourceNotFoundException');
  }),
  documented(
    'get/a certificate that is not there is ResourceNotFoundException',
    'get',
    'certificate',
    async (world) => {
      const root = await world.root();
      await world.refused('GetCertificate', on(root, `${root}/certificate/1`), 'ResourceNotFoundException');
    },
  ),
  onEndpoint(
    documented(
      'get/is RequestInProgressException until the certificate is there',
      'get',
      'certificate',
      async (world) => {
        const root = await world.root();
        await world.control({ authorities: { [root]: { holdIssuance: true } } });
        try {
          const arn = await world.issue(root);
          await world.refused('GetCertificate', on(root, arn), 'RequestInProgressException');
          await world.control({ authorities: { [root]: { holdIssuance: false } } });
          await world.get(root, arn);
        } finally {
          await world.control({ authorities: { [root]: { holdIssuance: false } } });
        }
      },
    ),
  ),
  onEndpoint(
    documented('get/is RequestFailedException for an issuance that failed', 'get', 'certificate', async (world) => {
      const root = await world.root();
      await world.control({ authorities: { [root]: { failIssuance: { reason: 'conformance', count: 1 } } } });
      const arn = await world.issue(root);
      await world.refused('GetCertificate', on(root, arn), 'RequestFailedException');
    }),
  ),
  onEndpoint(
    documented(
      'quota/a call over its quota is ThrottlingException and has no effect',
      'quotas',
      'none',
      async (world) => {
        await world.control({ quotas: { ListCertificateAuthorities: 2 } });
        try {
          const calls = await Promise.all(
            Array.from({ length: 8 }, () => world.call('ListCertificateAuthorities', {})),
          );
          const codes = calls.flatMap((answer) => (answer.ok ? [] : [answer.code]));
          require(codes.length >= 5, `${codes.length} of 8 calls were refused`);
          requireEqual([...new Set(codes)], ['ThrottlingException'], 'the refusals');
        } finally {
          await world.control({ quotas: 'none' });
        }
      },
    ),
  ),
];

export const issuanceCases: readonly ConformanceCase[] = [...csrCases, ...validityCases, ...tokenCases, ...answerCases];
