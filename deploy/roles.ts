/**
 * One role a function, and nothing in it that the function does not do. The table is one for all, so that a role is bound to
 * the partitions that its function has business with (`dynamodb:LeadingKeys`; docs/data-model.md says what is in which).
 */
import type { Hierarchy } from '../shared/hierarchy/hierarchy.ts';
import { leafTemplateArn } from '../shared/issuance/build-intent.ts';
import { type Resources, ref, sub } from './template.ts';

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** What a function may do with the table, by the first part of the partition key. */
interface TableGrant {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** What it reads by a whole key and cannot search. */
  readonly get?: readonly string[];
  /** What its transactions check and do not write. */
  readonly check?: readonly string[];
  /** Indexes that it queries. */
  readonly indexes?: readonly string[];
}

interface Grant {
  readonly table: TableGrant;
  /** Logical ids of queues. */
  readonly send?: readonly string[];
  readonly consume?: readonly string[];
  readonly depth?: readonly string[];
  /** Dead-letter queues that it looks into and empties. */
  readonly letters?: boolean;
  readonly acmPca?: 'sign' | 'collect' | 'evidence' | 'revoke';
  readonly reports?: boolean;
  readonly hsm?: boolean;
  /** Our own CRLs, in their bucket. */
  readonly crls?: 'read' | 'publish';
}

const queues = ['EnrolmentQueue', 'SigningAcmPcaQueue', 'SigningPkcs11Queue'];
const deadQueues = ['EnrolmentDeadQueue', 'SigningAcmPcaDeadQueue', 'SigningPkcs11DeadQueue'];
/** Who calls: digests of secrets, credentials, operators. */
const callers = ['D#*', 'E#*', 'O#*'];
/** CAs, what is listed of them, whether they are frozen. */
const authorities = ['L#AUTHORITY', 'A#*'];
/** Of a CA: slots of its CRL, its audit reports. */
const ofCa = 'V#*';
/** What is revoked of a CA whose CRLs are ours, and what these are known by. */
const crls = 'X#*';
/** An issuance with its certificate. */
const issuances = ['I#*', 'F#*'];
/** The intent of an issuance from an HSM lies with its serial: whoever reads a record reads it there. */
const intents = ['S#*'];
/** The fence that a freeze puts up: an intent checks it, and no signer lifts it. */
const fences = ['A#*'];
const holds = ['N#*', 'K#*'];
const signing: TableGrant = {
  read: [...issuances, ...holds, ...authorities, 'E#*', 'S#*', 'T#*', 'M#*', 'C#*', 'P#*', ofCa],
  // Serial, certificate, its look-ups and its counters move in one transaction with the record.
  write: [...issuances, 'K#*', 'M#*', 'S#*', 'T#*', 'C#*', 'P#*', ofCa],
  check: fences,
};
const settling: TableGrant = {
  read: [...signing.read, 'L#COMPARISON'],
  write: [...signing.write, 'N#*', 'L#COMPARISON'],
  check: fences,
  indexes: ['unsettled'],
};

/** A revocation moves the record and its counters, marks the key where it is compromised, and tells the CRL of it. */
const revoking = (read: readonly string[], write: readonly string[]): TableGrant => ({
  read: [...issuances, ...authorities, 'K#*', 'C#*', 'P#*', 'L#REVOCATION', ...read],
  write: ['I#*', 'K#*', 'C#*', 'P#*', 'L#REVOCATION', crls, ...write],
  get: intents,
});

export const grants: Readonly<Record<string, Grant>> = {
  // An issuance that is asked for again is answered with its certificate, by its id: no index, no other way to one.
  enroll: {
    table: {
      read: [...callers, ...issuances, ...holds, ...authorities],
      write: ['I#*', 'E#*'],
      get: intents,
      indexes: ['unsettled'],
    },
    send: ['EnrolmentQueue'],
    depth: queues,
  },
  certificates: {
    table: {
      read: [...callers, ...issuances, ...authorities, 'C#*'],
      write: [],
      get: intents,
      indexes: ['unsettled'],
    },
    crls: 'read',
  },
  administration: {
    table: {
      read: [...settling.read, ...callers, 'L#*'],
      // Freezing a CA is an operator's.
      write: [...settling.write, ...callers, 'L#*', ...fences],
      indexes: ['unsettled'],
    },
    send: queues,
    letters: true,
    acmPca: 'collect',
    reports: true,
  },
  custody: { table: { read: [...callers, ...authorities], write: ['L#OPERATOR-LOG'] }, acmPca: 'evidence' },
  custodyWatch: { table: { read: authorities, write: [] }, acmPca: 'evidence' },
  health: { table: { read: authorities, write: [] }, depth: ['EnrolmentQueue'] },
  validator: {
    table: { read: [...issuances, ...holds, ...authorities, 'E#*'], write: ['I#*', ...holds], get: intents },
    consume: ['EnrolmentQueue'],
    send: ['SigningAcmPcaQueue', 'SigningPkcs11Queue'],
  },
  signerAcmPca: {
    table: signing,
    consume: ['SigningAcmPcaQueue'],
    send: ['SigningAcmPcaQueue'],
    acmPca: 'sign',
  },
  signerHsm: { table: signing, consume: ['SigningPkcs11Queue'], send: ['SigningPkcs11Queue'], hsm: true },
  reconciler: { table: settling, send: queues, acmPca: 'collect', reports: true },
  inventory: {
    table: {
      read: [...callers, ...issuances, ...holds, ...authorities, 'M#*', 'C#*'],
      write: ['L#OPERATOR-LOG'],
      get: intents,
      indexes: ['unsettled', 'by-issuer', 'by-owner', 'by-standing'],
    },
  },
  revocation: { table: revoking(callers, ['L#OPERATOR-LOG']), acmPca: 'revoke' },
  revocationWatch: { table: revoking([], []), acmPca: 'revoke' },
  // Signs with the HSM's keys, and writes nothing of an issuance.
  crlPublisher: {
    table: { read: [...authorities, crls], write: [crls], get: [ofCa] },
    hsm: true,
    crls: 'publish',
  },
  // Folds what was counted into sums and buckets: nothing but counters.
  upkeep: { table: { read: [...authorities, 'C#*'], write: ['C#*'], indexes: ['by-standing'] } },
  monitor: { table: { read: authorities, write: [] }, depth: [...queues, ...deadQueues] },
  auditor: { table: settling, acmPca: 'collect', reports: true },
};

const table = { 'Fn::GetAtt': ['IssuanceTable', 'Arn'] };
const arnOf = (id: string) => ({ 'Fn::GetAtt': [id, 'Arn'] });

function tableStatements({ check = [], get = [], indexes = [], read, write }: TableGrant): Statement[] {
  const leading = (keys: readonly string[]) => ({
    'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [...new Set(keys)] },
  });
  const statements: Statement[] = [
    {
      Sid: 'ReadItems',
      Effect: 'Allow',
      Action: ['dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:Query'],
      Resource: table,
      Condition: leading(read),
    },
  ];
  if (write.length > 0) {
    const Action = ['PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem', 'ConditionCheckItem'];
    statements.push({
      Sid: 'WriteItems',
      Effect: 'Allow',
      Action: Action.map((action) => `dynamodb:${action}`),
      Resource: table,
      Condition: leading(write),
    });
  }
  const some = (Sid: string, actions: readonly string[], keys: readonly string[]) => {
    if (keys.length === 0) return;
    const Action = actions.map((action) => `dynamodb:${action}`);
    statements.push({ Sid, Effect: 'Allow', Action, Resource: table, Condition: leading(keys) });
  };
  some('GetItems', ['GetItem', 'BatchGetItem'], get);
  some('CheckItems', ['ConditionCheckItem'], check);
  if (indexes.length > 0)
    statements.push({
      Sid: 'QueryIndexes',
      Effect: 'Allow',
      Action: ['dynamodb:Query'],
      Resource: indexes.map((index) => sub(`\${IssuanceTable.Arn}/index/${index}`)),
    });
  return statements;
}

function queueStatements({ consume = [], depth = [], letters, send = [] }: Grant): Statement[] {
  const on = (Sid: string, Action: readonly string[], ids: readonly string[]): Statement[] =>
    ids.length === 0
      ? []
      : [{ Sid, Effect: 'Allow', Action: Action.map((action) => `sqs:${action}`), Resource: ids.map(arnOf) }];
  const all = ['ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility', 'GetQueueAttributes'];
  return [
    ...on('Send', ['SendMessage', 'GetQueueAttributes'], send),
    ...on('Consume', all, consume),
    ...on('Depth', ['GetQueueAttributes'], depth),
    ...on('DeadLetters', all, letters ? deadQueues : []),
  ];
}

/** The ARNs of CAs are not known before `hierarchy apply` has made them: its tags are, and no function may set a tag. */
const anyCa = sub('arn:${AWS::Partition}:acm-pca:${AWS::Region}:${AWS::AccountId}:certificate-authority/*');
const tagged = (ids: readonly string[]) => ({ 'aws:ResourceTag/sealwright:ca': ids });

/** The templates that a CA's profiles are issued by. Each profile says what it needs; today that is one template for all. */
function templatesOf(profiles: readonly string[]): readonly string[] {
  return profiles.length === 0 ? [] : [leafTemplateArn];
}

function acmPcaStatements(use: Grant['acmPca'], hierarchy: Hierarchy): Statement[] {
  const all = hierarchy.authorities.filter(({ backend }) => backend === 'acm-pca');
  const issuing = all.filter(({ tier }) => tier === 'issuance');
  if (use === undefined || all.length === 0) return [];
  const describe = {
    Sid: 'Evidence',
    Effect: 'Allow',
    Action: ['acm-pca:DescribeCertificateAuthority', 'acm-pca:GetCertificateAuthorityCertificate', 'acm-pca:ListTags'],
    Resource: anyCa,
    Condition: { StringEquals: tagged((use === 'evidence' ? all : issuing).map(({ id }) => id)) },
  } as const;
  if (use === 'evidence') return [describe];
  const collect = {
    Sid: 'Collect',
    Effect: 'Allow',
    Action: ['acm-pca:GetCertificate'],
    Resource: anyCa,
    Condition: { StringEquals: tagged(issuing.map(({ id }) => id)) },
  } as const;
  if (use === 'revoke')
    return [
      describe,
      {
        Sid: 'Revoke',
        Effect: 'Allow',
        Action: ['acm-pca:RevokeCertificate'],
        Resource: anyCa,
        Condition: { StringEquals: tagged(issuing.map(({ id }) => id)) },
      },
    ];
  if (use === 'collect') return [describe, collect];
  const issue = issuing.map(({ id, profiles }, index) => ({
    Sid: `Issue${index}`,
    Effect: 'Allow' as const,
    Action: ['acm-pca:IssueCertificate'],
    Resource: anyCa,
    Condition: { StringEquals: { ...tagged([id]), 'acm-pca:TemplateArn': templatesOf(profiles) } },
  }));
  return [describe, collect, ...issue];
}

function reportStatements(hierarchy: Hierarchy): Statement[] {
  const issuing = hierarchy.authorities.filter(({ backend, tier }) => backend === 'acm-pca' && tier === 'issuance');
  return [
    {
      Sid: 'AuditReports',
      Effect: 'Allow',
      Action: ['acm-pca:CreateCertificateAuthorityAuditReport', 'acm-pca:DescribeCertificateAuthorityAuditReport'],
      Resource: anyCa,
      Condition: { StringEquals: tagged(issuing.map(({ id }) => id)) },
    },
    {
      Sid: 'ReadReports',
      Effect: 'Allow',
      Action: ['s3:GetObject'],
      Resource: sub('${AuditBucket.Arn}/audit-report/*'),
    },
  ];
}

/** Without the right to list, S3 answers AccessDenied for what is not there (API reference of GetObject). */
function crlStatements(use: Grant['crls']): readonly Statement[] {
  if (use === undefined) return [];
  const objects = ['s3:GetObject', ...(use === 'publish' ? ['s3:PutObject'] : [])];
  return [
    { Sid: 'CrlObjects', Effect: 'Allow', Action: objects, Resource: sub('${CrlBucket.Arn}/v1/crls/*') },
    { Sid: 'CrlBucket', Effect: 'Allow', Action: ['s3:ListBucket'], Resource: arnOf('CrlBucket') },
  ];
}

/** A function in a VPC makes and removes its network interfaces by its own role. */
const hsmStatements: readonly Statement[] = [
  { Sid: 'Pin', Effect: 'Allow', Action: ['secretsmanager:GetSecretValue'], Resource: ref('HsmPinSecretArn') },
  { Sid: 'Cluster', Effect: 'Allow', Action: ['cloudhsm:DescribeClusters', 'cloudhsm:DescribeBackups'], Resource: '*' },
  {
    Sid: 'NetworkInterfaces',
    Effect: 'Allow',
    Action: [
      'ec2:CreateNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:DeleteNetworkInterface',
      'ec2:AssignPrivateIpAddresses',
      'ec2:UnassignPrivateIpAddresses',
    ],
    Resource: '*',
  },
];

/** Every statement of a function's role. */
export function statementsOf(name: string, hierarchy: Hierarchy): readonly Statement[] {
  const grant = grants[name];
  if (grant === undefined) throw new Error(`no grants are written down for the function ${name}`);
  return [
    {
      Sid: 'Logs',
      Effect: 'Allow',
      Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: sub(
        `arn:\${AWS::Partition}:logs:\${AWS::Region}:\${AWS::AccountId}:log-group:/aws/lambda/\${AWS::StackName}-${name}:*`,
      ),
    },
    ...tableStatements(grant.table),
    ...queueStatements(grant),
    ...acmPcaStatements(grant.acmPca, hierarchy),
    ...(grant.reports ? reportStatements(hierarchy) : []),
    ...(grant.hsm ? hsmStatements : []),
    ...crlStatements(grant.crls),
  ];
}

/** `EnrollRole` for `enroll`. */
export function roleIdOf(name: string): string {
  return `${name[0]!.toUpperCase()}${name.slice(1)}Role`;
}

export function roles(hierarchy: Hierarchy): Resources {
  return Object.fromEntries(
    Object.keys(grants).map((name) => [
      roleIdOf(name),
      {
        Type: 'AWS::IAM::Role',
        ...(grants[name]!.hsm ? { Condition: 'HasHsm' } : {}),
        Properties: {
          AssumeRolePolicyDocument: {
            Version: '2012-10-17',
            Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
          },
          Policies: [
            {
              PolicyName: 'function',
              PolicyDocument: { Version: '2012-10-17', Statement: statementsOf(name, hierarchy) },
            },
          ],
        },
      },
    ]),
  );
}
