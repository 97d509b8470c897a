/**
 * Search of the inventory, by Query and by key alone. An index or a partition says which issuances there may be, and their
 * records, strongly consistent, what they are: an entry that was written before its move, or is late in an index, is never taken
 * for more than it is. docs/data-model.md has what each filter reads.
 */
import { parseIssuanceId } from '../../issuance/ids.ts';
import {
  type CertificateQuery,
  type CertificateSearch,
  cursorRefused,
  type FoundCertificate,
  placeParts,
} from '../../issuance/search-certificates.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { type Item, numberOf, text, textOf, textsOf } from './items.ts';
import { historyOf, issuanceIdOfItem } from './record-items.ts';
import { type After, dynamoFindsBy, type Entry, type Lane, type LaneSources, lanesOf } from './search-lanes.ts';
import { issuanceKey, keys } from './table.ts';

const pageMax = 1_000;
const successorsMax = 100;
/** Later ordinals that are looked at for successors, with the other parts of each. */
const laterItemsMax = 1_000;

export interface DynamoSearchOptions extends LaneSources {
  /** Entries looked at in one call, by weight. */
  readonly lookedAtMax?: number;
  /** Partitions looked into in one call: those without a certificate cost a Query, too. */
  readonly readsMax?: number;
}

export function createDynamoSearch(options: DynamoSearchOptions): CertificateSearch {
  const { table } = options;
  return {
    findsBy: dynamoFindsBy,
    async find(query, at, after, countMax) {
      invariant(countMax >= 1 && countMax <= pageMax, 'out-of-bounds', `countMax ${countMax}`);
      const lanes = await lanesOf(options, query);
      const from = after === undefined ? undefined : placeOf(after);
      const first = from === undefined ? 0 : lanes.findIndex(({ partition }) => partition === from.partition);
      if (first < 0) throw cursorRefused();
      return page(options, lanes.slice(first), from?.after, { query, at, countMax });
    },
    async history(issuanceId) {
      const key = keys.record(issuanceId);
      const rec = key === undefined ? undefined : await table.get(key);
      return rec === undefined ? [] : historyOf(rec);
    },
    async successors(issuanceId) {
      // A successor is a later ordinal of the same request: its parts lie behind those of this one.
      const id = parseIssuanceId(issuanceId);
      const last = issuanceKey(issuanceId, '~');
      if (id === undefined || last === undefined) return [];
      const { items } = await table.query({
        KeyConditionExpression: 'PK = :pk AND SK > :last',
        FilterExpression: 'predecessor = :id',
        ProjectionExpression: 'PK, SK',
        ExpressionAttributeValues: { ':pk': text(last.PK), ':last': text(last.SK), ':id': text(issuanceId) },
        ConsistentRead: true,
        Limit: laterItemsMax,
      });
      return items.slice(0, successorsMax).map(issuanceIdOfItem);
    },
  };
}

interface Asked {
  readonly query: CertificateQuery;
  readonly at: number;
  readonly countMax: number;
}

const lookedAtMaxDefault = 5_000;
const readsMaxDefault = 64;

/** Lane by lane, until there are enough or enough was looked at. */
async function page(
  { table, lookedAtMax = lookedAtMaxDefault, readsMax = readsMaxDefault }: DynamoSearchOptions,
  lanes: readonly Lane[],
  from: After | undefined,
  { query, at, countMax }: Asked,
) {
  const found: FoundCertificate[] = [];
  let [looked, reads] = [0, 0];
  for (const [index, lane] of lanes.entries()) {
    let after = index === 0 ? from : undefined;
    const isAll = Object.keys(query).every((name) => (lane.holds as readonly string[]).includes(name));
    for (;;) {
      // The first lane is read at least: every call gets on.
      if (reads > 0 && (looked >= lookedAtMax || reads >= readsMax)) return { found, next: placeText(lane, after) };
      const left = Math.max(1, Math.ceil((lookedAtMax - looked) / lane.weight));
      const { entries, next } = await lane.read(
        after,
        Math.min(pageMax, left, isAll ? countMax - found.length : pageMax),
      );
      reads += 1;
      looked += entries.length * lane.weight;
      const taken = await take(table, entries, { query, at, countMax: countMax - found.length });
      found.push(...taken.found);
      if (found.length === countMax) return { found, next: placeText(lane, taken.last) };
      after = next;
      if (after === undefined) break;
    }
  }
  return { found, next: undefined };
}

/** Those of the entries that the query finds, up to so many; `last` is the last that was looked at. */
async function take(table: LaneSources['table'], entries: readonly Entry[], asked: Asked) {
  const { at, countMax, query } = asked;
  const candidates = entries.filter(({ item }) => item === undefined || passes(item, query, at));
  const found: FoundCertificate[] = [];
  let last: Entry | undefined;
  while (found.length < countMax && candidates.length > 0) {
    const some = candidates.splice(0, countMax - found.length);
    const records = await table.getMany(some.map(({ issuanceId }) => keys.record(issuanceId)!));
    for (const rec of records)
      if (rec !== undefined && passes(rec, query, at) && isNamed(rec, query)) found.push(foundOf(rec, at));
    last = some.at(-1);
  }
  return { found, last };
}

const equalAttributes = {
  issuer: 'ca',
  serial: 'ser',
  owner: 'own',
  fleet: 'flt',
  profile: 'prf',
  credential: 'crd',
  fingerprint: 'fp',
  key: 'spki',
} as const satisfies Partial<Record<keyof CertificateQuery, string>>;

/** Every filter but the name, of a record or of what an index has of it. */
function passes(item: Item, query: CertificateQuery, at: number): boolean {
  const state = textOf(item, 'st');
  if (state !== 'issued' && state !== 'revoked') return false;
  for (const [filter, attribute] of Object.entries(equalAttributes)) {
    const value = query[filter as keyof typeof equalAttributes];
    if (value !== undefined && item[attribute]?.S !== value) return false;
  }
  const { notAfterAfter, notAfterBefore, status } = query;
  const notAfter = numberOf(item, 'na');
  if (notAfterBefore !== undefined && notAfter >= notAfterBefore) return false;
  if (notAfterAfter !== undefined && notAfter <= notAfterAfter) return false;
  return status === undefined || status === statusOf(state, notAfter, at);
}

function statusOf(state: string, notAfter: number, at: number): FoundCertificate['status'] {
  return state === 'revoked' ? 'revoked' : notAfter <= at ? 'expired' : 'issued';
}

function isNamed(rec: Item, { name }: CertificateQuery): boolean {
  if (name === undefined) return true;
  return textsOf(rec, 'nm').some((held) => held === name || held.replace(/^(dns|uri|ip):/, '') === name);
}

function foundOf(rec: Item, at: number): FoundCertificate {
  const [state, notAfter] = [textOf(rec, 'st'), numberOf(rec, 'na')];
  return {
    issuanceId: issuanceIdOfItem(rec),
    fingerprint: textOf(rec, 'fp'),
    serial: textOf(rec, 'ser'),
    issuer: textOf(rec, 'ca'),
    generation: numberOf(rec, 'gen'),
    owner: textOf(rec, 'own'),
    fleet: textOf(rec, 'flt'),
    profile: textOf(rec, 'prf'),
    credential: textOf(rec, 'crd'),
    names: textsOf(rec, 'nm'),
    key: textOf(rec, 'spki'),
    notBefore: numberOf(rec, 'nb'),
    notAfter,
    status: statusOf(state, notAfter, at),
    ...(state === 'revoked' ? { revokedAt: numberOf(rec, 'rv'), reason: textOf(rec, 'rr') } : {}),
  };
}

interface Place {
  readonly partition: string;
  /** Undefined for its beginning. */
  readonly after: After | undefined;
}

function placeText({ partition }: Lane, after: After | undefined): string {
  return JSON.stringify(after === undefined ? [partition] : [partition, after.range, after.issuanceId]);
}

function placeOf(place: string): Place {
  const parts = placeParts(place);
  const isPlace = parts.length === 1 || parts.length === 3;
  if (!isPlace || !parts.every((part) => typeof part === 'string')) throw cursorRefused();
  const [partition = '', range, issuanceId] = parts as readonly string[];
  return { partition, after: range === undefined || issuanceId === undefined ? undefined : { range, issuanceId } };
}
