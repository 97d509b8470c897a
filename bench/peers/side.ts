import type { Target } from '../client/connection.ts';
import type { Dialect } from '../client/dialect.ts';
import type { WatchedProcess } from '../process-usage.ts';

/** What can be measured: the peers, and ours with the same kind of key. */
export const sideNames = [
  'stepca',
  'sealwright-software',
  'cfsslSqlite',
  'sealwright-software-http',
  'stepcaPkcs11',
  'sealwright-pkcs11',
] as const;

export type SideName = (typeof sideNames)[number];

/** Rates are compared within a round: ours over the peer's. */
export const comparisons = {
  stepca: { ours: 'sealwright-software', peer: 'stepca' },
  stepcaPkcs11: { ours: 'sealwright-pkcs11', peer: 'stepcaPkcs11' },
  cfsslSqlite: { ours: 'sealwright-software', peer: 'cfsslSqlite' },
  stepcaPlainHttp: { ours: 'sealwright-software-http', peer: 'stepca' },
} as const satisfies Record<string, { readonly ours: SideName; readonly peer: SideName }>;

export type ComparisonName = keyof typeof comparisons;

export interface Side {
  readonly name: SideName;
  /** What it is, with versions, transport, credential and key: one line. */
  readonly description: string;
  /** Starts it on an empty state in `dir`, which is empty. */
  start(dir: string): Promise<RunningSide>;
  /** Certificates recorded in the state of the stopped server. */
  countRecorded(dir: string): number;
  /** How `countRecorded` counts: one line. */
  readonly counted: string;
}

export interface RunningSide {
  readonly target: Target;
  readonly dialect: Dialect;
  /** All processes of the server. */
  readonly processes: readonly WatchedProcess[];
  /** Certificate of the CA whose signature is expected, PEM, from elsewhere than the answers. */
  readonly issuerPem: string;
  durability(): Durability;
  stop(): Promise<void>;
}

/** What makes a record durable, as found in force in the running server. */
export interface Durability {
  /** Whether an answer was seen to wait for the disk; a side without it is no match for one that does. */
  readonly isSynced: boolean;
  /** One line. */
  readonly settings: string;
}
