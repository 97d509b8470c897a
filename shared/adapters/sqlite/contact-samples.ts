import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  decodeContacts,
  encodeContacts,
  isKept,
  placeBits,
  placeOf,
  sampledDevicesMax,
  withContact,
} from '../../inventory/contacts.ts';
import type { InventoryReads, SampledBy, SampledFleet } from '../../issuance/inventory-ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';

type Prepare = (sql: string) => StatementSync;

interface Contact {
  readonly caId: string;
  readonly fleet: string;
  readonly owner: string;
  readonly profile: string;
  readonly name: string;
  readonly credentialId: string;
  readonly at: number;
  readonly notAfter: number;
}

/** A device whose certificate ended so long ago tells nothing of the starts that an estimate looks back to. */
const goneAfterMs = 26 * 7 * 86_400_000;

/** Notes a contact, inside the transaction that issues. A device that is not kept costs one read. */
export function createContactNotes(prepare: Prepare): (contact: Contact) => void {
  const fleetOf = prepare('SELECT fleet_row, one_in, devices FROM contact_fleets WHERE ca_id = ? AND fleet = ?');
  const addFleet = prepare('INSERT INTO contact_fleets (ca_id, fleet, one_in, devices) VALUES (?, ?, 1, 0)');
  const setFleet = prepare('UPDATE contact_fleets SET one_in = ?, devices = ? WHERE fleet_row = ?');
  const find = prepare('SELECT contacts, not_after FROM contact_samples WHERE fleet_row = ? AND place = ?');
  const put = prepare(`
    INSERT INTO contact_samples (fleet_row, place, owner, credential_id, not_after, contacts) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET owner = excluded.owner, credential_id = excluded.credential_id,
      not_after = excluded.not_after, contacts = excluded.contacts`);
  const forget = prepare('DELETE FROM contact_samples WHERE fleet_row = ? AND (place >= ? OR not_after < ?)');

  return (contact) => {
    const { caId, fleet, owner, credentialId, at, notAfter } = contact;
    const known = fleetOf.get(caId, fleet);
    const oneIn = (known?.one_in ?? 1) as number;
    const place = placeOf(contact);
    if (!isKept(place, oneIn)) return;
    const fleetRow = (known?.fleet_row ?? addFleet.run(caId, fleet).lastInsertRowid) as number;
    const device = find.get(fleetRow, place);
    const before = device === undefined ? [] : decodeContacts(device.contacts as Uint8Array);
    const latest = Math.max(notAfter, (device?.not_after ?? 0) as number);
    put.run(fleetRow, place, owner, credentialId, latest, encodeContacts(withContact(before, at)));
    if (device !== undefined) return;
    const devices = ((known?.devices ?? 0) as number) + 1;
    if (devices <= sampledDevicesMax) {
      setFleet.run(oneIn, devices, fleetRow);
      return;
    }
    // First those that are long gone; where that makes no room, every second one.
    const gone = forget.run(fleetRow, 2 ** placeBits, at - goneAfterMs).changes as number;
    const halved = gone > 0 ? 0 : (forget.run(fleetRow, 2 ** placeBits / (oneIn * 2), 0).changes as number);
    setFleet.run(gone > 0 ? oneIn : oneIn * 2, devices - gone - halved, fleetRow);
  };
}

const devicesMax = 10_000;

export function createContactReads(database: DatabaseSync): InventoryReads['contacts'] {
  const columns = `SELECT f.ca_id, f.fleet, f.one_in, s.contacts, s.not_after FROM contact_samples s
    JOIN contact_fleets f ON f.fleet_row = s.fleet_row`;
  const byFleet = database.prepare(`SELECT f.ca_id, f.fleet, f.one_in, s.contacts, s.not_after FROM contact_fleets f
    JOIN contact_samples s ON s.fleet_row = f.fleet_row WHERE f.ca_id = ? AND f.fleet = ? ORDER BY s.place LIMIT ?`);
  const byOwner = database.prepare(`${columns} WHERE s.owner = ? ORDER BY s.place LIMIT ?`);
  const byCredential = database.prepare(`${columns} WHERE s.credential_id = ? ORDER BY s.place LIMIT ?`);

  function rowsOf(by: SampledBy, countMax: number) {
    switch (by.kind) {
      case 'fleet':
        return byFleet.all(by.caId, by.fleet, countMax);
      case 'owner':
        return byOwner.all(by.owner, countMax);
      case 'credential':
        return byCredential.all(by.credentialId, countMax);
    }
  }

  return async (by, countMax) => {
    invariant(countMax >= 1 && countMax <= devicesMax, 'out-of-bounds', `countMax ${countMax}`);
    const fleets = new Map<string, SampledFleet & { readonly devices: SampledFleet['devices'][number][] }>();
    for (const row of rowsOf(by, countMax)) {
      const caId = row.ca_id as string;
      const name = row.fleet as string;
      const key = JSON.stringify([caId, name]);
      let fleet = fleets.get(key);
      if (fleet === undefined) {
        fleet = { caId, fleet: name, oneIn: row.one_in as number, devices: [] };
        fleets.set(key, fleet);
      }
      fleet.devices.push({ contacts: decodeContacts(row.contacts as Uint8Array), notAfter: row.not_after as number });
    }
    return [...fleets.values()];
  };
}
