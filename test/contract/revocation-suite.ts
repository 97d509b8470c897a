import { describe, expect, it } from 'vitest';
import type { AuthorityRegistry, CredentialStore, IssuanceLedger } from '../../shared/issuance/ports.ts';
import type { RevocationIntent, RevocationStore } from '../../shared/issuance/revocation-ports.ts';
import { disposable } from '../support/disposable.ts';
import { digestOf, guideTo, ledgerTime, minuteMs, moves, unique } from '../support/ledger-fixtures.ts';

export interface RevocationHarness {
  readonly ledger: IssuanceLedger;
  readonly credentials: CredentialStore;
  readonly authorities: AuthorityRegistry;
  readonly revocations: RevocationStore;
  /** Ends this one and opens the same state again, as the next process would. */
  reopen(): Promise<RevocationHarness>;
  close(): Promise<void>;
}

/** Of an issuance that need not be in the ledger: an intent is only a note. */
function intentOf(changes: Partial<RevocationIntent> = {}): RevocationIntent {
  const issuanceId = `${Buffer.from(digestOf(unique('intent')), 'hex').toString('base64url')}.1`;
  return { issuanceId, reason: 'superseded', at: ledgerTime, by: 'operator-1', ...changes };
}

const byId = (a: RevocationIntent, b: RevocationIntent) => (a.issuanceId < b.issuanceId ? -1 : 1);

/** The contract of `RevocationStore`. `open` answers an empty one each time; `durable` is false where closing empties it. */
export function revocationSuite(name: string, open: () => Promise<RevocationHarness>, durable: boolean): void {
  describe(`the revocation store on ${name}`, () => {
    describe('finds', () => fingerprintCases(open));
    describe('notes', () => intentCases(open));
    describe('refuses', () => compromiseCases(open));
    if (durable) describe('outlives its process', () => durabilityCases(open));
  });
}

function fingerprintCases(open: () => Promise<RevocationHarness>): void {
  it('the issuance of a certificate, issued or revoked, and of no other (fingerprint)', async () => {
    await using h = disposable(await open());
    for (const state of ['issued', 'revoked'] as const) {
      const { certificate, issuanceId } = await guideTo(state, h);
      expect(await h.revocations.issuanceOfFingerprint(certificate.fingerprint)).toBe(issuanceId);
    }
    expect(await h.revocations.issuanceOfFingerprint(digestOf(unique('nobody’s')))).toBeUndefined();
  });

  it('no certificate that is withheld (fingerprint-misissued)', async () => {
    await using h = disposable(await open());
    const { issuanceId } = await guideTo('misissued', h);
    const record = await h.ledger.get(issuanceId);
    const fingerprint = digestOf(Buffer.from(record!.certificateDer!).toString('utf8'));
    expect(await h.revocations.issuanceOfFingerprint(fingerprint)).toBeUndefined();
  });
}

function intentCases(open: () => Promise<RevocationHarness>): void {
  it('an intent once: whoever comes after is answered with the one that stands (intent-once)', async () => {
    await using h = disposable(await open());
    const first = intentOf();
    const second = intentOf({ ...first, reason: 'keyCompromise', at: ledgerTime + minuteMs, by: 'operator-2' });
    expect(await h.revocations.begin(first)).toEqual(first);
    expect(await h.revocations.begin(second)).toEqual(first);
    expect(await h.revocations.unfinished(10)).toEqual([first]);
  });

  it('one of two that come at once, and tells both which (intent-race)', async () => {
    await using h = disposable(await open());
    const first = intentOf();
    const second = { ...first, reason: 'cessationOfOperation' as const, by: 'operator-2' };
    const [a, b] = await Promise.all([h.revocations.begin(first), h.revocations.begin(second)]);
    expect(a).toEqual(b);
    expect([first, second]).toContainEqual(a);
    expect(await h.revocations.unfinished(10)).toEqual([a]);
  });

  it('an intent until it is finished, which twice is no error (intent-finished)', async () => {
    await using h = disposable(await open());
    const [kept, gone] = [intentOf(), intentOf()];
    await h.revocations.begin(kept);
    await h.revocations.begin(gone);
    await h.revocations.finish(gone.issuanceId);
    await h.revocations.finish(gone.issuanceId);
    expect(await h.revocations.unfinished(10)).toEqual([kept]);
    const again = { ...gone, reason: 'keyCompromise' as const };
    expect(await h.revocations.begin(again)).toEqual(again);
  });

  it('all that are unfinished, page by page, each once (intent-pages)', async () => {
    await using h = disposable(await open());
    const intents = Array.from({ length: 25 }, () => intentOf()).sort(byId);
    await Promise.all(intents.map((intent) => h.revocations.begin(intent)));
    const pages: (readonly RevocationIntent[])[] = [];
    for (let after: string | undefined; pages.length < 10; ) {
      const page = await h.revocations.unfinished(7, after);
      pages.push(page);
      if (page.length < 7) break;
      after = page.at(-1)!.issuanceId;
    }
    expect(pages.map(({ length }) => length)).toEqual([7, 7, 7, 4]);
    expect(pages.flat()).toEqual(intents);
    expect(await h.revocations.unfinished(25, 'zzzz')).toEqual([]);
  });

  it('no page that is empty or too long (bounds)', async () => {
    await using h = disposable(await open());
    for (const countMax of [0, 1_001]) await expect(h.revocations.unfinished(countMax)).rejects.toThrow('countMax');
  });
}

function compromiseCases(open: () => Promise<RevocationHarness>): void {
  it('a key that is marked, though its certificate was revoked for another reason (compromised-after)', async () => {
    await using h = disposable(await open());
    const { issuance } = await guideTo('revoked', h);
    const { owner, spkiSha256 } = issuance;
    expect((await h.ledger.holders([], spkiSha256)).keyCompromised).toBe(false);
    await h.revocations.markCompromised(spkiSha256, owner, ledgerTime);
    await h.revocations.markCompromised(spkiSha256, owner, ledgerTime + minuteMs);
    expect((await h.ledger.holders([], spkiSha256)).keyCompromised).toBe(true);
    const late = await guideTo('received', h, { issuance: { spkiSha256, owner } });
    expect(await h.ledger.advance([moves.approve(late.issuanceId)])).toEqual([{ kind: 'key-compromised' }]);
  });

  it('a key that nobody ever brought, and no other (compromised-unknown)', async () => {
    await using h = disposable(await open());
    const [spkiSha256, other] = [digestOf(unique('key')), digestOf(unique('key'))];
    await h.revocations.markCompromised(spkiSha256, 'plant-7', ledgerTime);
    expect((await h.ledger.holders([], spkiSha256)).keyCompromised).toBe(true);
    expect((await h.ledger.holders([], other)).keyCompromised).toBe(false);
  });
}

function durabilityCases(open: () => Promise<RevocationHarness>): void {
  it('with what it was asked and has not ended, and with the keys it refuses (revocation-durable)', async () => {
    let h = await open();
    try {
      const { issuanceId, issuance } = await guideTo('issued', h);
      const { owner, spkiSha256 } = issuance;
      const intent = await h.revocations.begin(intentOf({ issuanceId, reason: 'keyCompromise' }));
      await h.revocations.markCompromised(spkiSha256, owner, ledgerTime);
      h = await h.reopen();
      expect(await h.revocations.unfinished(10)).toEqual([intent]);
      expect((await h.ledger.holders([], spkiSha256)).keyCompromised).toBe(true);
    } finally {
      await h.close();
    }
  });
}
