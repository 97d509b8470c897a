import type { DatabaseSync } from 'node:sqlite';
import { issuanceIdOf } from '../../issuance/ids.ts';
import type { IssuanceState } from '../../issuance/issuance-state.ts';
import type { IssuanceLedger, KnownIssuance } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';

type SerialReads = Pick<IssuanceLedger, 'knownSerials' | 'knownTickets' | 'issuedSerials'>;

const askedCountMax = 1_000;

interface Row {
  readonly request_id: string;
  readonly ordinal: number;
  readonly state: string;
}

function knownOf(row: Row): KnownIssuance {
  return { issuanceId: issuanceIdOf(row.request_id, row.ordinal), state: row.state as IssuanceState };
}

/** The ledger as a list of serials: what a CA's own list of them is compared with. `written` is awaited before each look. */
export function createSerialReads(database: DatabaseSync, written: () => Promise<void>): SerialReads {
  const bySerial = database.prepare(`SELECT i.request_id, i.ordinal, i.state FROM serials s
    JOIN issuances i ON i.issuance = s.issuance WHERE s.ca_id = ? AND s.serial = ? AND i.generation = ?`);
  // The condition is that of the index, word for word.
  const byTicket = database.prepare(
    'SELECT request_id, ordinal, state FROM issuances WHERE ticket IS NOT NULL AND serial IS NULL AND ticket = ?',
  );
  const page = database.prepare(`SELECT s.serial, i.generation, i.request_id, i.ordinal, i.state, i.state_at
    FROM serials s JOIN issuances i ON i.issuance = s.issuance
    WHERE s.ca_id = ? AND s.serial > ? ORDER BY s.serial LIMIT ?`);

  async function look(
    keys: readonly string[],
    find: (key: string) => unknown,
  ): Promise<ReadonlyMap<string, KnownIssuance>> {
    await written();
    invariant(keys.length <= askedCountMax, 'out-of-bounds', `${keys.length} asked in one call`);
    const known = new Map<string, KnownIssuance>();
    for (const key of keys) {
      const row = find(key) as Row | undefined;
      if (row !== undefined) known.set(key, knownOf(row));
    }
    return known;
  }

  return {
    knownSerials: async (caId, generation, serials) =>
      look(serials, (serial) => bySerial.get(caId, serial, generation)),
    knownTickets: async (tickets) => look(tickets, (ticket) => byTicket.get(ticket)),
    async issuedSerials(caId, generation, after, countMax) {
      invariant(countMax >= 1 && countMax <= askedCountMax, 'out-of-bounds', `countMax ${countMax}`);
      await written();
      const rows = page.all(caId, after ?? '', countMax) as unknown as readonly (Row & {
        readonly serial: string;
        readonly generation: number;
        readonly state_at: number;
      })[];
      const issued = rows
        .filter((row) => row.generation === generation && (row.state === 'issued' || row.state === 'revoked'))
        .map((row) => ({ serial: row.serial, issuanceId: knownOf(row).issuanceId, at: row.state_at }));
      return { issued, next: rows.length < countMax ? undefined : rows.at(-1)!.serial };
    },
  };
}
