import type { BackendKind } from '../../shared/hierarchy/hierarchy.ts';

/** What one step of the journey costs, all threads together. */
export interface Stage {
  readonly stage: string;
  /** How often a certificate goes through it. */
  readonly timesPerCertificate: number;
  readonly cpuUsPerCall: number;
  /** The one backend that has this stage; absent for those that all have. */
  readonly backend?: BackendKind;
}

/** What the parent is told by the process that measures. */
export type StagesAnswer =
  | { readonly kind: 'stages'; readonly stages: readonly Stage[]; readonly iterations: number }
  | { readonly kind: 'failed'; readonly message: string };
