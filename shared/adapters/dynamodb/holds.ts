/** Names held for (owner, key), keys held for owners, and why a move did not pass them. */
import type { AdvanceOutcome, IssuanceLedger, NameHold, Transition } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { namesCountMax } from './bounds.ts';
import { exhausted, type Table } from './calls.ts';
import { isFrozenFor } from './fence.ts';
import { type Item, number, numberOf, text, textOf, textsOf } from './items.ts';
import { pauseBefore } from './retry.ts';
import { keyItem, keys } from './table.ts';

/**
 * Why a move whose condition failed cannot be made, as things stand now; undefined when nothing stands in its way any more,
 * or only another move of the same issuance did. `rec` is the record as it was read after the failure.
 */
export async function refusalOf(table: Table, rec: Item, transition: Transition): Promise<AdvanceOutcome | undefined> {
  switch (transition.to) {
    case 'approved':
      return holdRefusal(table, rec);
    case 'intended': {
      const { caId, intent } = transition.prepared;
      if (await isFrozenFor(table, caId)) return { kind: 'frozen' };
      return intent.kind === 'tbs' ? serialRefusal(table, caId, intent.serial) : undefined;
    }
    case 'issued':
      return rec.ser === undefined ? serialRefusal(table, textOf(rec, 'ca'), transition.certificate.serial) : undefined;
    default:
      return undefined;
  }
}

async function holdRefusal(table: Table, rec: Item): Promise<AdvanceOutcome | undefined> {
  const [owner, spki, names] = [textOf(rec, 'own'), textOf(rec, 'spki'), textsOf(rec, 'nm')];
  const [key, ...holds] = await table.getMany([keys.publicKey(spki), ...names.map(keys.holder)]);
  const held = names.filter((_, index) => {
    const hold = holds[index];
    return hold !== undefined && (textOf(hold, 'own') !== owner || textOf(hold, 'spki') !== spki);
  });
  if (held.length > 0) return { kind: 'held', names: held };
  if (key?.compromisedAt !== undefined) return { kind: 'key-compromised' };
  if (key !== undefined && textOf(key, 'own') !== owner) return { kind: 'key-of-another-owner' };
  return undefined;
}

/** The record has been read before and does not have this serial, so whoever has it is another move. */
async function serialRefusal(table: Table, caId: string, serial: string): Promise<AdvanceOutcome | undefined> {
  return (await table.get(keys.serial(caId, serial))) === undefined ? undefined : { kind: 'serial-taken' };
}

export function createHolds(table: Table): Pick<IssuanceLedger, 'holders' | 'releaseName'> {
  return {
    async holders(names, spkiSha256) {
      invariant(names.length <= namesCountMax, 'out-of-bounds', `${names.length} names in one call`);
      const [key, ...found] = await table.getMany([keys.publicKey(spkiSha256), ...names.map(keys.holder)]);
      const holds = found.flatMap((item): NameHold[] => (item === undefined ? [] : [holdOf(item)]));
      const keyCompromised = key?.compromisedAt !== undefined;
      return key === undefined
        ? { names: holds, keyCompromised }
        : { names: holds, keyOwner: textOf(key, 'own'), keyCompromised };
    },
    releaseName: (name, at) => releaseName(table, name, at),
  };
}

function holdOf(item: Item): NameHold {
  return {
    name: textOf(item, 'nam'),
    owner: textOf(item, 'own'),
    spkiSha256: textOf(item, 'spki'),
    heldAt: numberOf(item, 'heldAt'),
  };
}

/**
 * Deletes the hold that was read and writes down that it was released, in one transaction. When that fails, the note says
 * whether it was this very call that released it.
 */
async function releaseName(table: Table, name: string, at: number): Promise<boolean> {
  const note = keys.release(name, at, table.newWriteId());
  for (let attempt = 1; attempt <= table.patience.attemptsMax; attempt++) {
    const [hold, released] = await table.getMany([keys.holder(name), note]);
    if (released !== undefined) return true;
    if (hold === undefined) return false;
    const { owner, spkiSha256, heldAt } = holdOf(hold);
    const values = { ':own': text(owner), ':spki': text(spkiSha256), ':at': number(heldAt) };
    const outcome = await table.transact([
      {
        kind: 'delete',
        key: keys.holder(name),
        condition: { expression: 'own = :own AND spki = :spki AND heldAt = :at', values },
      },
      { kind: 'put', item: { ...hold, ...keyItem(note), releasedAt: number(at) } },
    ]);
    if (outcome.kind === 'written') return true;
    await pauseBefore(attempt, table.patience);
  }
  throw exhausted({ kind: 'conflict' });
}
