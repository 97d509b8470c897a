/**
 * Contacts of devices, by fleet and place. They are noted after the move that issues, not in its transaction: one that is lost
 * with a process is one of a sample, and no counter. Which devices are kept is decided by their digest, so that most cost nothing.
 */
import {
  type ContactSample,
  type DeviceIdentity,
  decodeContacts,
  encodeContacts,
  isKept,
  placeBits,
  placeOf,
  sampledDevicesMax,
  withContact,
} from '../../inventory/contacts.ts';
import type { InventoryReads, SampledBy, SampledFleet } from '../../issuance/inventory-ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { Table } from './calls.ts';
import { bytes, bytesOf, type Item, number, numberOf, numberOr, text, textOf } from './items.ts';
import { mapBounded } from './retry.ts';
import { indexes, indexKeys, type Key, keyItem, keys } from './table.ts';

export interface Contact extends DeviceIdentity {
  readonly caId: string;
  readonly fleet: string;
  readonly credentialId: string;
  readonly at: EpochMs;
  readonly notAfter: EpochMs;
}

/** Fleets whose share is remembered; beyond, all are forgotten. A share that has grown since is learnt with the next new device. */
const fleetsRememberedMax = 10_000;
const devicesMax = 10_000;

/** Notes contacts. Rejects with what a write of them does; whoever calls has its certificate all the same. */
export function createContactNotes(table: Table): (contacts: readonly Contact[]) => Promise<void> {
  const shares = new Map<string, number>();

  function remember(partition: string, oneIn: number): number {
    if (shares.size >= fleetsRememberedMax) shares.clear();
    shares.set(partition, oneIn);
    return oneIn;
  }

  async function shareOf(caId: string, fleet: string): Promise<number> {
    const key = keys.contactFleet(caId, fleet);
    const known = shares.get(key.PK);
    if (known !== undefined) return known;
    return remember(key.PK, numberOr((await table.get(key, { consistent: false })) ?? {}, 'oneIn', 1));
  }

  /** Of one fleet. Two processes that note one device at once lose one of its contacts: cheaper than a condition. */
  async function noteFleet(contacts: readonly Contact[]): Promise<void> {
    const { caId, fleet } = contacts[0]!;
    const oneIn = await shareOf(caId, fleet);
    const kept = contacts.flatMap((contact) => {
      const place = placeOf(contact);
      return isKept(place, oneIn) ? [{ contact, key: keys.contact(caId, fleet, place) }] : [];
    });
    const found = await table.getMany(kept.map(({ key }) => key));
    const items = new Map<string, Item>();
    let fresh = 0;
    kept.forEach(({ contact, key }, at) => {
      const before = items.get(key.SK) ?? found[at];
      if (before === undefined) fresh += 1;
      items.set(key.SK, { ...keyItem(key), ...contactItem(contact, key, before) });
    });
    await table.putMany([...items.values()]);
    if (fresh > 0) await newDevices(caId, fleet, fresh);
  }

  /** Where there are too many, every second one is kept from now on; the others are read no more. */
  async function newDevices(caId: string, fleet: string, count: number): Promise<void> {
    const key = keys.contactFleet(caId, fleet);
    const set = {
      expression: 'SET oneIn = if_not_exists(oneIn, :one) ADD devices :count',
      values: { ':one': number(1), ':count': number(count) },
    };
    const outcome = await table.update({ kind: 'update', key, set }, 'UPDATED_NEW');
    if (outcome.kind !== 'written' || outcome.attributes === undefined) return;
    const oneIn = remember(key.PK, numberOf(outcome.attributes, 'oneIn'));
    if (numberOf(outcome.attributes, 'devices') <= sampledDevicesMax) return;
    let half = oneIn * 2;
    let kept = await listContacts(table, caId, fleet, half, devicesMax, { attributes: 'SK' });
    while (kept.length > sampledDevicesMax) {
      half *= 2;
      kept = kept.filter((item) => isKept(placeOfItem(item), half));
    }
    const halved = await table.update({
      kind: 'update',
      key,
      set: {
        expression: 'SET oneIn = :half, devices = :kept',
        values: { ':half': number(half), ':was': number(oneIn), ':kept': number(kept.length) },
      },
      condition: 'oneIn = :was',
    });
    if (halved.kind === 'written') remember(key.PK, half);
  }

  return async (contacts) => {
    const fleets = Map.groupBy(contacts, ({ caId, fleet }) => keys.contactFleet(caId, fleet).PK);
    await mapBounded([...fleets.values()], table.inFlightMax, noteFleet);
  };
}

function contactItem(contact: Contact, key: Key, before: Item | undefined): Item {
  const { caId, fleet, owner, credentialId, at, notAfter } = contact;
  const known = before === undefined ? [] : decodeContacts(bytesOf(before, 'c'));
  return {
    ca: text(caId),
    flt: text(fleet),
    own: text(owner),
    crd: text(credentialId),
    na: number(Math.max(notAfter, numberOr(before ?? {}, 'na', 0))),
    c: bytes(encodeContacts(withContact(known, at))),
    sPk: text(indexKeys.contactsOfOwner(owner)),
    sSk: text(key.SK),
  };
}

/** Devices of a fleet that are kept, those of the least places first. */
async function listContacts(
  table: Table,
  caId: string,
  fleet: string,
  oneIn: number,
  countMax: number,
  { attributes, credentialId }: { readonly attributes?: string; readonly credentialId?: string } = {},
): Promise<readonly Item[]> {
  const items: Item[] = [];
  let start: Item | undefined;
  do {
    const page = await table.query({
      KeyConditionExpression: 'PK = :pk AND SK BETWEEN :first AND :last',
      ExpressionAttributeValues: {
        ':pk': text(keys.contactFleet(caId, fleet).PK),
        ':first': text(keys.contact(caId, fleet, 0).SK),
        ':last': text(keys.contact(caId, fleet, 2 ** placeBits / oneIn - 1).SK),
        ...(credentialId === undefined ? {} : { ':crd': text(credentialId) }),
      },
      Limit: credentialId === undefined ? countMax - items.length : sampledDevicesMax,
      ...(credentialId === undefined ? {} : { FilterExpression: 'crd = :crd' }),
      ...(attributes === undefined ? {} : { ProjectionExpression: attributes }),
      ...(start === undefined ? {} : { ExclusiveStartKey: { ...start } }),
    });
    items.push(...page.items);
    start = page.next;
  } while (start !== undefined && items.length < countMax);
  return items.slice(0, countMax);
}

function placeOfItem(item: Item): number {
  return Number.parseInt(textOf(item, 'SK').slice(2), 16);
}

function sampleOf(item: Item): ContactSample {
  return { contacts: decodeContacts(bytesOf(item, 'c')), notAfter: numberOf(item, 'na') };
}

export interface ContactReadsOptions {
  readonly table: Table;
  readonly caIds: () => Promise<readonly string[]>;
  /** Of an enrolment credential, whose certificates are all of its fleet. */
  readonly fleetOfCredential: (id: string) => Promise<string | undefined>;
}

export function createContactReads(options: ContactReadsOptions): InventoryReads['contacts'] {
  const { table, caIds, fleetOfCredential } = options;

  async function ofFleet(
    caId: string,
    fleet: string,
    countMax: number,
    credentialId?: string,
  ): Promise<readonly SampledFleet[]> {
    const described = await table.get(keys.contactFleet(caId, fleet), { consistent: false });
    if (described === undefined) return [];
    const oneIn = numberOf(described, 'oneIn');
    const only = credentialId === undefined ? {} : { credentialId };
    const devices = (await listContacts(table, caId, fleet, oneIn, countMax, only)).map(sampleOf);
    return devices.length === 0 ? [] : [{ caId, fleet, oneIn, devices }];
  }

  async function ofOwner(owner: string, countMax: number): Promise<readonly SampledFleet[]> {
    const { items } = await table.query({
      IndexName: indexes.byStanding.name,
      KeyConditionExpression: 'sPk = :pk',
      ExpressionAttributeValues: { ':pk': text(indexKeys.contactsOfOwner(owner)) },
      Limit: countMax,
    });
    const found = await table.getMany(items.map((item) => ({ PK: textOf(item, 'PK'), SK: textOf(item, 'SK') })));
    const fleets = Map.groupBy(
      found.filter((item) => item !== undefined),
      (item) => textOf(item, 'PK'),
    );
    const described = await table.getMany([...fleets.keys()].map((PK) => ({ PK, SK: 'FLEET' })));
    return [...fleets.values()].flatMap((devices, at): readonly SampledFleet[] => {
      const oneIn = numberOr(described[at] ?? {}, 'oneIn', 1);
      const kept = devices.filter((item) => isKept(placeOfItem(item), oneIn));
      const [first] = devices;
      const place = { caId: textOf(first!, 'ca'), fleet: textOf(first!, 'flt') };
      return kept.length === 0 ? [] : [{ ...place, oneIn, devices: kept.map(sampleOf) }];
    });
  }

  async function ofCredential(credentialId: string, countMax: number): Promise<readonly SampledFleet[]> {
    const fleet = await fleetOfCredential(credentialId);
    if (fleet === undefined) return [];
    const found: SampledFleet[] = [];
    let left = countMax;
    for (const caId of await caIds()) {
      if (left <= 0) break;
      const own = await ofFleet(caId, fleet, left, credentialId);
      found.push(...own);
      left -= own.reduce((sum, { devices }) => sum + devices.length, 0);
    }
    return found;
  }

  return async (by: SampledBy, countMax) => {
    invariant(countMax >= 1 && countMax <= devicesMax, 'out-of-bounds', `countMax ${countMax}`);
    switch (by.kind) {
      case 'fleet':
        return ofFleet(by.caId, by.fleet, countMax);
      case 'owner':
        return ofOwner(by.owner, countMax);
      case 'credential':
        return ofCredential(by.credentialId, countMax);
    }
  };
}
