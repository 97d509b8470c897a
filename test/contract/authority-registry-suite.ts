import { describe, expect, it } from 'vitest';
import type { InstalledAuthority } from '../../shared/issuance/issuance-record.ts';
import type { AuthorityRegistry } from '../../shared/issuance/ports.ts';
import { disposable } from '../support/disposable.ts';
import { ledgerTime, newAuthority, unique } from '../support/ledger-fixtures.ts';

export interface AuthorityRegistryHarness {
  readonly authorities: AuthorityRegistry;
  reopen(): Promise<AuthorityRegistryHarness>;
  close(): Promise<void>;
}

export interface AuthorityRegistryDifferences {
  /** False only for a state that is gone when it is closed. */
  readonly durable: boolean;
}

type Open = () => Promise<AuthorityRegistryHarness>;

/** The contract of `AuthorityRegistry`. `open` answers an empty one each time. */
export function authorityRegistrySuite(name: string, open: Open, differences: AuthorityRegistryDifferences): void {
  describe(`the authority registry on ${name}`, () => {
    installCases(open);
    fenceCases(open);
    if (differences.durable) durabilityCase(open);
  });
}

function installCases(open: Open): void {
  it('lists every generation that was installed (authority-record)', async () => {
    await using h = disposable(await open());
    const first = newAuthority();
    const second = newAuthority({ caId: first.caId, generation: 2, chain: [] });
    const { parent: _parent, ...top } = newAuthority({ tier: 'root', chain: [] });
    for (const authority of [first, second, top]) await h.authorities.install(authority);
    expect(inOrder(await h.authorities.list())).toEqual(inOrder([first, second, top]));
  });

  it('takes the same certificate again, and changes nothing (install-idempotent)', async () => {
    await using h = disposable(await open());
    const authority = newAuthority();
    await h.authorities.install(authority);
    await h.authorities.install({ ...authority, installedAt: ledgerTime + 1 });
    expect(inOrder(await h.authorities.list())).toEqual(inOrder([authority]));
  });

  it('throws for another certificate of the same generation (install-once)', async () => {
    await using h = disposable(await open());
    const authority = newAuthority();
    await h.authorities.install(authority);
    const other = { ...authority, certificateDer: Uint8Array.of(0x30, 0) };
    await expect(h.authorities.install(other)).rejects.toThrow();
    expect(inOrder(await h.authorities.list())).toEqual(inOrder([authority]));
  });

  it('installs one of two certificates that meet (install-race)', async () => {
    await using h = disposable(await open());
    const authority = newAuthority();
    const other = { ...authority, certificateDer: Uint8Array.of(0x30, 0) };
    const settled = await Promise.allSettled([authority, other].map((one) => h.authorities.install(one)));
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await h.authorities.list()).toHaveLength(1);
  });
}

function fenceCases(open: Open): void {
  it('freezes and unfreezes one CA, whether it is installed or not (freeze)', async () => {
    await using h = disposable(await open());
    const [a, b] = [unique('ca'), unique('ca')];
    expect(await h.authorities.isFrozen(a)).toBe(false);
    await h.authorities.setFrozen(a, true, ledgerTime, 'operator-1');
    await h.authorities.setFrozen(a, true, ledgerTime + 1, 'operator-2');
    expect([await h.authorities.isFrozen(a), await h.authorities.isFrozen(b)]).toEqual([true, false]);
    await h.authorities.setFrozen(a, false, ledgerTime + 2, 'operator-2');
    expect(await h.authorities.isFrozen(a)).toBe(false);
  });

  it('says who changed the fence last, and nothing of a CA that was never frozen (fence-of)', async () => {
    await using h = disposable(await open());
    const ca = unique('ca');
    expect(await h.authorities.fenceOf(ca)).toBeUndefined();
    await h.authorities.setFrozen(ca, true, ledgerTime, 'operator-1');
    expect(await h.authorities.fenceOf(ca)).toEqual({ frozen: true, at: ledgerTime, by: 'operator-1' });
    await h.authorities.setFrozen(ca, false, ledgerTime + 1, 'operator-2');
    expect(await h.authorities.fenceOf(ca)).toEqual({ frozen: false, at: ledgerTime + 1, by: 'operator-2' });
  });
}

function durabilityCase(open: Open): void {
  it('has CAs and fences in the next process (authorities-durable)', async () => {
    const first = await open();
    const authority = newAuthority();
    await first.authorities.install(authority);
    await first.authorities.setFrozen(authority.caId, true, ledgerTime, 'operator-1');
    await using h = disposable(await first.reopen());
    expect(inOrder(await h.authorities.list())).toEqual(inOrder([authority]));
    expect(await h.authorities.isFrozen(authority.caId)).toBe(true);
  });
}

/** Comparable whatever the order and the kind of byte array. */
function inOrder(authorities: readonly InstalledAuthority[]): readonly string[] {
  return authorities
    .map((authority) =>
      JSON.stringify(Object.entries(authority).sort(), (_key, one) =>
        one instanceof Uint8Array ? Buffer.from(one).toString('hex') : one,
      ),
    )
    .sort();
}
