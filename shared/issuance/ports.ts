/**
 * What the use cases need of the world. Each comment states what an adapter owes: consistency, durability, retry,
 * concurrency. A use case relies on nothing that is not written here.
 */
import type { EpochMs } from '../pki/epoch.ts';

export type * from './audit-ports.ts';
export type * from './ledger-ports.ts';
export type * from './permits.ts';
export type * from './queue-ports.ts';
export type * from './signing-ports.ts';

export type Clock = () => EpochMs;
