/**
 * The environment of a function, parsed once and refused whole: the first invocation fails with the list of everything
 * that is wrong, not with the first.
 */
export type Environment = EmbeddedEnvironment;

export interface EmbeddedEnvironment {
  readonly stack: 'embedded';
  /** hierarchy.yaml. */
  readonly hierarchyFile: string;
  /** Folder with the ledger and everything else that outlives a restart. */
  readonly stateDir: string;
  /** Kinds of backend that have a signer here. */
  readonly backends: ReadonlySet<'acm-pca' | 'pkcs11' | 'software'>;
  readonly acmPca: { readonly endpoint: string; readonly region: string } | undefined;
  readonly pkcs11:
    | { readonly module: string; readonly pinFile: string; readonly softhsmConf: string | undefined }
    | undefined;
  readonly logLevel: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
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

type Variables = Readonly<Record<string, string | undefined>>;

const backendKinds = ['acm-pca', 'pkcs11', 'software'] as const;
const logLevels = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;

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
  oneOf('SEALWRIGHT_STACK', required('SEALWRIGHT_STACK'), ['embedded'] as const);
  const kinds = required('SEALWRIGHT_BACKENDS')
    .split(',')
    .filter((kind) => kind !== '');
  const backends = new Set(kinds.map((kind) => oneOf('SEALWRIGHT_BACKENDS', kind, backendKinds)));
  const environment: Environment = {
    stack: 'embedded',
    hierarchyFile: required('SEALWRIGHT_HIERARCHY'),
    stateDir: required('SEALWRIGHT_STATE'),
    backends,
    acmPca: backends.has('acm-pca')
      ? { endpoint: required('SEALWRIGHT_ACM_PCA_ENDPOINT'), region: variables.SEALWRIGHT_REGION ?? 'us-east-1' }
      : undefined,
    pkcs11: backends.has('pkcs11')
      ? {
          module: required('SEALWRIGHT_PKCS11_MODULE'),
          pinFile: required('SEALWRIGHT_PKCS11_PIN_FILE'),
          softhsmConf: variables.SOFTHSM2_CONF,
        }
      : undefined,
    logLevel: oneOf('SEALWRIGHT_LOG_LEVEL', variables.SEALWRIGHT_LOG_LEVEL ?? 'WARN', logLevels),
  };
  if (faults.length > 0) throw new EnvironmentError(faults);
  return environment;
}
