import { describe } from 'vitest';
import type { AuthorityRegistry, CredentialStore, IssuanceLedger } from '../../shared/issuance/ports.ts';
import { counterCases } from './ledger/counter-cases.ts';
import { durabilityCases } from './ledger/durability-cases.ts';
import { edgeCases } from './ledger/edge-cases.ts';
import { holdCases } from './ledger/hold-cases.ts';
import { moveCases } from './ledger/move-cases.ts';
import { readCases } from './ledger/read-cases.ts';
import { receiveCases } from './ledger/receive-cases.ts';
import { serialCases } from './ledger/serial-cases.ts';

/** An adapter under test: its ledger, and the ports that share the ledger's transactions. */
export interface LedgerHarness {
  readonly ledger: IssuanceLedger;
  readonly credentials: CredentialStore;
  readonly authorities: AuthorityRegistry;
  /** Ends this one and opens the same state again, as the next process would. */
  reopen(): Promise<LedgerHarness>;
  close(): Promise<void>;
}

/** In what adapters may differ. Everything else is the contract. */
export interface LedgerDifferences {
  /** False only for a state that is gone when it is closed. */
  readonly durable: boolean;
  /** How long `stale`, `unsettled` and `counters` may lag behind an answered write. */
  readonly lagMsMax: number;
}

/** What a group of cases is given: a fresh, empty ledger, closed when the case ends. */
export interface LedgerCases {
  readonly differences: LedgerDifferences;
  open(): Promise<LedgerHarness>;
  /** Repeats an expectation about an eventually consistent read while it may lag. */
  eventually(expectation: () => Promise<void>): Promise<void>;
}

/** The contract of `IssuanceLedger`, as the comments of the port state it. `open` answers an empty one each time. */
export function ledgerSuite(name: string, open: () => Promise<LedgerHarness>, differences: LedgerDifferences): void {
  const cases: LedgerCases = { differences, open, eventually: eventuallyWithin(differences.lagMsMax) };
  describe(`the issuance ledger on ${name}`, () => {
    describe('receives', () => receiveCases(cases));
    describe('moves', () => moveCases(cases));
    describe('keeps to the edges', () => edgeCases(cases));
    describe('holds names and keys', () => holdCases(cases));
    describe('counts', () => counterCases(cases));
    describe('reads', () => readCases(cases));
    describe('knows serials and tickets', () => serialCases(cases));
    if (differences.durable) describe('outlives its process', () => durabilityCases(cases));
  });
}

const pauseMs = 50;

function eventuallyWithin(lagMsMax: number): LedgerCases['eventually'] {
  return async (expectation) => {
    for (let waitedMs = 0; ; waitedMs += pauseMs) {
      try {
        return await expectation();
      } catch (error) {
        if (waitedMs >= lagMsMax) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  };
}
