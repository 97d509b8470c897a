/**
 * What a person has to look at: a closed list. An alarm is counted from a log entry with its `message`, and its name in
 * the field `alarm`; docs/runbook.md has one entry for each. Nothing else in the service logs at the levels ERROR and
 * CRITICAL, so that what is logged there is in this list.
 */
export interface Alarm {
  /** `page`: certificates are wrong, or none are issued. `ticket`: it will come to that, or somebody is waiting. */
  readonly severity: 'page' | 'ticket';
  /** The log entry's message: what a metric filter matches. Fixed, unique. */
  readonly message: string;
  /** What it means, in one sentence. */
  readonly meaning: string;
  /**
   * True where one fault of the world raises it with every request or batch: then it is logged at most once a second
   * for each CA or queue, with the number of those left out, so that a fault does not fill the disk it was caused by.
   */
  readonly sampled: boolean;
}

export const alarms = {
  misissued: {
    severity: 'page',
    message: 'misissued',
    meaning: 'A CA signed something else than what was asked for; the certificate is kept and not handed out.',
    sampled: false,
  },
  'custody-stopped': {
    severity: 'page',
    message: 'custody stopped a CA',
    meaning: 'The key of a CA is not held as the hierarchy demands; the CA signs nothing until it is.',
    sampled: true,
  },
  'custody-unknown': {
    severity: 'page',
    message: 'custody of a CA is unknown',
    meaning: 'The module or provider did not say how it holds the key of a CA; the CA signs nothing until it does.',
    sampled: true,
  },
  'hsm-backup-old': {
    severity: 'ticket',
    message: 'an HSM cluster has no recent backup',
    meaning: 'The cluster that holds CA keys has no backup of the last 48 hours: losing it would lose what is newer.',
    sampled: true,
  },
  'backend-unavailable': {
    severity: 'page',
    message: 'a CA is unavailable',
    meaning: 'The module or provider behind a CA does not answer; its queue waits, and other CAs go on.',
    sampled: true,
  },
  'crl-failed': {
    severity: 'page',
    message: 'a CRL was not published',
    meaning:
      'A CRL of a CA could not be signed or published: what was revoked since counts as good, and all of its certificates as unchecked once the last CRL ends.',
    sampled: true,
  },
  'revocation-stuck': {
    severity: 'ticket',
    message: 'a revocation does not end',
    meaning:
      'A revocation that was accepted fails at its CA, or has not been taken by it for a day; it is tried again every minute.',
    sampled: true,
  },
  'hsm-pin-refused': {
    severity: 'page',
    message: 'the HSM refused the PIN',
    meaning: 'A token refused the PIN; this process tries it once and never again, since a few tries lock the token.',
    sampled: true,
  },
  'orphan-suspected': {
    severity: 'ticket',
    message: 'issuances of unknown outcome',
    meaning:
      'ACM PCA was asked to issue and no answer came in time: a certificate may exist that the ledger does not have.',
    sampled: false,
  },
  'unknown-certificate': {
    severity: 'page',
    message: 'the CA has a certificate that the ledger does not know',
    meaning:
      'A certificate exists that no issuance of ours explains: the CA key was used behind the back of the pipeline.',
    sampled: false,
  },
  'unknown-issuance': {
    severity: 'page',
    message: 'the CA does not have a certificate that the ledger has',
    meaning: 'The ledger says issued, and the audit report of the CA does not list the certificate.',
    sampled: false,
  },
  'duplicate-certificate': {
    severity: 'ticket',
    message: 'an issuance has more than one certificate',
    meaning: 'The CA has two certificates for one issuance; one was handed out, the other must be revoked.',
    sampled: false,
  },
  'orphan-unsettled': {
    severity: 'ticket',
    message: 'an orphan needs a person',
    meaning: 'An issuance of unknown outcome cannot be settled from the audit report alone: an operator decides.',
    sampled: false,
  },
  'audit-report-failed': {
    severity: 'ticket',
    message: 'an audit report failed',
    meaning:
      'The audit report of a CA could not be had or read: orphans wait, and the CA is not compared with the ledger.',
    sampled: false,
  },
  throttled: {
    severity: 'ticket',
    message: 'a CA throttles',
    meaning: 'The provider refuses calls over its quota; issuances wait for their turn.',
    sampled: true,
  },
  'queue-too-deep': {
    severity: 'ticket',
    message: 'enrolment is refused, too much is waiting',
    meaning: 'What waits for a backend would take longer than a minute to sign, so new requests are answered 503.',
    sampled: true,
  },
  'queue-age': {
    severity: 'ticket',
    message: 'a queue is old',
    meaning: 'The oldest message of a queue has waited for more than five minutes.',
    sampled: false,
  },
  'dead-letters': {
    severity: 'ticket',
    message: 'dead letters wait',
    meaning: 'Messages were given up after ten deliveries; their issuances go on only when somebody settles the cause.',
    sampled: false,
  },
  'ca-near-its-end': {
    severity: 'ticket',
    message: 'a CA is near its end',
    meaning: 'In 30 days or less a CA can no longer issue certificates of full lifetime that end before it does.',
    sampled: false,
  },
  'storage-full': {
    severity: 'page',
    message: 'the storage is full',
    meaning: 'The disk of the ledger is full: nothing is accepted and nothing is signed until there is space.',
    sampled: true,
  },
  'storage-failed': {
    severity: 'page',
    message: 'the storage fails',
    meaning: 'Reads or writes of the ledger fail below the database, or its file is damaged.',
    sampled: true,
  },
  'ledger-overloaded': {
    severity: 'ticket',
    message: 'the ledger is overloaded',
    meaning: 'More writes wait for the ledger than it holds; requests beyond are answered 503.',
    sampled: true,
  },
  'wal-large': {
    severity: 'ticket',
    message: 'the write-ahead log is large',
    meaning: 'The write-ahead log of the ledger grows and is not cut back: some reader never ends.',
    sampled: false,
  },
  'issuance-refused': {
    severity: 'ticket',
    message: 'a CA refused an issuance',
    meaning: 'A CA will never sign what policy and lints had let through: the issuance has failed.',
    sampled: true,
  },
  'validation-failed': {
    severity: 'ticket',
    message: 'validation failed',
    meaning: 'A request could not be evaluated, by a fault of ours or of the ledger; its message is delivered again.',
    sampled: true,
  },
  'signing-failed': {
    severity: 'ticket',
    message: 'signing failed',
    meaning: 'A batch could not be signed, by a fault of ours or of the ledger; its messages are delivered again.',
    sampled: true,
  },
  'request-failed': {
    severity: 'ticket',
    message: 'request failed',
    meaning: 'An HTTP request ended in a plain 500: a fault of ours.',
    sampled: true,
  },
  'host-failed': {
    severity: 'ticket',
    message: 'the host failed at something',
    meaning: 'A queue could not be polled, a function threw as a whole, or a scheduled run failed.',
    sampled: true,
  },
} as const satisfies Readonly<Record<string, Alarm>>;

export type AlarmName = keyof typeof alarms;
export const alarmNames = Object.keys(alarms) as readonly AlarmName[];

/** Raises an alarm; `fields` are for the person who looks: ids, codes, counts, `error`. Never throws. */
export type RaiseAlarm = (name: AlarmName, fields: Readonly<Record<string, unknown>>) => void;

const alarmsOfStorage: Readonly<Record<string, AlarmName>> = {
  'storage-full': 'storage-full',
  'storage-failed': 'storage-failed',
  'state-corrupt': 'storage-failed',
  'ledger-overloaded': 'ledger-overloaded',
};

function codeOf(cause: unknown): string | undefined {
  const code = (cause as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** The alarm for something that was thrown: that of the storage below where it is at fault, else `otherwise`. */
export function alarmOfFailure(cause: unknown, otherwise: AlarmName): AlarmName {
  return alarmsOfStorage[codeOf(cause) ?? ''] ?? otherwise;
}

/** Return values of a login that say: this PIN will not do (PKCS #11 v2.40, 5.1.6). */
const pinCodes: ReadonlySet<string> = new Set([
  'CKR_PIN_INCORRECT',
  'CKR_PIN_INVALID',
  'CKR_PIN_LEN_RANGE',
  'CKR_PIN_EXPIRED',
  'CKR_PIN_LOCKED',
  'CKR_USER_PIN_NOT_INITIALIZED',
]);

/** The alarm for a backend that answers `unavailable`, by the code of its answer. */
export function alarmOfUnavailable(code: string): AlarmName {
  return pinCodes.has(code) ? 'hsm-pin-refused' : 'backend-unavailable';
}

/** The alarm for evidence of a key that could not be had. `backend-unavailable` where the backend itself says so. */
export function alarmOfCustodyFailure(cause: unknown): AlarmName {
  if (codeOf(cause) !== 'backend-unavailable') return alarmOfFailure(cause, 'custody-unknown');
  return alarmOfUnavailable(codeOf((cause as { readonly cause?: unknown }).cause) ?? '');
}
