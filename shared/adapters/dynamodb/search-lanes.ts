import { parseIssuanceId } from '../../issuance/ids.ts';
import { type CertificateQuery, cursorRefused } from '../../issuance/search-certificates.ts';
import type { Table } from './calls.ts';
import { type Item, text, textOf } from './items.ts';
import { issuanceIdOfItem } from './record-items.ts';
import { indexes, indexKeys, issuerShards, type Key, keyItem, keys, ownerShards, timeText } from './table.ts';

/** What a lane has of an issuance: where it stands in the lane and, from an index, the item as the index has it. */
export interface Entry {
  readonly issuanceId: string;
  readonly range: string;
  /** Undefined where a partition has nothing but ids. */
  readonly item: Item | undefined;
}

export type After = Pick<Entry, 'issuanceId' | 'range'>;

/** Entries of one partition in the order of their keys: what a search looks at, and where it goes on. */
export interface Lane {
  /** Tells the lanes of one search apart. */
  readonly partition: string;
  /** What an entry weighs beside one of an index: it has to be read by itself. */
  readonly weight: number;
  /** Filters that every entry passes. */
  readonly holds: readonly (keyof CertificateQuery)[];
  /** Throws `cursorRefused` for a place that it cannot have. */
  read(after: After | undefined, countMax: number): Promise<LaneRead>;
}

export interface LaneRead {
  readonly entries: readonly Entry[];
  /** How far it was read, whether or not there was an entry; undefined at the end of the lane. */
  readonly next: After | undefined;
}

const readTo = (entries: readonly Entry[], more: Item | undefined): LaneRead => ({
  entries,
  next: more === undefined ? undefined : entries.at(-1),
});

/** Filters that a lane goes by: there is no partition of a fleet alone, nor of a profile or a status. */
export const dynamoFindsBy = [
  'issuer',
  'owner',
  'serial',
  'fingerprint',
  'key',
  'name',
  'credential',
  'notAfterBefore',
  'notAfterAfter',
] as const satisfies readonly (keyof CertificateQuery)[];

export interface LaneSources {
  readonly table: Table;
  /** Every CA that may have issued. */
  readonly caIds: () => Promise<readonly string[]>;
  /** Whose a credential is, which never changes. */
  readonly credential: (id: string) => Promise<{ readonly owner: string; readonly fleet: string } | undefined>;
}

/** The lanes of a query, by the filter that is likely to find the least; always in the same order. */
export async function lanesOf(sources: LaneSources, query: CertificateQuery): Promise<readonly Lane[]> {
  const { table } = sources;
  const { credential, fingerprint, fleet, issuer, key, name, owner, serial } = query;
  const pointers = (partition: string, holds: Lane['holds']) => pointersOf(table, partition, holds);
  if (fingerprint !== undefined) return [pointers(keys.certificate(fingerprint, '').PK, ['fingerprint'])];
  // What is no serial is in no partition, and might be too long for a key.
  if (serial !== undefined && !/^[0-9a-f]{1,64}$/.test(serial)) return [];
  if (serial !== undefined) return [serialLane(table, issuer === undefined ? await sources.caIds() : [issuer], serial)];
  if (key !== undefined) return [pointers(keys.certificateOfKey(key, '').PK, ['key'])];
  if (name !== undefined) {
    const forms = [name, `dns:${name}`, `uri:${name}`, `ip:${name}`];
    return forms.map((form) => pointers(keys.certificateOfName(form, '').PK, ['name']));
  }
  if (owner !== undefined) return ownerLanes(table, owner, fleet, query);
  if (credential !== undefined) {
    const whose = await sources.credential(credential);
    return whose === undefined ? [] : ownerLanes(table, whose.owner, whose.fleet, query);
  }
  const caIds = issuer === undefined ? [...(await sources.caIds())].sort() : [issuer];
  return caIds.flatMap((caId) => issuerLanes(table, caId, query));
}

const pointerWeight = 5;

function pointersOf(table: Table, PK: string, holds: Lane['holds']): Lane {
  return {
    partition: PK,
    weight: pointerWeight,
    holds,
    async read(after, countMax) {
      if (after !== undefined && (after.range !== '' || parseIssuanceId(after.issuanceId) === undefined))
        throw cursorRefused();
      const page = await table.query({
        KeyConditionExpression: 'PK = :pk AND begins_with(SK, :i)',
        ExpressionAttributeValues: { ':pk': text(PK), ':i': text('I#') },
        // The certificate itself, under its fingerprint, is not wanted.
        ProjectionExpression: 'SK',
        ConsistentRead: true,
        Limit: countMax,
        ...(after === undefined ? {} : { ExclusiveStartKey: { ...keyItem({ PK, SK: `I#${after.issuanceId}` }) } }),
      });
      const entries = page.items.map((item) => ({
        issuanceId: textOf(item, 'SK').slice(2),
        range: '',
        item: undefined,
      }));
      return readTo(entries, page.next);
    },
  };
}

/** One serial at each of the CAs. */
function serialLane(table: Table, caIds: readonly string[], serial: string): Lane {
  return {
    partition: 'S#',
    weight: pointerWeight,
    holds: ['serial', 'issuer'],
    async read(after, countMax) {
      const left = caIds.toSorted().filter((caId) => after === undefined || caId > after.range);
      const asked = left.slice(0, countMax);
      const found = await table.getMany(
        asked.map((caId) => keys.serial(caId, serial)),
        'PK, SK, id',
      );
      const entries = asked.flatMap((caId, index) =>
        found[index] === undefined ? [] : [{ issuanceId: textOf(found[index], 'id'), range: caId, item: undefined }],
      );
      const next = asked.length < left.length ? { range: asked.at(-1)!, issuanceId: '' } : undefined;
      return { entries, next };
    },
  };
}

const lastTime = '9'.repeat(15);

/** notAfter as the first and the last of a range; undefined for a window that nothing is in. */
function windowOf({
  notAfterAfter,
  notAfterBefore,
}: CertificateQuery): readonly [from: string, to: string] | undefined {
  const from = timeText(notAfterAfter === undefined ? 0 : notAfterAfter + 1);
  const to = notAfterBefore === undefined ? lastTime : timeText(notAfterBefore - 1);
  return from <= to ? [from, to] : undefined;
}

const windowFilters = ['notAfterBefore', 'notAfterAfter'] as const;

function issuerLanes(table: Table, caId: string, query: CertificateQuery): readonly Lane[] {
  const window = windowOf(query);
  if (window === undefined) return [];
  return Array.from({ length: issuerShards }, (_, shard) =>
    indexLane(table, indexes.byIssuer, indexKeys.byIssuer(caId, shard), window, ['issuer', ...windowFilters]),
  );
}

/** By owner and fleet the index has notAfter in order, too. */
function ownerLanes(table: Table, owner: string, fleet: string | undefined, query: CertificateQuery): readonly Lane[] {
  const window = windowOf(query);
  if (window === undefined) return [];
  const first = fleet === undefined ? '' : indexKeys.fleetAndTime(fleet, 0).slice(0, -lastTime.length);
  const range = fleet === undefined ? undefined : ([first + window[0], first + window[1]] as const);
  const holds: Lane['holds'] = fleet === undefined ? ['owner'] : ['owner', 'fleet', ...windowFilters];
  return Array.from({ length: ownerShards }, (_, shard) =>
    indexLane(table, indexes.byOwner, indexKeys.byOwner(owner, shard), range, holds),
  );
}

type Index = (typeof indexes)['byIssuer' | 'byOwner'];

const isBefore = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;

function indexLane(
  table: Table,
  index: Index,
  partition: string,
  range: readonly [from: string, to: string] | undefined,
  holds: Lane['holds'],
): Lane {
  const startOf = ({ issuanceId, range: at }: After): Item => {
    const key: Key | undefined = keys.record(issuanceId);
    const isOutside = range !== undefined && (isBefore(at, range[0]) || isBefore(range[1], at));
    if (key === undefined || at === '' || isOutside) throw cursorRefused();
    return { ...keyItem(key), [index.hash]: text(partition), [index.range]: text(at) };
  };
  return {
    partition,
    weight: 1,
    holds,
    async read(after, countMax) {
      const between = range === undefined ? {} : { ':from': text(range[0]), ':to': text(range[1]) };
      const page = await table.query({
        IndexName: index.name,
        KeyConditionExpression: `${index.hash} = :pk${range === undefined ? '' : ` AND ${index.range} BETWEEN :from AND :to`}`,
        ExpressionAttributeValues: { ':pk': text(partition), ...between },
        Limit: countMax,
        ...(after === undefined ? {} : { ExclusiveStartKey: { ...startOf(after) } }),
      });
      const entries = page.items.map((item) => ({
        issuanceId: issuanceIdOfItem(item),
        range: textOf(item, index.range),
        item,
      }));
      return readTo(entries, page.next);
    },
  };
}
