import { type AwsEnvironment, type CommonVariables, parseAwsEnvironment } from './environment-aws.ts';

/**
 * The environment of a function, parsed once and refused whole: the first invocation fails with the list of everything
 * that is wrong, not with the first.
 */
export type Environment = EmbeddedEnvironment | AwsEnvironment;

export interface EmbeddedEnvironment {
  readonly stack: 'embedded';
  /** hierarchy.yaml. */
  readonly hierarchyFile: string;
  /** Folder with the ledger and everything else that outlives a restart. */
  readonly stateDir: string;
  /** Kinds of backend that have a signer here. */
  readonly backends: ReadonlySet<'acm-pca' | 'pkcs11' | 'software'>;
  readonly acmPca:
    | {
        readonly endpoint: string;
        readonly region: string;
        /** Where the CAs put their audit reports. */
        readonly auditBucket: string;
        readonly quotas: AcmPcaQuotas;
      }
    | undefined;
  readonly pkcs11:
    | {
        readonly module: string;
        readonly pinFile: string;
        readonly softhsmConf: string | undefined;
        readonly cloudHsm: CloudHsmPlace | undefined;
      }
    | undefined;
  readonly logLevel: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
}

/** The account's quotas in the Region and the share of them that is left to others, where they are not the defaults. */
export interface AcmPcaQuotas {
  readonly issuePerSecond?: number;
  readonly getPerSecond?: number;
  readonly shareForOthers?: number;
}

/** The CloudHSM cluster behind the PKCS #11 library, and where to ask about it. */
export interface CloudHsmPlace {
  readonly clusterId: string;
  readonly region: string;
  /** Only in stage dev another than AWS's own. */
  readonly endpoint: string | undefined;
  /** The library's configuration, which names the HSMs it connects to; undefined: where the library has it by default. */
  readonly libraryConfiguration: string | undefined;
}

export class EnvironmentError extends Error {
  readonly code = 'environment-invalid';
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(`the environment is not usable:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
    this.name = 'EnvironmentError';
    this.faults = faults;
  }
}

export type Variables = Readonly<Record<string, string | undefined>>;

const backendKinds = ['acm-pca', 'pkcs11', 'software'] as const;
const logLevels = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;

const quotaMax = 10_000;

function parseQuotas(variables: Variables, faults: string[]): AcmPcaQuotas {
  const read = (name: string, form: RegExp, max: number, expected: string): number | undefined => {
    const text = variables[name];
    if (text === undefined || text === '') return undefined;
    const value = form.test(text) ? Number(text) : Number.NaN;
    if (value <= max) return value;
    faults.push(`${name} is "${text}": ${expected}`);
    return undefined;
  };
  const perSecond = (name: string) => read(name, /^[1-9]\d{0,4}$/, quotaMax, `a whole number from 1 to ${quotaMax}`);
  const issuePerSecond = perSecond('SEALWRIGHT_ACM_PCA_ISSUE_PER_SECOND');
  const getPerSecond = perSecond('SEALWRIGHT_ACM_PCA_GET_PER_SECOND');
  const shareForOthers = read('SEALWRIGHT_ACM_PCA_SHARE_FOR_OTHERS', /^0(\.\d{1,3})?$/, 0.9, 'from 0 to 0.9');
  return {
    ...(issuePerSecond === undefined ? {} : { issuePerSecond }),
    ...(getPerSecond === undefined ? {} : { getPerSecond }),
    ...(shareForOthers === undefined ? {} : { shareForOthers }),
  };
}

/** Without an id of a cluster nothing is asked, and a key in an HSM has no validation. */
export function parseCloudHsm(variables: Variables): CloudHsmPlace | undefined {
  const clusterId = variables.SEALWRIGHT_CLOUDHSM_CLUSTER_ID;
  if (clusterId === undefined || clusterId === '') return undefined;
  return {
    clusterId,
    region: variables.SEALWRIGHT_REGION ?? 'us-east-1',
    endpoint: variables.SEALWRIGHT_CLOUDHSM_ENDPOINT || undefined,
    libraryConfiguration: variables.SEALWRIGHT_CLOUDHSM_CONFIGURATION || undefined,
  };
}

/** Throws `EnvironmentError` with every fault. */
export function parseEnvironment(variables: Variables): Environment {
  const faults: string[] = [];
  const required = (name: string): string => {
    const value = variables[name];
    if (value === undefined || value === '') faults.push(`${name} is missing`);
    return value ?? '';
  };
  const oneOf = <T extends string>(name: string, value: string, allowed: readonly T[]): T => {
    const found = allowed.find((one) => one === value);
    if (found === undefined) faults.push(`${name} is "${value}": one of ${allowed.join(', ')}`);
    return found ?? allowed[0]!;
  };
  const stack = oneOf('SEALWRIGHT_STACK', required('SEALWRIGHT_STACK'), ['embedded', 'aws'] as const);
  const kinds = required('SEALWRIGHT_BACKENDS')
    .split(',')
    .filter((kind) => kind !== '');
  const backends = new Set(kinds.map((kind) => oneOf('SEALWRIGHT_BACKENDS', kind, backendKinds)));
  const common = {
    backends,
    quotas: backends.has('acm-pca') ? parseQuotas(variables, faults) : {},
    logLevel: oneOf('SEALWRIGHT_LOG_LEVEL', variables.SEALWRIGHT_LOG_LEVEL ?? 'WARN', logLevels),
  };
  const environment =
    stack === 'aws' ? parseAwsEnvironment(variables, common, faults) : parseEmbedded(variables, common, required);
  if (faults.length > 0) throw new EnvironmentError(faults);
  return environment;
}

function parseEmbedded(
  variables: Variables,
  { backends, logLevel, quotas }: CommonVariables,
  required: (name: string) => string,
): EmbeddedEnvironment {
  return {
    stack: 'embedded',
    hierarchyFile: required('SEALWRIGHT_HIERARCHY'),
    stateDir: required('SEALWRIGHT_STATE'),
    backends,
    acmPca: backends.has('acm-pca')
      ? {
          endpoint: required('SEALWRIGHT_ACM_PCA_ENDPOINT'),
          region: variables.SEALWRIGHT_REGION ?? 'us-east-1',
          auditBucket: variables.SEALWRIGHT_AUDIT_BUCKET ?? 'sealwright-audit-reports',
          quotas,
        }
      : undefined,
    pkcs11: backends.has('pkcs11')
      ? {
          module: required('SEALWRIGHT_PKCS11_MODULE'),
          pinFile: required('SEALWRIGHT_PKCS11_PIN_FILE'),
          softhsmConf: variables.SOFTHSM2_CONF,
          cloudHsm: parseCloudHsm(variables),
        }
      : undefined,
    logLevel,
  };
}
