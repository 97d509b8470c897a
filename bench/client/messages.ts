import type { WatchedProcess } from '../process-usage.ts';
import type { Target } from './connection.ts';
import type { UsageOfProcess } from './load.ts';

/** What the client's process is told; each is answered before the next. */
export type ClientTask =
  /** Makes requests with keys of their own, in place of those there are. */
  | { readonly kind: 'prepare'; readonly tag: string; readonly count: number }
  | {
      readonly kind: 'load';
      readonly target: Target;
      /** Request line and headers without Content-Length, each line ended with CRLF. */
      readonly head: string;
      readonly connections: number;
      readonly secondsMax: number;
      readonly watch: readonly WatchedProcess[];
    }
  /** Verifies every answer of the last load. */
  | { readonly kind: 'verify'; readonly issuerPem: string };

export interface LoadSummary {
  readonly answered: number;
  /** Answers with status 200. */
  readonly certificates: number;
  readonly seconds: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly usage: readonly UsageOfProcess[];
  readonly clientCpuMs: number;
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
