/** The switches as one JSON document: what a test may change while the endpoint runs, and what it can read. */
import { Ajv, type ValidateFunction } from 'ajv';
import { parseAuthorityArn } from './arn.ts';
import { type AuthorityStatus, statusOf } from './authority.ts';
import type { Endpoint } from './endpoint.ts';
import { type AwsErrorCode, awsErrorCodes, refuse } from './errors.ts';
import { type OperationName, operationNames } from './model/inputs.ts';
import { updateCertificateAuthority } from './operations/update-authority.ts';
import { perSecondMax, type QuotaChoice, type Quotas } from './quotas.ts';
import type { OperationCounts } from './statistics.ts';
import type { AuthorityRecord, CertificateCounts } from './store.ts';
import type { AuditReportPolicy, AuthoritySwitches, CallDelay, FailureRule } from './switches.ts';

/** What to change of one CA; null switches off. `disabled` is what an administrator does with UpdateCertificateAuthority. */
export type AuthorityChange = { readonly [Name in keyof AuthoritySwitches]?: AuthoritySwitches[Name] | null } & {
  readonly disabled?: boolean;
};

/**
 * What to change. `delays` and `authorities` (by ARN or id) change what they name, `failures` and `quotas` replace what there
 * was, `auditReports` changes the members given. What is not named stays.
 */
export interface ControlChange {
  readonly delays?: Readonly<Partial<Record<OperationName, CallDelay | null>>>;
  readonly failures?: readonly FailureRuleGiven[];
  readonly authorities?: Readonly<Record<string, AuthorityChange>>;
  readonly quotas?: QuotaChoice;
  readonly auditReports?: Partial<AuditReportPolicy>;
}

/** `when` is `before` and `answer` is `none` unless said otherwise. */
export type FailureRuleGiven = Omit<FailureRule, 'when' | 'answer'> & Partial<Pick<FailureRule, 'when' | 'answer'>>;

/** The switches as they are, and the counts. */
export interface ControlView {
  readonly emulator: true;
  readonly operations: Readonly<Partial<Record<OperationName, OperationCounts>>>;
  readonly quotas: Quotas;
  readonly delays: Readonly<Partial<Record<OperationName, CallDelay>>>;
  readonly failures: readonly FailureRule[];
  readonly auditReports: AuditReportPolicy;
  /** By ARN. */
  readonly authorities: Readonly<Record<string, AuthorityView>>;
}

export interface AuthorityView extends AuthoritySwitches {
  readonly status: AuthorityStatus;
  readonly certificates: CertificateCounts;
}

const delayMsMax = 600_000;
const intervalMsMax = 86_400_000;
const countMax = 1_000_000_000;
const rulesMax = 64;
const authoritiesMax = 200;

const closed = (properties: object, required: readonly string[] = []) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const byOperation = (value: object) => ({
  type: 'object',
  propertyNames: { enum: operationNames },
  additionalProperties: value,
});
const integer = (minimum: number, maximum: number) => ({ type: 'integer', minimum, maximum });
const orNull = (value: object) => ({ anyOf: [{ type: 'null' }, value] });
const errorCode = { enum: awsErrorCodes };
const count = integer(1, countMax);
const lateFailure = closed({ reason: { type: 'string', minLength: 1, maxLength: 256 }, count }, ['reason']);

const quotasSchema = {
  anyOf: [{ enum: ['aws', 'none'] }, byOperation({ type: 'number', exclusiveMinimum: 0, maximum: perSecondMax })],
};
const failureSchema = {
  ...closed(
    {
      operation: { enum: operationNames },
      when: { enum: ['before', 'after'] },
      answer: { enum: ['none', ...awsErrorCodes] },
      count,
      probability: { type: 'number', minimum: 0, maximum: 1 },
      seed: { type: 'string', maxLength: 256 },
    },
    ['operation'],
  ),
  oneOf: [{ required: ['count'] }, { required: ['probability', 'seed'] }],
};
const changeSchema = closed({
  delays: byOperation(orNull(closed({ beforeMs: integer(0, delayMsMax), afterMs: integer(0, delayMsMax) }))),
  failures: { type: 'array', maxItems: rulesMax, items: failureSchema },
  authorities: {
    type: 'object',
    maxProperties: authoritiesMax,
    additionalProperties: closed({
      disabled: { type: 'boolean' },
      holdIssuance: orNull({ type: 'boolean' }),
      failIssuance: orNull(lateFailure),
      failAuditReport: orNull(lateFailure),
    }),
  },
  quotas: quotasSchema,
  auditReports: closed({
    delayMs: integer(0, delayMsMax),
    intervalMs: integer(0, intervalMsMax),
    intervalError: errorCode,
  }),
});

const ajv = new Ajv({ allErrors: true, strict: true, strictRequired: false });
const validators = new Map<object, ValidateFunction>();

/** Compiled when first needed: an endpoint whose switches nobody touches does not pay for it. */
function faultsOf(schema: object, name: string, value: unknown): readonly string[] {
  const validate = validators.get(schema) ?? ajv.compile(schema);
  validators.set(schema, validate);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${name}${instancePath} ${message}`);
}

/** Quotas from parsed JSON or from a name. RangeError that names every fault. */
export function readQuotaChoice(value: unknown): QuotaChoice {
  const faults = faultsOf(quotasSchema, 'quotas', value);
  if (faults.length > 0) throw new RangeError(faults.join('; '));
  return value as QuotaChoice;
}

function findNamed({ scope, store }: Endpoint, name: string): AuthorityRecord {
  const record = store.findAuthority(name.startsWith('arn:') ? parseAuthorityArn(scope, name) : name);
  if (record === undefined) refuse('ResourceNotFoundException', `Could not find Certificate Authority ${name}.`);
  return record;
}

/** One that cannot be enabled or disabled is refused before anything is changed. */
function checkNamed(endpoint: Endpoint, name: string, change: AuthorityChange): AuthorityRecord {
  const record = findNamed(endpoint, name);
  const status = statusOf(record, endpoint.clock());
  if (change.disabled !== undefined && status !== 'ACTIVE' && status !== 'DISABLED') {
    refuse('InvalidStateException', `The certificate authority ${record.arn} is in the state ${status}.`);
  }
  return record;
}

function changeAuthority(endpoint: Endpoint, record: AuthorityRecord, change: AuthorityChange): void {
  const { disabled, ...switched } = change;
  endpoint.switches.setAuthority(record.id, switched);
  if (disabled !== undefined) {
    const Status = disabled ? 'DISABLED' : 'ACTIVE';
    updateCertificateAuthority(endpoint, { CertificateAuthorityArn: record.arn, Status });
  }
  if (switched.holdIssuance === false || switched.holdIssuance === null) {
    endpoint.store.releaseHeld(record.id, endpoint.clock());
  }
}

/**
 * Changes the switches: all that the document says, or nothing. AwsError: ValidationException that names every fault,
 * ResourceNotFoundException for a CA that is not there, InvalidStateException for one that cannot be enabled or disabled.
 */
export function applyControl(endpoint: Endpoint, document: unknown): void {
  const faults = faultsOf(changeSchema, 'change', document);
  if (faults.length > 0) refuse('ValidationException', faults.join('; '));
  const { auditReports, authorities = {}, delays = {}, failures, quotas } = document as ControlChange;
  const named = Object.entries(authorities).map(
    ([name, change]) => [checkNamed(endpoint, name, change), change] as const,
  );
  const { switches } = endpoint;
  for (const [operation, delay] of Object.entries(delays)) switches.setDelay(operation as OperationName, delay);
  if (failures !== undefined) {
    switches.setFailures(
      failures.map((rule) => ({ when: 'before', answer: 'none' as 'none' | AwsErrorCode, ...rule })),
    );
  }
  if (auditReports !== undefined) switches.setAuditReports(auditReports);
  if (quotas !== undefined) endpoint.quotas.set(quotas);
  for (const [record, change] of named) changeAuthority(endpoint, record, change);
}

/** Reads switches and counts. */
export function viewControl(endpoint: Endpoint): ControlView {
  const { clock, quotas, statistics, store, switches } = endpoint;
  const counts = store.certificateCounts();
  const now = clock();
  const authorities = store.authorities().map((record) => {
    const view: AuthorityView = {
      ...switches.authority(record.id),
      status: statusOf(record, now),
      certificates: counts.get(record.id) ?? { issued: 0, failed: 0, held: 0 },
    };
    return [record.arn, view] as const;
  });
  return {
    emulator: true,
    operations: statistics.read(),
    quotas: quotas.read(),
    delays: switches.delays(),
    failures: switches.failures(),
    auditReports: switches.auditReports(),
    authorities: Object.fromEntries(authorities),
  };
}
