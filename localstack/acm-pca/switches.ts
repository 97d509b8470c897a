/**
 * Switches for tests: what goes wrong, and when. All of them are off at the start and forgotten at the end of the process;
 * what they led to (a failed or a held issuance) is state and stays.
 */
import { createHash } from 'node:crypto';
import type { AwsErrorCode } from './errors.ts';
import type { OperationName } from './model/inputs.ts';

/** How long calls of an operation wait, in milliseconds: before they take effect, and from then to their answer. */
export interface CallDelay {
  readonly beforeMs?: number;
  readonly afterMs?: number;
}

/**
 * Calls of an operation that fail: the next `count` ones, or each with `probability`, drawn from `seed` in the order in which
 * calls arrive. `before`: without effect. `after`: it has taken effect, or was refused, and its own answer is not sent.
 */
export interface FailureRule {
  readonly operation: OperationName;
  readonly when: 'before' | 'after';
  /** An error to answer, or `none`: the connection is closed without an answer. */
  readonly answer: 'none' | AwsErrorCode;
  readonly count?: number;
  readonly probability?: number;
  readonly seed?: string;
}

/** Issuances or reports that are accepted and then fail: the next `count` ones, or all. */
export interface LateFailure {
  readonly reason: string;
  readonly count?: number;
}

/** Switches of one CA. */
export interface AuthoritySwitches {
  readonly failIssuance?: LateFailure;
  /** New certificates stay RequestInProgress until they are let go. */
  readonly holdIssuance?: boolean;
  readonly failAuditReport?: LateFailure;
}

/** How audit reports are made. */
export interface AuditReportPolicy {
  /** A report is CREATING at least this long. */
  readonly delayMs: number;
  /** From the beginning of a report to the next one of its CA. */
  readonly intervalMs: number;
  /** What a call within the interval is answered: the documentation does not say. */
  readonly intervalError: AwsErrorCode;
}

export const defaultAuditReportPolicy: AuditReportPolicy = {
  delayMs: 0,
  intervalMs: 1_800_000,
  intervalError: 'RequestInProgressException',
};

export interface Switches {
  setDelay(operation: OperationName, delay: CallDelay | null): void;
  /** Replaces every rule. */
  setFailures(rules: readonly FailureRule[]): void;
  /** Changes what it names; null and false switch off. */
  setAuthority(
    id: string,
    change: { readonly [Name in keyof AuthoritySwitches]?: AuthoritySwitches[Name] | null },
  ): void;
  setAuditReports(change: Partial<AuditReportPolicy>): void;
  delayOf(operation: OperationName): CallDelay;
  /** The first rule that hits this call. Counts are used up and draws are made here, so it is asked once a call. */
  drawFailure(operation: OperationName): FailureRule | undefined;
  /** Reason why this accepted issuance, or report, will fail. Uses up the count. */
  drawLateFailure(id: string, what: 'failIssuance' | 'failAuditReport'): string | undefined;
  isHeld(id: string): boolean;
  auditReports(): AuditReportPolicy;
  /** Rules that can still hit, with the counts that are left. */
  failures(): readonly FailureRule[];
  delays(): Readonly<Partial<Record<OperationName, CallDelay>>>;
  authority(id: string): AuthoritySwitches;
}

/** A number in [0, 1) that depends on seed and index alone. */
function drawUnit(seed: string, index: number): number {
  return createHash('sha256').update(`${seed} ${index}`).digest().readUInt32BE(0) / 2 ** 32;
}

interface ActiveRule {
  readonly rule: FailureRule;
  left: number;
  drawn: number;
}

function hits(active: ActiveRule): boolean {
  const { probability, seed } = active.rule;
  if (probability !== undefined) {
    active.drawn += 1;
    return drawUnit(seed ?? '', active.drawn) < probability;
  }
  active.left -= 1;
  return true;
}

function createFailureRules(): Pick<Switches, 'setFailures' | 'drawFailure' | 'failures'> {
  let active: ActiveRule[] = [];
  return {
    setFailures(rules): void {
      active = rules.map((rule) => ({ rule, left: rule.count ?? 0, drawn: 0 }));
    },
    drawFailure(operation): FailureRule | undefined {
      const found = active.find((one) => one.rule.operation === operation && hits(one))?.rule;
      active = active.filter(({ rule, left }) => rule.count === undefined || left > 0);
      return found;
    },
    failures: () => active.map(({ rule, left }) => (rule.count === undefined ? rule : { ...rule, count: left })),
  };
}

/** All switches off. */
export function createSwitches(): Switches {
  let auditReports = defaultAuditReportPolicy;
  const delays = new Map<OperationName, CallDelay>();
  const authorities = new Map<string, AuthoritySwitches>();
  const authority = (id: string): AuthoritySwitches => authorities.get(id) ?? {};

  function setAuthority(id: string, change: Parameters<Switches['setAuthority']>[1]): void {
    const merged = Object.entries({ ...authority(id), ...change });
    const on = merged.filter(([, value]) => value !== null && value !== undefined && value !== false);
    authorities.set(id, Object.fromEntries(on) as AuthoritySwitches);
  }

  function drawLateFailure(id: string, what: 'failIssuance' | 'failAuditReport'): string | undefined {
    const failure = authority(id)[what];
    if (failure === undefined) return undefined;
    if (failure.count !== undefined) {
      setAuthority(id, { [what]: failure.count > 1 ? { ...failure, count: failure.count - 1 } : null });
    }
    return failure.reason;
  }

  return {
    ...createFailureRules(),
    setDelay(operation, delay): void {
      if (delay === null) delays.delete(operation);
      else delays.set(operation, delay);
    },
    setAuthority,
    setAuditReports(change): void {
      auditReports = { ...auditReports, ...change };
    },
    delayOf: (operation) => delays.get(operation) ?? {},
    drawLateFailure,
    isHeld: (id) => authority(id).holdIssuance === true,
    auditReports: () => auditReports,
    delays: () => Object.fromEntries(delays),
    authority,
  };
}
