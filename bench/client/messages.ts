import type { WatchedProcess } from '../process-usage.ts';
import type { Target } from './connection.ts';
import type { Dialect } from './dialect.ts';
import type { MachineUsage, UsageOfProcess } from './load.ts';

/** What the client's process is told; each is answered before the next. */
export type ClientTask =
  /** Makes requests with keys of their own, in place of those there are. */
  | { readonly kind: 'prepare'; readonly tag: string; readonly count: number }
  | {
      readonly kind: 'load';
      readonly target: Target;
      readonly dialect: Dialect;
      /** Which of the prepared requests: `from` inclusive, `to` exclusive; all of them where not said. */
      readonly range?: { readonly from: number; readonly to: number };
      readonly connections: number;
      readonly secondsMax: number;
      readonly watch: readonly WatchedProcess[];
    }
  /** Verifies every answer of the last load. */
  | { readonly kind: 'verify'; readonly issuerPem: string };

export interface LoadSummary {
  readonly answered: number;
  /** Answers with the status of success. */
  readonly certificates: number;
  readonly seconds: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly usage: readonly UsageOfProcess[];
  readonly clientCpuMs: number;
  readonly transport: string;
  /** Undefined without `/proc`. */
  readonly machine?: MachineUsage;
}

export interface VerifySummary {
  readonly verified: number;
  /** Each kind of fault with how many answers had it. */
  readonly faults: Readonly<Record<string, number>>;
}

export type ClientAnswer =
  | { readonly kind: 'prepared' }
  | { readonly kind: 'loaded'; readonly summary: LoadSummary }
  | { readonly kind: 'verified'; readonly summary: VerifySummary }
  | { readonly kind: 'failed'; readonly message: string };
