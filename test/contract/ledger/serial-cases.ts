import { expect, it } from 'vitest';
import { disposable } from '../../support/disposable.ts';
import { guideTo, moves, unique } from '../../support/ledger-fixtures.ts';
import type { LedgerCases } from '../ledger-suite.ts';

/** The ledger as a list of serials and tickets, which a CA's own list is compared with. */
export function serialCases({ open }: LedgerCases): void {
  it('knows the serials it has given out or taken in, of that generation of that CA alone (known-serials)', async () => {
    await using h = disposable(await open());
    const [issued, intended, revoked] = [
      await guideTo('issued', h),
      await guideTo('intended', h),
      await guideTo('revoked', h),
    ];
    const other = await guideTo('issued', h, { issuance: { caId: 'workloads' } });
    const next = await guideTo('issued', h, { issuance: { generation: 2 } });
    const serials = [issued, intended, revoked, other, next].map(({ certificate }) => certificate.serial);
    const known = await h.ledger.knownSerials('devices', 1, ['00', ...serials, issued.certificate.serial]);
    expect(Object.fromEntries(known)).toEqual({
      [issued.certificate.serial]: { issuanceId: issued.issuanceId, state: 'issued' },
      [intended.certificate.serial]: { issuanceId: intended.issuanceId, state: 'intended' },
      [revoked.certificate.serial]: { issuanceId: revoked.issuanceId, state: 'revoked' },
    });
    expect([...(await h.ledger.knownSerials('devices', 2, serials)).keys()]).toEqual([next.certificate.serial]);
    expect((await h.ledger.knownSerials('devices', 1, [])).size).toBe(0);
  });

  it('knows the tickets of issuances that have no serial, whatever became of them (known-tickets)', async () => {
    await using h = disposable(await open());
    const tickets: string[] = [];
    const submitted = async () => {
      const { issuanceId, certificate } = await guideTo('intended', h, { prepared: { kind: 'template' } });
      const ticket = unique('arn:certificate');
      tickets.push(ticket);
      await h.ledger.advance([moves.submit(issuanceId, ticket)]);
      return { issuanceId, certificate };
    };
    const [pending, failed, withheld, issued] = [
      await submitted(),
      await submitted(),
      await submitted(),
      await submitted(),
    ];
    await h.ledger.advance([
      moves.fail(failed.issuanceId, 'submitted'),
      moves.misissue(withheld.issuanceId, 'submitted'),
      moves.issue(issued.issuanceId, issued.certificate, { from: 'submitted' }),
    ]);
    expect(Object.fromEntries(await h.ledger.knownTickets(['arn:none', ...tickets]))).toEqual({
      [tickets[0]!]: { issuanceId: pending.issuanceId, state: 'submitted' },
      [tickets[1]!]: { issuanceId: failed.issuanceId, state: 'failed' },
      [tickets[2]!]: { issuanceId: withheld.issuanceId, state: 'misissued' },
    });
    const bySerial = await h.ledger.knownSerials('devices', 1, [issued.certificate.serial]);
    expect(bySerial.get(issued.certificate.serial)?.issuanceId).toBe(issued.issuanceId);
  });

  it('lists the serials of certificates page by page, each once, none of other issuances (issued-serials)', async () => {
    await using h = disposable(await open());
    const own = new Map<string, string>();
    for (let n = 0; n < 7; n++) {
      const { certificate, issuanceId } = await guideTo(n % 3 === 0 ? 'revoked' : 'issued', h);
      own.set(certificate.serial, issuanceId);
      await guideTo('intended', h);
      await guideTo('issued', h, { issuance: { generation: 2 } });
      await guideTo('issued', h, { issuance: { caId: 'workloads' } });
    }
    for (const countMax of [1, 3, 1_000]) {
      const found: (readonly [string, string])[] = [];
      let after: string | undefined;
      do {
        const page = await h.ledger.issuedSerials('devices', 1, after, countMax);
        expect(page.issued.length).toBeLessThanOrEqual(countMax);
        found.push(...page.issued.map(({ serial, issuanceId }) => [serial, issuanceId] as const));
        after = page.next;
      } while (after !== undefined);
      expect(found).toEqual([...own].toSorted(([a], [b]) => (a < b ? -1 : 1)));
    }
    const [first] = (await h.ledger.issuedSerials('devices', 1, undefined, 1_000)).issued;
    expect(first?.at).toBe((await h.ledger.get(first!.issuanceId))?.stateAt);
  });

  it('refuses to look without bound (serial-bounds)', async () => {
    await using h = disposable(await open());
    const many = Array.from({ length: 1_001 }, (_, n) => String(n));
    await expect(h.ledger.knownSerials('devices', 1, many)).rejects.toThrow();
    await expect(h.ledger.knownTickets(many)).rejects.toThrow();
    for (const countMax of [0, 1_001])
      await expect(h.ledger.issuedSerials('devices', 1, undefined, countMax)).rejects.toThrow();
  });
}
