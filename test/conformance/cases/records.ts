/** Revocation, audit reports, tags, permissions, policies, and the list of CAs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { shapeOf } from '../model.ts';
import { type ConformanceCase, Nonconformity, require, requireEqual } from '../suite.ts';
import { newIssue, type World } from '../world.ts';
import { documented, onEndpoint } from './documented.ts';

const on = (arn: string): { readonly CertificateAuthorityArn: string } => ({ CertificateAuthorityArn: arn });
const hexOf = (serial: bigint): string => {
  const hex = serial.toString(16);
  return hex.length % 2 === 0 ? hex : `0${hex}`;
};
const colons = (hex: string): string => hex.replace(/..(?!$)/g, '$&:');

function revocation(authority: string, serial: bigint, reason = 'KEY_COMPROMISE', hex = hexOf(serial)): object {
  return { ...on(authority), CertificateSerial: hex, RevocationReason: reason };
}

const revokeCases: readonly ConformanceCase[] = [
  documented(
    'revoke/takes the serial number in hex, with and without colons',
    'revoke',
    'certificate',
    async (world) => {
      const root = await world.root();
      for (const form of [(hex: string) => hex, colons, (hex: string) => hex.toUpperCase()]) {
        const { certificate } = await world.issueAndGet(root);
        const { serialNumber: serial } = certificate;
        await world.must('RevokeCertificate', revocation(root, serial, 'SUPERSEDED', form(hexOf(serial))));
      }
    },
  ),
  documented('revoke/takes each of the eight reasons', 'revoke', 'certificate', async (world) => {
    const root = await world.root();
    for (const reason of shapeOf('RevocationReason').enum ?? []) {
      const { certificate } = await world.issueAndGet(root);
      await world.must('RevokeCertificate', revocation(root, certificate.serialNumber, reason));
    }
  }),
  documented('revoke/knows neither certificateHold nor removeFromCRL', 'revoke', 'none', async (world) => {
    for (const reason of ['CERTIFICATE_HOLD', 'REMOVE_FROM_CRL']) {
      await world.refused('RevokeCertificate', revocation(world.absentAuthority(), 1n, reason), 'ValidationException');
    }
  }),
  documented(
    'revoke/of what is revoked is RequestAlreadyProcessedException, whatever the reason',
    'revoke',
    'certificate',
    async (world) => {
      const root = await world.root();
      const { certificate } = await world.issueAndGet(root);
      await world.must('RevokeCertificate', revocation(root, certificate.serialNumber));
      for (const reason of ['KEY_COMPROMISE', 'SUPERSEDED']) {
        const again = revocation(root, certificate.serialNumber, reason);
        await world.refused('RevokeCertificate', again, 'RequestAlreadyProcessedException');
      }
    },
  ),
  documented(
    'revoke/of a serial number that was not issued is ResourceNotFoundException',
    'revoke',
    'certificate',
    async (world) => {
      await world.refused('RevokeCertificate', revocation(await world.root(), 1n), 'ResourceNotFoundException');
    },
  ),
  documented('revoke/of a certificate of another CA is refused', 'revoke', 'certificate', async (world) => {
    const { certificate } = await world.issueAndGet(await world.root());
    const input = revocation(await world.subordinate(), certificate.serialNumber);
    await world.refused('RevokeCertificate', input, 'ResourceNotFoundException');
  }),
  documented('revoke/of the self-signed certificate of a root is refused', 'revoke', 'certificate', async (world) => {
    const root = await world.root();
    const { CertificateAuthority: ca } = await world.must('DescribeCertificateAuthority', on(root));
    const { Serial } = ca as { readonly Serial?: string };
    const hex = /^[0-9]+$/.test(String(Serial)) ? hexOf(BigInt(String(Serial))) : String(Serial);
    const codes = [
      'InvalidRequestException',
      'InvalidStateException',
      'ResourceNotFoundException',
      'RequestFailedException',
    ];
    await world.refused('RevokeCertificate', revocation(root, 1n, 'SUPERSEDED', hex), ...codes);
  }),
  documented('revoke/leaves the certificate to be fetched', 'revoke', 'certificate', async (world) => {
    const root = await world.root();
    const { arn, certificate, pem } = await world.issueAndGet(root);
    await world.must('RevokeCertificate', revocation(root, certificate.serialNumber));
    requireEqual((await world.get(root, arn)).pem, pem, 'the certificate');
  }),
  documented('revoke/needs a CA that has its certificate', 'status', 'authority', async (world) => {
    const arn = await world.createAuthority();
    await world.settled(arn);
    await world.refused('RevokeCertificate', revocation(arn, 1n), 'InvalidStateException');
  }),
  documented('revoke/is for a DISABLED CA too', 'status', 'authority', async (world) => {
    const arn = await world.createAuthority();
    await world.settled(arn);
    await world.activate(arn);
    const { certificate } = await world.issueAndGet(arn);
    await world.must('UpdateCertificateAuthority', { ...on(arn), Status: 'DISABLED' });
    await world.must('RevokeCertificate', revocation(arn, certificate.serialNumber));
  }),
];

async function report(world: World, authority: string, format: string): Promise<{ id: string; key: string }> {
  const request = { ...on(authority), S3BucketName: 'conformance-reports', AuditReportResponseFormat: format };
  const { AuditReportId, S3Key } = await world.must('CreateCertificateAuthorityAuditReport', request);
  for (let polls = 0; polls < 400; polls += 1) {
    const input = { ...on(authority), AuditReportId };
    const { AuditReportStatus: status } = await world.must('DescribeCertificateAuthorityAuditReport', input);
    if (status === 'SUCCESS') return { id: String(AuditReportId), key: String(S3Key) };
    if (status === 'FAILED') throw new Nonconformity('the report is FAILED');
    await sleep(10);
  }
  throw new Nonconformity('the report stays CREATING');
}

async function readReport(world: World, key: string): Promise<string> {
  const response = await fetch(new URL(`/_s3/conformance-reports/${key}`, world.target.url));
  require(response.status === 200, `the object answered HTTP ${response.status}`);
  return response.text();
}

async function activeRoot(world: World): Promise<string> {
  const arn = await world.createAuthority();
  await world.settled(arn);
  await world.activate(arn);
  return arn;
}

const reportCases: readonly ConformanceCase[] = [
  // On AWS a report needs a bucket that the service may write; its object is read where the endpoint serves it.
  onEndpoint(
    documented(
      'report/has each certificate with its fields, and its revocation',
      'auditReport',
      'authority',
      async (world) => {
        const root = await activeRoot(world);
        const [kept, revoked] = [await world.issueAndGet(root), await world.issueAndGet(root)];
        await world.must('RevokeCertificate', revocation(root, revoked.certificate.serialNumber));
        const { id, key } = await report(world, root, 'JSON');
        requireEqual(key, `audit-report/${root.split('/').at(-1)}/${id}.json`, 'the key');
        const entries = JSON.parse(await readReport(world, key)) as readonly Record<string, string>[];
        const of = (arn: string) => entries.find(({ certificateArn }) => certificateArn === arn) ?? {};
        requireEqual(of(kept.arn).serial, colons(hexOf(kept.certificate.serialNumber)), 'the serial');
        requireEqual(of(kept.arn).templateArn, 'arn:aws:acm-pca:::template/EndEntityCertificate/V1', 'the template');
        requireEqual(
          [of(kept.arn).revokedAt, of(kept.arn).revocationReason],
          [undefined, undefined],
          'what is not revoked',
        );
        requireEqual(of(revoked.arn).revocationReason, 'KEY_COMPROMISE', 'the reason');
        require(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+]0000$/.test(
          of(revoked.arn).revokedAt ?? '',
        ), 'revokedAt is no instant');
      },
    ),
  ),
  onEndpoint(
    documented('report/CSV has the columns of the guide', 'auditReport', 'authority', async (world) => {
      const { key } = await report(world, await activeRoot(world), 'CSV');
      const [header] = (await readReport(world, key)).split('\n');
      const columns =
        'awsAccountId,requestedByServicePrincipal,certificateArn,serial,subject,notBefore,notAfter,issuedAt,revokedAt,revocationReason,templateArn';
      requireEqual(header, columns, 'the header');
    }),
  ),
  onEndpoint(
    documented('report/there is one in 30 minutes for a CA', 'auditReport', 'authority', async (world) => {
      const root = await activeRoot(world);
      await report(world, root, 'JSON');
      const request = { ...on(root), S3BucketName: 'conformance-reports', AuditReportResponseFormat: 'JSON' };
      const codes = [
        'RequestInProgressException',
        'RequestFailedException',
        'ThrottlingException',
        'InvalidStateException',
      ];
      await world.refused('CreateCertificateAuthorityAuditReport', request, ...codes);
    }),
  ),
  documented('report/needs a CA that has its certificate', 'status', 'authority', async (world) => {
    const arn = await world.createAuthority();
    await world.settled(arn);
    const request = { ...on(arn), S3BucketName: 'conformance-reports', AuditReportResponseFormat: 'JSON' };
    await world.refused('CreateCertificateAuthorityAuditReport', request, 'InvalidStateException');
  }),
  documented('report/one that is not there is ResourceNotFoundException', 'auditReport', 'authority', async (world) => {
    const input = { ...on(await world.root()), AuditReportId: '00000000-0000-4000-8000-000000000000' };
    await world.refused('DescribeCertificateAuthorityAuditReport', input, 'ResourceNotFoundException');
  }),
];

const tagCases: readonly ConformanceCase[] = [
  documented(
    'tags/are listed as they were put, a later value in the place of the earlier',
    'tags',
    'authority',
    async (world) => {
      const arn = await world.createAuthority({ Tags: [{ Key: 'fleet', Value: 'sensors' }] });
      await world.settled(arn);
      const Tags = [
        { Key: 'fleet', Value: 'meters' },
        { Key: 'plant', Value: '7' },
      ];
      await world.must('TagCertificateAuthority', { ...on(arn), Tags });
      const list = async (): Promise<unknown> => {
        const { Tags: seen } = await world.must('ListTags', on(arn));
        return (seen as { Key: string }[]).toSorted((a, b) => (a.Key < b.Key ? -1 : 1));
      };
      requireEqual(await list(), Tags, 'the tags');
      await world.must('UntagCertificateAuthority', { ...on(arn), Tags: [{ Key: 'fleet', Value: 'other' }] });
      requireEqual(await list(), Tags, 'the tags after another value was taken away');
      await world.must('UntagCertificateAuthority', { ...on(arn), Tags: [{ Key: 'fleet' }] });
      requireEqual(await list(), [{ Key: 'plant', Value: '7' }], 'the tags after one was taken away');
    },
  ),
  documented('tags/a reserved key is InvalidTagException', 'tags', 'authority', async (world) => {
    const input = { ...on(await world.root()), Tags: [{ Key: 'aws:fleet', Value: 'x' }] };
    await world.refused('TagCertificateAuthority', input, 'InvalidTagException');
  }),
  documented(
    'tags/a token of nobody is an error that the model lists for ListTags',
    'tags',
    'authority',
    async (world) => {
      const input = { ...on(await world.root()), NextToken: 'no-token-of-this-service' };
      await world.refused('ListTags', input, 'ValidationException', 'InvalidArnException', 'RequestFailedException');
    },
  ),
  documented('tags/there are 50 at most', 'tags', 'authority', async (world) => {
    const arn = await world.createAuthority();
    await world.settled(arn);
    const Tags = Array.from({ length: 50 }, (_, index) => ({ Key: `k${index}`, Value: 'v' }));
    await world.must('TagCertificateAuthority', { ...on(arn), Tags });
    const input = { ...on(arn), Tags: [{ Key: 'one-more', Value: 'v' }] };
    await world.refused('TagCertificateAuthority', input, 'TooManyTagsException');
  }),
];

const grantCases: readonly ConformanceCase[] = [
  documented('permission/is given once, listed, and taken away', 'permissions', 'authority', async (world) => {
    const arn = await world.root();
    const grant = { ...on(arn), Principal: 'acm.amazonaws.com' };
    const input = { ...grant, Actions: ['IssueCertificate', 'GetCertificate', 'ListPermissions'] };
    await world.must('CreatePermission', input);
    await world.refused('CreatePermission', input, 'PermissionAlreadyExistsException');
    const { Permissions } = await world.must('ListPermissions', on(arn));
    requireEqual(
      (Permissions as { Principal: string }[]).map((one) => one.Principal),
      ['acm.amazonaws.com'],
      'principals',
    );
    await world.must('DeletePermission', grant);
    await world.refused('DeletePermission', grant, 'ResourceNotFoundException');
  }),
  documented('policy/is put, answered as it was, and taken away', 'policy', 'authority', async (world) => {
    const ResourceArn = await world.root();
    const Statement = [
      {
        Sid: 'conformance',
        Effect: 'Allow',
        Principal: { AWS: world.account },
        Action: ['acm-pca:GetCertificate', 'acm-pca:DescribeCertificateAuthority'],
        Resource: ResourceArn,
      },
    ];
    const policy = { Version: '2012-10-17', Statement };
    await world.refused('GetPolicy', { ResourceArn }, 'ResourceNotFoundException');
    await world.must('PutPolicy', { ResourceArn, Policy: JSON.stringify(policy) });
    const { Policy } = await world.must('GetPolicy', { ResourceArn });
    requireEqual(JSON.parse(String(Policy)), policy, 'the policy');
    await world.must('DeletePolicy', { ResourceArn });
    await world.refused('GetPolicy', { ResourceArn }, 'ResourceNotFoundException');
  }),
  documented('policy/what is none is InvalidPolicyException', 'policy', 'authority', async (world) => {
    const input = { ResourceArn: await world.root(), Policy: 'hello' };
    await world.refused('PutPolicy', input, 'InvalidPolicyException', 'ValidationException');
  }),
];

async function listed(world: World, MaxResults: number): Promise<readonly string[]> {
  const arns: string[] = [];
  let NextToken: unknown;
  do {
    const input = { MaxResults, ...(NextToken === undefined ? {} : { NextToken }) };
    const output = await world.must('ListCertificateAuthorities', input);
    const page = output.CertificateAuthorities as readonly { readonly Arn: string }[];
    require(page.length <= MaxResults, `a page of ${MaxResults} has ${page.length}`);
    arns.push(...page.map(({ Arn }) => Arn));
    NextToken = output.NextToken ?? undefined;
    require(new Set(arns).size === arns.length, 'a CA is in two pages');
  } while (NextToken !== undefined);
  return arns;
}

const listCases: readonly ConformanceCase[] = [
  documented('list/pages have each CA once', 'list', 'authority', async (world) => {
    const wanted = [await world.root(), await world.subordinate()];
    const arns = await listed(world, 2);
    requireEqual(new Set(arns).size, arns.length, 'the number of distinct CAs');
    for (const arn of wanted) require(arns.includes(arn), `${arn} is in no page`);
  }),
  documented('list/a token of nobody is InvalidNextTokenException', 'list', 'none', async (world) => {
    const input = { NextToken: 'no-token-of-this-service' };
    await world.refused('ListCertificateAuthorities', input, 'InvalidNextTokenException', 'ValidationException');
  }),
];

/** What all calls before were answered: last, since they judge everything. */
export const closingCases: readonly ConformanceCase[] = [
  {
    name: 'model/every answer has the form of the model',
    source: 'model',
    reference: 'output shapes of all operations',
    cost: 'none',
    run: async ({ findings }) => require(findings.outputs.length === 0, findings.outputs.slice(0, 5).join('; ')),
  },
  {
    name: 'model/every error is one that the model lists for its operation, or a common one',
    source: 'model',
    reference: 'errors of all operations',
    cost: 'none',
    run: async (world) => {
      await world.call('ListTags', { ...on(world.absentAuthority()), NextToken: 'none' });
      await world.call('IssueCertificate', newIssue(world.absentAuthority()));
      require(world.findings.errors.length === 0, world.findings.errors.slice(0, 5).join('; '));
    },
  },
];

export const recordCases: readonly ConformanceCase[] = [
  ...revokeCases,
  ...reportCases,
  ...tagCases,
  ...grantCases,
  ...listCases,
];
