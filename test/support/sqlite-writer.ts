/**
 * A process that writes to a state with group commit until it is killed. Every write that was answered is told, one
 * line each, on stdout, which is a pipe and so written before the call returns: what is told is durable.
 */
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import type { IssuanceState } from '../../shared/issuance/issuance-state.ts';
import type { Transition } from '../../shared/issuance/ports.ts';
import { ledgerTime, moves, newCertificate, newCredential, newIssuance } from './ledger-fixtures.ts';
import { makePrepared } from './make-prepared.ts';

const store = openSqliteStore({ path: process.argv[2]!, clock: () => ledgerTime, walPagesMax: 50 });
const { ledger } = store;
const queue = store.queue('work');
const credential = newCredential({ countMax: 1_000_000 });
await store.credentials.create(credential);
const prefix = `41${process.pid.toString(16).padStart(14, '0')}`;
let serials = 0;

function tell(...words: readonly string[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

async function advance(issuanceId: string, move: Transition): Promise<void> {
  const [outcome] = await ledger.advance([move]);
  if (outcome?.kind !== 'moved') throw new Error(JSON.stringify(outcome));
  tell('state', issuanceId, move.to satisfies IssuanceState);
}

/** One device after another, each to its end. */
async function work(caller: number): Promise<never> {
  for (let n = 0; ; n++) {
    const received = await ledger.receive(newIssuance(credential));
    if (received.kind !== 'received') throw new Error(received.kind);
    const { issuanceId } = received.record;
    tell('state', issuanceId, 'received');
    await queue.send([issuanceId]);
    tell('sent', issuanceId);
    await advance(issuanceId, moves.approve(issuanceId));
    serials += 1;
    const serial = `${prefix}${serials.toString(16).padStart(16, '0')}`;
    await advance(issuanceId, moves.intend(makePrepared(issuanceId, 'devices', { serial })));
    if ((n + caller) % 5 === 0) await advance(issuanceId, moves.fail(issuanceId));
    else await advance(issuanceId, moves.issue(issuanceId, newCertificate({ serial })));
  }
}

tell('open');
await Promise.all(Array.from({ length: 16 }, (_, caller) => work(caller)));
