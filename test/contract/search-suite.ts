import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CredentialStore, IssuanceLedger } from '../../shared/issuance/ports.ts';
import {
  type CertificateQuery,
  type CertificateSearch,
  certificateStatuses,
  type FoundCertificate,
  searchCertificates,
} from '../../shared/issuance/search-certificates.ts';
import { disposable } from '../support/disposable.ts';
import { dayMs, guideTo, ledgerTime, moves, newCredential, unique } from '../support/ledger-fixtures.ts';

export interface SearchHarness {
  readonly ledger: IssuanceLedger;
  readonly credentials: CredentialStore;
  readonly search: CertificateSearch;
  close(): Promise<void>;
}

export interface SearchSuiteOptions {
  readonly numRuns: number;
  /** Filters that bound no search where the others do. */
  readonly boundNothing: readonly (keyof CertificateQuery)[];
}

/** Rows that a call looks at in most of these tests: far fewer than it would, so that every search is left off and gone on with. */
export const lookedAtMax = 6;

const at = ledgerTime + 10 * dayMs;
const issuers = ['devices', 'workloads', 'edge'];
const hex = (n: number) => n.toString(16).padStart(2, '0').repeat(32);

/** Names belong to an owner and a key for good, so that a device has its own. */
const devices = Array.from({ length: 5 }, (_, n) => ({
  owner: ['plant-1', 'plant-2', 'plänt#3'][n % 3]!,
  fleet: ['presses', 'robots'][n % 2]!,
  spkiSha256: hex(n + 1),
  names: [`dns:d${n}.fleet.example`, `uri:spiffe://fleet.example/d${n}`, `ip:192.0.2.${n}`],
}));

const outcomes = ['issued', 'issued', 'revoked', 'failed', 'misissued', 'intended', 'approved'] as const;

const made = fc.record({
  device: fc.nat(devices.length - 1),
  caId: fc.constantFrom(...issuers),
  profile: fc.constantFrom('device', 'service'),
  days: fc.constantFrom<number>(5, 10, 20, 20, 90),
  to: fc.constantFrom(...outcomes),
});
type Made = ReturnType<typeof made.generate>['value'];

const textFilters = [
  'issuer',
  'owner',
  'fleet',
  'profile',
  'serial',
  'fingerprint',
  'key',
  'name',
  'credential',
] as const;
const edges = [4, 5, 10, 15, 20, 90, 91].map((days) => ledgerTime + days * dayMs);

/** Which filters, and of which certificate their values are; some of no certificate at all. */
const mix = fc.record({
  filters: fc.subarray([...textFilters, 'status', 'notAfterBefore', 'notAfterAfter'] as const, { minLength: 1 }),
  of: fc.nat(20),
  other: fc.nat(20),
  stray: fc.constantFrom(...textFilters),
  isStray: fc.integer({ min: 0, max: 6 }).map((n) => n === 0),
  form: fc.nat(1),
  status: fc.constantFrom(...certificateStatuses),
  before: fc.constantFrom(...edges),
  after: fc.constantFrom(...edges),
  limit: fc.integer({ min: 1, max: 4 }),
});
type Mix = ReturnType<typeof mix.generate>['value'];

interface World {
  readonly h: SearchHarness;
  /** Issued and revoked, and no others. */
  readonly all: FoundCertificate[];
  issue(one: Made): Promise<void>;
}

async function openWorld(h: SearchHarness): Promise<World> {
  const credentials = devices.map(({ owner, fleet }) => newCredential({ owner, fleet }));
  for (const credential of credentials) await h.credentials.create(credential);
  const all: FoundCertificate[] = [];
  return {
    h,
    all,
    async issue({ device, caId, profile, days, to }) {
      const { id: credentialId, principal } = credentials[device]!;
      const notAfter = ledgerTime + days * dayMs;
      const { issuanceId, issuance, certificate } = await guideTo(to, h, {
        issuance: { ...devices[device]!, caId, profile, credentialId, principal },
        certificate: { notAfter },
      });
      if (to !== 'issued' && to !== 'revoked') return;
      const { owner, fleet, names, spkiSha256: key } = issuance;
      const { fingerprint, serial, notBefore } = certificate;
      const isRevoked = to === 'revoked';
      all.push({
        ...{ issuanceId, fingerprint, serial, issuer: caId, generation: 1, owner, fleet, profile, names, key },
        ...{ credential: credentialId, notBefore, notAfter },
        status: isRevoked ? 'revoked' : notAfter <= at ? 'expired' : 'issued',
        ...(isRevoked ? { revokedAt: ledgerTime + 5, reason: 'superseded' } : {}),
      });
    },
  };
}

/** What each filter means, without an index. */
function isFound(one: FoundCertificate, query: CertificateQuery): boolean {
  const { name, notAfterAfter, notAfterBefore, status, ...equal } = query;
  const isNamed =
    name === undefined || one.names.some((held) => [name, `dns:${name}`, `uri:${name}`, `ip:${name}`].includes(held));
  return (
    isNamed &&
    Object.entries(equal).every(([filter, value]) => one[filter as keyof typeof equal] === value) &&
    (notAfterBefore === undefined || one.notAfter < notAfterBefore) &&
    (notAfterAfter === undefined || one.notAfter > notAfterAfter) &&
    (status === undefined || one.status === status)
  );
}

function queryOf(
  all: readonly FoundCertificate[],
  { filters, of, other, stray, isStray, form, ...values }: Mix,
): CertificateQuery {
  const query: Record<string, string | number> = {};
  const one = all[of % Math.max(1, all.length)];
  for (const filter of filters) {
    if (filter === 'status') query.status = values.status;
    else if (filter === 'notAfterBefore') query[filter] = values.before;
    else if (filter === 'notAfterAfter') query[filter] = values.after;
    else if (one === undefined || (isStray && filter === stray)) query[filter] = filter === 'key' ? hex(250) : 'none';
    else if (filter === 'name')
      query.name = form === 0 ? one.names[of % 3]! : one.names[other % 3]!.replace(/^[a-z]+:/, '');
    else query[filter] = one[filter];
  }
  return query as CertificateQuery;
}

const ports = ({ h }: World) => ({ search: h.search, clock: () => at });

/** Every page of a search. A page that is left off says where it is gone on with, within a bound. */
async function everyPage(world: World, query: CertificateQuery, limit: number) {
  const found: FoundCertificate[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = await searchCertificates(ports(world), query, limit, cursor);
    expect(page.found.length).toBeLessThanOrEqual(limit);
    found.push(...page.found);
    cursor = page.nextCursor;
    pages += 1;
    expect(pages).toBeLessThan(300);
  } while (cursor !== undefined);
  return { found, pages };
}

const byId = (certificates: readonly FoundCertificate[]) =>
  certificates.toSorted((a, b) => (a.issuanceId < b.issuanceId ? -1 : 1));

const isBounded = ({ h }: World, query: CertificateQuery) => h.search.findsBy.some((name) => query[name] !== undefined);

async function holdTo(world: World, query: CertificateQuery, limit: number): Promise<void> {
  if (!isBounded(world, query)) return;
  const { found } = await everyPage(world, query, limit);
  expect(byId(found), JSON.stringify(query)).toEqual(byId(world.all.filter((one) => isFound(one, query))));
}

const some = (n: number): Made => ({
  device: n % devices.length,
  caId: issuers[n % 2]!,
  profile: n % 3 === 0 ? 'service' : 'device',
  days: [5, 20, 90][n % 3]!,
  to: n % 4 === 3 ? 'revoked' : 'issued',
});

/** The contract of `CertificateSearch`: `open` answers an empty ledger each time, which looks at so many rows a call. */
export function searchSuite(
  name: string,
  open: (lookedAt: number) => Promise<SearchHarness>,
  { boundNothing, numRuns }: SearchSuiteOptions,
): void {
  const filled = async (count: number, lookedAt = lookedAtMax) => {
    const world = await openWorld(await open(lookedAt));
    for (let n = 0; n < count; n++) await world.issue(some(n));
    return world;
  };

  describe(`the search on ${name}`, () => {
    it('finds what a look at every certificate finds, by any mix of filters (search-equals-brute-force)', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(made, { minLength: 1, maxLength: 14 }),
          fc.array(mix, { minLength: 12, maxLength: 12 }),
          async (certificates, mixes) => {
            const world = await openWorld(await open(lookedAtMax));
            await using _ = disposable(world.h);
            for (const one of certificates) await world.issue(one);
            for (const one of mixes) await holdTo(world, queryOf(world.all, one), one.limit);
          },
        ),
        { numRuns, seed: 20_261_125, endOnFailure: true },
      );
    }, 300_000);

    it('finds by each filter alone (search-each-filter)', async () => {
      const world = await filled(14);
      await using _ = disposable(world.h);
      for (const filter of textFilters)
        for (const one of world.all.slice(0, 5)) {
          const value = filter === 'name' ? one.names[0]! : one[filter];
          await holdTo(world, { [filter]: value }, 3);
        }
      for (const edge of edges)
        for (const filter of ['notAfterBefore', 'notAfterAfter']) await holdTo(world, { [filter]: edge }, 3);
      for (const status of certificateStatuses) await holdTo(world, { issuer: 'devices', status }, 3);
    }, 120_000);

    it('refuses a search of everything, and says what bounds it (search-unbounded)', async () => {
      const world = await filled(0);
      await using _ = disposable(world.h);
      const unbounded: readonly CertificateQuery[] = [
        {},
        { status: 'revoked' },
        { profile: 'device' },
        { profile: 'device', status: 'issued' },
        ...boundNothing.map((filter) => ({ [filter]: 'presses' })),
      ];
      for (const query of unbounded)
        await expect(
          searchCertificates(ports(world), query, 10, undefined),
          JSON.stringify(query),
        ).rejects.toMatchObject({
          code: 'request-malformed',
          clientDetail: expect.stringMatching(/add one of issuer, owner, /),
        });
      for (const filter of [...textFilters, 'notAfterBefore', 'notAfterAfter'] as const) {
        const bounds = filter !== 'profile' && !boundNothing.includes(filter);
        expect(world.h.search.findsBy.includes(filter), filter).toBe(bounds);
      }
    });

    it('goes on where it was while certificates come in, and misses none that was there (search-stable-cursor)', async () => {
      const queries: readonly CertificateQuery[] = [
        { issuer: 'devices' },
        { owner: 'plant-1' },
        { owner: 'plant-2', fleet: 'robots' },
        { key: devices[0]!.spkiSha256 },
        { name: 'd1.fleet.example' },
        { notAfterAfter: ledgerTime },
      ];
      for (const query of queries) {
        const world = await filled(15);
        await using _ = disposable(world.h);
        const before = world.all.filter((one) => isFound(one, query));
        const seen: string[] = [];
        let cursor: string | undefined;
        let n = 100;
        do {
          const page = await searchCertificates(ports(world), query, 2, cursor);
          seen.push(...page.found.map(({ issuanceId }) => issuanceId));
          cursor = page.nextCursor;
          expect(seen.length).toBeLessThan(100);
          if (n < 106) for (let more = 0; more < 2; more++) await world.issue(some(n++));
        } while (cursor !== undefined);
        expect(new Set(seen).size, JSON.stringify(query)).toBe(seen.length);
        for (const { issuanceId } of before) expect(seen, JSON.stringify(query)).toContain(issuanceId);
      }
    }, 240_000);

    it('answers the same order whatever the size of its pages (search-order)', async () => {
      const world = await filled(12);
      await using _ = disposable(world.h);
      for (const query of [{ issuer: 'devices' }, { owner: 'plant-1' }, { notAfterBefore: at + 365 * dayMs }]) {
        const orders = [];
        for (const limit of [1, 3, 1_000]) orders.push((await everyPage(world, query, limit)).found);
        expect(orders[1]).toEqual(orders[0]);
        expect(orders[2]).toEqual(orders[0]);
      }
    }, 120_000);

    it('takes no cursor of another query, and none that is made up (search-cursor-refused)', async () => {
      const world = await filled(8);
      await using _ = disposable(world.h);
      const { nextCursor } = await searchCertificates(ports(world), { issuer: 'devices' }, 1, undefined);
      const [bond] = Buffer.from(nextCursor!, 'base64url').toString().split('.');
      const made = (place: string) => Buffer.from(`${bond}.${place}`).toString('base64url');
      const refused = { code: 'request-malformed', clientDetail: expect.stringContaining('cursor') };
      const cursors = [
        '',
        'x',
        nextCursor!.slice(4),
        made(''),
        made('7x'),
        made('{}'),
        made('[null]'),
        made('["a",{}]'),
        made('[]'),
      ];
      for (const cursor of cursors)
        await expect(searchCertificates(ports(world), { issuer: 'devices' }, 1, cursor), cursor).rejects.toMatchObject(
          refused,
        );
      for (const query of [{ issuer: 'workloads' }, { issuer: 'devices', owner: 'plant-1' }, { owner: 'plant-1' }])
        await expect(searchCertificates(ports(world), query, 1, nextCursor)).rejects.toMatchObject(refused);
    });

    it('leaves off a search for nearly nothing, and goes on to its end (search-bounded)', async () => {
      const world = await filled(0);
      await using _ = disposable(world.h);
      for (let n = 0; n < 24; n++)
        await world.issue({
          ...some(n),
          device: n % 2 === 0 ? 0 : 3,
          caId: 'devices',
          to: n === 23 ? 'revoked' : 'issued',
        });
      for (const query of [{ issuer: 'devices' }, { owner: 'plant-1' }, { owner: 'plant-1', fleet: 'robots' }]) {
        const { found, pages } = await everyPage(world, { ...query, status: 'revoked' }, 1_000);
        expect(found.map(({ status }) => status)).toEqual(['revoked']);
        expect(pages, JSON.stringify(query)).toBeGreaterThanOrEqual(2);
      }
    }, 120_000);

    it('has the history of an issuance and its successors (search-history)', async () => {
      const world = await filled(0);
      const { h } = world;
      await using _ = disposable(h);
      const requestId = Buffer.from(unique('renewed').padEnd(32).slice(0, 32)).toString('base64url');
      const first = await guideTo('revoked', h, { issuance: { requestId } });
      const second = await guideTo('issued', h, {
        issuance: {
          requestId,
          ordinal: 2,
          predecessor: first.issuanceId,
          spkiSha256: hex(99),
          names: ['dns:again.fleet.example'],
        },
      });
      const third = await guideTo('issued', h, {
        issuance: {
          requestId,
          ordinal: 3,
          predecessor: second.issuanceId,
          spkiSha256: hex(98),
          names: ['dns:third.fleet.example'],
        },
      });
      expect(await h.search.successors(first.issuanceId)).toEqual([second.issuanceId]);
      expect(await h.search.successors(second.issuanceId)).toEqual([third.issuanceId]);
      expect(await h.search.successors(third.issuanceId)).toEqual([]);
      const history = await h.search.history(first.issuanceId);
      expect(history.map(({ from, to }) => [from, to])).toEqual([
        [undefined, 'received'],
        ['received', 'approved'],
        ['approved', 'intended'],
        ['intended', 'issued'],
        ['issued', 'revoked'],
      ]);
      expect(history.map((one) => one.at)).toEqual([0, 1, 2, 4, 5].map((ms) => ledgerTime + ms));
      expect(await h.search.history('no id')).toEqual([]);
      expect(await h.search.successors('no id')).toEqual([]);
      await h.ledger.advance([moves.revoke(second.issuanceId)]);
      const { found } = await everyPage(world, { fingerprint: second.certificate.fingerprint }, 10);
      expect(found).toMatchObject([{ status: 'revoked', reason: 'superseded', revokedAt: ledgerTime + 5 }]);
    });
  });
}
