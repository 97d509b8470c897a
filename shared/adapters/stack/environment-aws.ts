import { evaluateStage } from '../../custody/stage.ts';
import type { BackendKind } from '../../hierarchy/hierarchy.ts';
import { type AcmPcaQuotas, type CloudHsmPlace, parseCloudHsm, type Variables } from './environment.ts';

/** The environment of a Lambda, as serverless.yml sets it. */
export interface AwsEnvironment {
  readonly stack: 'aws';
  /** Kinds of backend that have a signer in this deployment; in a signer, its own. */
  readonly backends: ReadonlySet<BackendKind>;
  readonly region: string;
  readonly tableName: string;
  /** By name: `enrolment`, `signing-acm-pca`, `signing-pkcs11`. */
  readonly queues: ReadonlyMap<string, AwsQueue>;
  /** Of an emulator: as the SDK's own variables name them (AWS_ENDPOINT_URL). Refused outside stage `dev`. */
  readonly endpoints: Readonly<Record<'dynamodb' | 'sqs' | 's3', string | undefined>>;
  /** Set when any endpoint is an emulator's, which is shown no others. */
  readonly emulatorCredentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  readonly acmPca:
    | {
        /** Undefined: AWS's own of the Region. */
        readonly endpoint: string | undefined;
        readonly region: string;
        readonly auditBucket: string;
        readonly quotas: AcmPcaQuotas;
      }
    | undefined;
  /** Where our own CRLs are published: in a function that hands them out or publishes them. */
  readonly crlBucket: string | undefined;
  /** In the signer of an HSM only. */
  readonly pkcs11:
    | { readonly module: string; readonly pinSecretArn: string; readonly cloudHsm: CloudHsmPlace | undefined }
    | undefined;
  readonly logLevel: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
}

export interface AwsQueue {
  readonly url: string;
  readonly deadLetterUrl: string;
}

/** What both stacks read, and the faults found so far, to which this adds. */
export interface CommonVariables {
  readonly backends: ReadonlySet<BackendKind>;
  readonly quotas: AcmPcaQuotas;
  readonly logLevel: AwsEnvironment['logLevel'];
}

const regionForm = /^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$/;
const bucketForm = /^[a-z0-9][a-z0-9.-]{2,62}$/;
const tableForm = /^[A-Za-z0-9_.-]{3,255}$/;
const secretForm = /^arn:aws[a-z-]{0,10}:secretsmanager:[a-z0-9-]{1,32}:\d{12}:secret:[\w/+=.@-]{1,519}$/;

export function parseAwsEnvironment(variables: Variables, common: CommonVariables, faults: string[]): AwsEnvironment {
  const matching = (name: string, form: RegExp, expected: string): string => {
    const value = variables[name] ?? '';
    if (value === '') faults.push(`${name} is missing`);
    else if (!form.test(value)) faults.push(`${name} is "${value.slice(0, 120)}": ${expected}`);
    return value;
  };
  const url = (name: string): string => {
    const value = matching(name, /^https?:\/\/[!-~]{1,400}$/, 'the URL of a queue');
    return value;
  };
  const { backends, logLevel, quotas } = common;
  if (backends.has('software')) faults.push('SEALWRIGHT_BACKENDS names software: no function has that backend');
  const names = ['enrolment', ...[...backends].map((backend) => `signing-${backend}`)];
  const queues = new Map(
    names.map((name) => {
      const variable = `SEALWRIGHT_QUEUE_${name.toUpperCase().replaceAll('-', '_')}`;
      return [name, { url: url(variable), deadLetterUrl: url(`${variable}_DEAD`) }] as const;
    }),
  );
  const region = matching('AWS_REGION', regionForm, 'the name of a Region');
  const endpoint = (service: string): string | undefined =>
    variables[`AWS_ENDPOINT_URL_${service}`] || variables.AWS_ENDPOINT_URL || undefined;
  const endpoints = { dynamodb: endpoint('DYNAMODB'), sqs: endpoint('SQS'), s3: endpoint('S3') };
  const isEmulated = Object.values(endpoints).some((one) => one !== undefined);
  const hasHsm = ['SEALWRIGHT_PKCS11_MODULE', 'SEALWRIGHT_PKCS11_PIN_SECRET'].some((name) => variables[name]);
  return {
    stack: 'aws',
    backends,
    region,
    tableName: matching('SEALWRIGHT_TABLE', tableForm, 'the name of a table'),
    queues,
    endpoints,
    emulatorCredentials: isEmulated
      ? {
          accessKeyId: variables.AWS_ACCESS_KEY_ID || 'emulator',
          secretAccessKey: variables.AWS_SECRET_ACCESS_KEY || 'emulator',
        }
      : undefined,
    acmPca: backends.has('acm-pca')
      ? {
          endpoint: variables.SEALWRIGHT_ACM_PCA_ENDPOINT || undefined,
          region,
          auditBucket: matching('SEALWRIGHT_AUDIT_BUCKET', bucketForm, 'the name of a bucket'),
          quotas,
        }
      : undefined,
    crlBucket: variables.SEALWRIGHT_CRL_BUCKET
      ? matching('SEALWRIGHT_CRL_BUCKET', bucketForm, 'the name of a bucket')
      : undefined,
    pkcs11: hasHsm
      ? {
          module: matching('SEALWRIGHT_PKCS11_MODULE', /^\/[!-~]{1,400}$/, 'an absolute path'),
          pinSecretArn: matching('SEALWRIGHT_PKCS11_PIN_SECRET', secretForm, 'the ARN of a secret'),
          cloudHsm: parseCloudHsm({ SEALWRIGHT_REGION: region, ...variables }),
        }
      : undefined,
    logLevel,
  };
}

/** What is an emulator's, and so refused outside stage `dev`: endpoints, from whatever variable, and accounts. */
export function emulatorFaults(environment: AwsEnvironment, stage: 'dev' | 'prod'): readonly string[] {
  if (stage === 'dev') return [];
  const { acmPca, backends, endpoints, queues } = environment;
  const faults = Object.entries(endpoints)
    .filter(([, endpoint]) => endpoint !== undefined)
    .map(([service]) => `AWS_ENDPOINT_URL moves ${service} to an emulator, which is for stage dev, not ${stage}`);
  const accountIds = [...queues.values()].flatMap(({ url, deadLetterUrl }) =>
    [url, deadLetterUrl].map((one) => new URL(one).pathname.split('/')[1] ?? ''),
  );
  const findings = evaluateStage({
    stage,
    backends: [...backends],
    ...(acmPca?.endpoint === undefined ? {} : { acmPcaEndpoint: acmPca.endpoint }),
    accountIds,
  });
  return [...faults, ...findings.map(({ message }) => message)];
}
