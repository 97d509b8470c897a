import { describe, expect, it } from 'vitest';
import { crlShardCapacity } from '../../shared/issuance/crl-shards.ts';
import type { AuthorityRegistry, CredentialStore, IssuanceLedger } from '../../shared/issuance/ports.ts';
import type { CrlSource } from '../../shared/issuance/revocation-ports.ts';
import { disposable } from '../support/disposable.ts';
import { dayMs, guideTo, ledgerTime, moves, newCertificate } from '../support/ledger-fixtures.ts';
import { makePrepared, newSerial } from '../support/make-prepared.ts';

export interface CrlSourceHarness {
  readonly ledger: IssuanceLedger;
  readonly credentials: CredentialStore;
  readonly authorities: AuthorityRegistry;
  readonly crlSource: CrlSource;
  /** Ends this one and opens the same state again, as the next process would. */
  reopen(): Promise<CrlSourceHarness>;
  close(): Promise<void>;
}

type Open = () => Promise<CrlSourceHarness>;

/** The contract of `CrlSource`. `open` answers an empty one each time; `durable` is false where closing empties it. */
export function crlSourceSuite(name: string, open: Open, durable: boolean): void {
  describe(`what CRLs are made from, on ${name}`, () => {
    describe('shards', () => shardCases(open));
    describe('numbers', () => numberCases(open));
    describe('changes', () => changeCases(open));
    if (durable) it('outlives its process (crl-source-durable)', () => outlives(open));
  });
}

interface Place {
  readonly caId?: string;
  readonly generation?: number;
  readonly shard?: number;
  readonly notAfter?: number;
}

/** A certificate of a shard, issued; by default of shard 0 of `workloads`. */
async function issueIn(h: CrlSourceHarness, place: Place = {}) {
  const { caId = 'workloads', generation = 1, notAfter = ledgerTime + 90 * dayMs, shard = 0 } = place;
  const { issuanceId } = await guideTo('received', h, { issuance: { caId, generation } });
  const serial = newSerial();
  const certificate = newCertificate({ serial, notAfter });
  const steps = [
    moves.approve(issuanceId, { caId, generation }),
    moves.intend(makePrepared(issuanceId, caId, { serial }), shard),
    moves.issue(issuanceId, certificate),
  ];
  for (const step of steps) expect(await h.ledger.advance([step])).toEqual([{ kind: 'moved' }]);
  return { issuanceId, serial, notAfter };
}

async function revokeIn(h: CrlSourceHarness, place: Place = {}, reason = 'superseded') {
  const issued = await issueIn(h, place);
  expect(await h.ledger.advance([moves.revoke(issued.issuanceId, reason)])).toEqual([{ kind: 'moved' }]);
  return { serial: issued.serial, notAfter: issued.notAfter, reason, revokedAt: ledgerTime + 5 };
}

const bySerial = (a: { serial: string }, b: { serial: string }) => (a.serial < b.serial ? -1 : 1);

function shardCases(open: Open): void {
  it('are as many as the slots that were leased fill, and one at least (crl-shards)', async () => {
    await using h = disposable(await open());
    expect(await h.crlSource.shardCount('workloads', 1)).toBe(1);
    await h.ledger.leaseCrlSlots('workloads', 1, crlShardCapacity);
    expect(await h.crlSource.shardCount('workloads', 1)).toBe(1);
    await h.ledger.leaseCrlSlots('workloads', 1, 1);
    expect(await h.crlSource.shardCount('workloads', 1)).toBe(2);
    expect(await h.crlSource.shardCount('workloads', 2)).toBe(1);
    expect(await h.crlSource.shardCount('other', 1)).toBe(1);
  });

  it('have what is revoked of them, by serial, and nothing of another CA, generation or shard (crl-revoked)', async () => {
    await using h = disposable(await open());
    const mine = [await revokeIn(h), await revokeIn(h, {}, 'keyCompromise')];
    await issueIn(h);
    await revokeIn(h, { shard: 1 });
    await revokeIn(h, { generation: 2 });
    await revokeIn(h, { caId: 'workloads#2' });
    await revokeIn(h, { shard: 10 });
    expect(await h.crlSource.revokedOf('workloads', 1, 0, 0)).toEqual(mine.toSorted(bySerial));
    expect(await h.crlSource.revokedOf('workloads', 1, 2, 0)).toEqual([]);
  });

  it('leave out what ended before, and not what ends at that very time (crl-expired)', async () => {
    await using h = disposable(await open());
    const [early, late] = [ledgerTime + dayMs, ledgerTime + 2 * dayMs];
    await revokeIn(h, { notAfter: early });
    const kept = await revokeIn(h, { notAfter: late });
    expect(await h.crlSource.revokedOf('workloads', 1, 0, early)).toHaveLength(2);
    expect(await h.crlSource.revokedOf('workloads', 1, 0, early + 1)).toEqual([kept]);
    expect(await h.crlSource.revokedOf('workloads', 1, 0, late + 1)).toEqual([]);
  });

  it('have no certificate whose CA publishes its own (crl-of-others)', async () => {
    await using h = disposable(await open());
    await guideTo('revoked', h, { issuance: { caId: 'devices' } });
    expect(await h.crlSource.changes('devices', 1)).toEqual([]);
    expect(await h.crlSource.revokedOf('devices', 1, 0, 0)).toEqual([]);
  });
}

function numberCases(open: Open): void {
  it('rise, each taken once by however many at once, apart for each generation (crl-number)', async () => {
    await using h = disposable(await open());
    const taken = await Promise.all(Array.from({ length: 12 }, () => h.crlSource.nextCrlNumber('workloads', 1, 0)));
    expect(new Set(taken).size).toBe(12);
    expect(Math.min(...taken)).toBe(1);
    expect(await h.crlSource.nextCrlNumber('workloads', 1, 0)).toBeGreaterThan(Math.max(...taken));
    expect(await h.crlSource.nextCrlNumber('workloads', 2, 0)).toBe(1);
  });

  it('are greater than what is published, though the state is older than that (crl-number-restored)', async () => {
    await using h = disposable(await open());
    await h.crlSource.nextCrlNumber('workloads', 1, 0);
    expect(await h.crlSource.nextCrlNumber('workloads', 1, 70)).toBe(71);
    expect(await h.crlSource.nextCrlNumber('workloads', 1, 70)).toBe(72);
    expect(await h.crlSource.nextCrlNumber('workloads', 1, 3)).toBe(73);
  });
}

function changeCases(open: Open): void {
  const shardsOf = async (h: CrlSourceHarness) =>
    (await h.crlSource.changes('workloads', 1)).map(({ shard }) => shard).toSorted((a, b) => a - b);

  it('are there from a revocation until a publication is noted that had to list it (crl-changes)', async () => {
    await using h = disposable(await open());
    await issueIn(h);
    expect(await shardsOf(h)).toEqual([]);
    await revokeIn(h);
    await revokeIn(h, { shard: 3 });
    await revokeIn(h, { shard: 3 });
    expect(await shardsOf(h)).toEqual([0, 3]);
    const [, change] = (await h.crlSource.changes('workloads', 1)).toSorted((a, b) => a.shard - b.shard);
    await h.crlSource.notePublished('workloads', 1, 3, ledgerTime + dayMs, change);
    expect(await shardsOf(h)).toEqual([0]);
    await h.crlSource.notePublished('workloads', 1, 3, ledgerTime + dayMs, change);
    await revokeIn(h, { shard: 3 });
    expect(await shardsOf(h)).toEqual([0, 3]);
  });

  it('stay for what was revoked after they were read, and for a publication that knew of none (crl-changes-meanwhile)', async () => {
    await using h = disposable(await open());
    await revokeIn(h);
    const [read] = await h.crlSource.changes('workloads', 1);
    await revokeIn(h);
    await h.crlSource.notePublished('workloads', 1, 0, ledgerTime + dayMs, read);
    expect(await shardsOf(h)).toEqual([0]);
    await h.crlSource.notePublished('workloads', 1, 0, ledgerTime + dayMs, undefined);
    expect(await shardsOf(h)).toEqual([0]);
    const [rest] = await h.crlSource.changes('workloads', 1);
    await h.crlSource.notePublished('workloads', 1, 0, ledgerTime + dayMs, rest);
    expect(await shardsOf(h)).toEqual([]);
  });

  it('of more than a transaction holds are noted whole (crl-changes-many)', async () => {
    await using h = disposable(await open());
    const issued: Awaited<ReturnType<typeof issueIn>>[] = [];
    while (issued.length < 130) issued.push(...(await Promise.all(Array.from({ length: 10 }, () => issueIn(h)))));
    await h.ledger.advance(issued.map(({ issuanceId }) => moves.revoke(issuanceId)));
    const [change, ...others] = await h.crlSource.changes('workloads', 1);
    expect(others).toEqual([]);
    expect(await h.crlSource.revokedOf('workloads', 1, 0, 0)).toHaveLength(130);
    await h.crlSource.notePublished('workloads', 1, 0, ledgerTime + dayMs, change);
    expect(await shardsOf(h)).toEqual([]);
  }, 60_000);

  it('are apart from until when each shard is published (crl-publications)', async () => {
    await using h = disposable(await open());
    expect(await h.crlSource.publications('workloads', 1)).toEqual(new Map());
    await h.crlSource.notePublished('workloads', 1, 0, ledgerTime + dayMs, undefined);
    await h.crlSource.notePublished('workloads', 1, 12, ledgerTime + 2 * dayMs, undefined);
    await h.crlSource.notePublished('workloads', 1, 0, ledgerTime + 3 * dayMs, undefined);
    await h.crlSource.notePublished('workloads', 2, 5, ledgerTime, undefined);
    const expected = [
      [0, ledgerTime + 3 * dayMs],
      [12, ledgerTime + 2 * dayMs],
    ];
    expect([...(await h.crlSource.publications('workloads', 1))].toSorted((a, b) => a[0] - b[0])).toEqual(expected);
  });
}

async function outlives(open: Open): Promise<void> {
  let h = await open();
  try {
    const revoked = await revokeIn(h);
    const number = await h.crlSource.nextCrlNumber('workloads', 1, 0);
    await h.crlSource.notePublished('workloads', 1, 7, ledgerTime, undefined);
    h = await h.reopen();
    expect(await h.crlSource.revokedOf('workloads', 1, 0, 0)).toEqual([revoked]);
    expect((await h.crlSource.changes('workloads', 1)).map(({ shard }) => shard)).toEqual([0]);
    expect(await h.crlSource.publications('workloads', 1)).toEqual(new Map([[7, ledgerTime]]));
    expect(await h.crlSource.nextCrlNumber('workloads', 1, 0)).toBeGreaterThan(number);
  } finally {
    await h.close();
  }
}
