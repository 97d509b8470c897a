/** Counts of calls, kept since the endpoint started. */
import type { OperationName } from './model/inputs.ts';

/** Calls of one operation. `accepted` and `throttled` together are all calls that had a known operation and an Authorization. */
export interface OperationCounts {
  /** Within the quota, whatever came of them. */
  readonly accepted: number;
  /** Over the quota: answered with ThrottlingException, without effect. */
  readonly throttled: number;
  /** Closed without an answer by a switch. */
  readonly lost: number;
  /** Errors answered to accepted calls, by name; those that a switch asked for are among them. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface Statistics {
  add(operation: OperationName, what: 'accepted' | 'throttled' | 'lost'): void;
  addError(operation: OperationName, name: string): void;
  /** A copy; operations without a call are not in it. */
  read(): Readonly<Partial<Record<OperationName, OperationCounts>>>;
}

interface Counts {
  accepted: number;
  throttled: number;
  lost: number;
  errors: Record<string, number>;
}

export function createStatistics(): Statistics {
  const counts = new Map<OperationName, Counts>();

  function of(operation: OperationName): Counts {
    const known = counts.get(operation) ?? { accepted: 0, throttled: 0, lost: 0, errors: {} };
    counts.set(operation, known);
    return known;
  }

  return {
    add(operation, what): void {
      of(operation)[what] += 1;
    },
    addError(operation, name): void {
      const { errors } = of(operation);
      errors[name] = (errors[name] ?? 0) + 1;
    },
    read: () => structuredClone(Object.fromEntries(counts)),
  };
}
