import { describe, expect, it } from 'vitest';
import { contactsMax, decodeContacts, encodeContacts, placeOf, withContact } from '../../shared/inventory/contacts.ts';
import { disposable } from '../support/disposable.ts';
import { dayMs, guideTo, ledgerTime } from '../support/ledger-fixtures.ts';
import { openHarness } from '../support/sqlite-harness.ts';

const by = { kind: 'fleet', caId: 'devices', fleet: 'sensors' } as const;

describe('the contacts of devices', () => {
  it('are kept with the issuance, and come back by fleet, owner and credential', async () => {
    await using h = disposable(await openHarness('memory'));
    const names = ['dns:a.fleet.example'];
    const spkiSha256 = 'a'.repeat(64);
    for (const receivedAt of [ledgerTime, ledgerTime + dayMs, ledgerTime + 2 * dayMs + 400])
      await guideTo('issued', h, {
        issuance: { names, spkiSha256, receivedAt },
        certificate: { notAfter: receivedAt + 9 * dayMs },
      });
    const { issuance } = await guideTo('issued', h);
    await guideTo('issued', h, { issuance: { fleet: 'presses', owner: 'plant-8' } });
    const [sensors, ...others] = await h.inventory.contacts(by, 100);
    expect(others).toEqual([]);
    expect(sensors).toMatchObject({ caId: 'devices', fleet: 'sensors', oneIn: 1 });
    const first = sensors!.devices.find(({ contacts }) => contacts.length > 1);
    expect(first).toEqual({
      contacts: [ledgerTime, ledgerTime + dayMs, ledgerTime + 2 * dayMs],
      notAfter: ledgerTime + 11 * dayMs + 400,
    });
    const owned = await h.inventory.contacts({ kind: 'owner', owner: 'plant-8' }, 100);
    expect(owned.map(({ fleet, devices }) => [fleet, devices.length])).toEqual([['presses', 1]]);
    const { credentialId } = issuance;
    expect(await h.inventory.contacts({ kind: 'credential', credentialId }, 100)).toHaveLength(1);
    expect(await h.inventory.contacts({ ...by, fleet: 'none' }, 100)).toEqual([]);
  });

  it('of many devices are those of one in a power of two, by a digest of their names', () => {
    const places = Array.from({ length: 4_000 }, (_, index) =>
      placeOf({ owner: 'plant-7', profile: 'device', name: `dns:d${index}.fleet.example` }),
    );
    const share = places.filter((place) => place < 2 ** 48 / 4).length / places.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.3);
    expect(new Set(places).size).toBe(places.length);
  });

  it('are the last ones, in order, each once', () => {
    let contacts: readonly number[] = [];
    for (let n = 0; n < contactsMax + 10; n++) contacts = withContact(contacts, ledgerTime + n * 1_000);
    expect(contacts).toHaveLength(contactsMax);
    expect(contacts.at(-1)).toBe(ledgerTime + (contactsMax + 9) * 1_000);
    expect(withContact(contacts, ledgerTime)).toBe(contacts);
    expect(decodeContacts(encodeContacts(contacts))).toEqual(contacts);
  });
});
