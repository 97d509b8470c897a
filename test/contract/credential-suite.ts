import { describe, expect, it } from 'vitest';
import type { Operator } from '../../shared/issuance/issuance-record.ts';
import type { CredentialStore, OperatorLog, OperatorStore } from '../../shared/issuance/ports.ts';
import { disposable } from '../support/disposable.ts';
import { dayMs, digestOf, ledgerTime, newCredential, unique } from '../support/ledger-fixtures.ts';

export interface CredentialHarness {
  readonly credentials: CredentialStore;
  readonly operators: OperatorStore;
  readonly operatorLog: OperatorLog;
  reopen(): Promise<CredentialHarness>;
  close(): Promise<void>;
}

export interface CredentialDifferences {
  /** False only for a state that is gone when it is closed. */
  readonly durable: boolean;
}

type Open = () => Promise<CredentialHarness>;

/** The contract of `CredentialStore`, `OperatorStore` and `OperatorLog`. `open` answers an empty one each time. */
export function credentialSuite(name: string, open: Open, differences: CredentialDifferences): void {
  describe(`enrolment credentials on ${name}`, () => credentialCases(open));
  describe(`operators on ${name}`, () => operatorCases(open));
  if (differences.durable) describe(`callers on ${name}, in the next process`, () => durabilityCases(open));
}

function credentialCases(open: Open): void {
  it('finds a credential by id and by digest, as it was created (credential-record)', async () => {
    await using h = disposable(await open());
    const credential = newCredential({ profiles: ['device'], names: { dns: [], spiffe: [], ip: ['10.0.0.0/8'] } });
    await h.credentials.create(credential);
    expect(await h.credentials.get(credential.id)).toEqual(credential);
    expect(await h.credentials.findBySha256(credential.sha256)).toEqual(credential);
  });

  it('knows nothing of a credential that was never created (credential-absent)', async () => {
    await using h = disposable(await open());
    expect(await h.credentials.get('nobody')).toBeUndefined();
    expect(await h.credentials.findBySha256(digestOf('nothing'))).toBeUndefined();
    expect(await h.credentials.revoke('nobody', ledgerTime)).toBe(false);
    expect(await h.credentials.list(10)).toEqual([]);
  });

  it('creates an id and a digest once (credential-unique)', async () => {
    await using h = disposable(await open());
    const credential = newCredential();
    await h.credentials.create(credential);
    await expect(h.credentials.create({ ...credential, sha256: digestOf('other') })).rejects.toThrow();
    await expect(h.credentials.create({ ...newCredential(), sha256: credential.sha256 })).rejects.toThrow();
    expect(await h.credentials.list(10)).toEqual([credential]);
  });

  it('revokes, and keeps the first time (revoke-idempotent)', async () => {
    await using h = disposable(await open());
    const credential = newCredential();
    await h.credentials.create(credential);
    expect(await h.credentials.revoke(credential.id, ledgerTime + 1)).toBe(true);
    expect(await h.credentials.revoke(credential.id, ledgerTime + 2)).toBe(true);
    expect(await h.credentials.get(credential.id)).toEqual({ ...credential, revokedAt: ledgerTime + 1 });
    expect((await h.credentials.findBySha256(credential.sha256))?.revokedAt).toBe(ledgerTime + 1);
  });

  it('lists all in pages that neither repeat nor miss (credential-pages)', async () => {
    await using h = disposable(await open());
    const created = Array.from({ length: 7 }, () => newCredential());
    for (const credential of created) await h.credentials.create(credential);
    const seen: string[] = [];
    for (let after: string | undefined; ; after = seen.at(-1)) {
      const page = await h.credentials.list(3, after);
      expect(page.length).toBeLessThanOrEqual(3);
      if (page.length === 0) break;
      seen.push(...page.map(({ id }) => id));
    }
    expect(seen.toSorted()).toEqual(created.map(({ id }) => id).toSorted());
    await expect(h.credentials.list(0)).rejects.toThrow();
  });
}

function newOperator(changes: Partial<Operator> = {}): Operator {
  const id = unique('operator');
  return { id, name: 'Custodian', roles: ['inventory:read'], createdAt: ledgerTime, sha256: digestOf(id), ...changes };
}

function operatorCases(open: Open): void {
  it('finds an operator by digest, as created (operator-record)', async () => {
    await using h = disposable(await open());
    const plain = newOperator();
    const dated = newOperator({ expiresAt: ledgerTime + dayMs, revokedAt: ledgerTime + 1, roles: [] });
    await h.operators.create(plain);
    await h.operators.create(dated);
    expect(await h.operators.findBySha256(plain.sha256)).toEqual(plain);
    expect(await h.operators.findBySha256(dated.sha256)).toEqual(dated);
    expect(await h.operators.findBySha256(digestOf('nobody'))).toBeUndefined();
    await expect(h.operators.create(plain)).rejects.toThrow();
  });

  it('logs what operators did, newest first, no more than asked (operator-log)', async () => {
    await using h = disposable(await open());
    const entries = [1, 2, 3].map((n) => ({
      at: ledgerTime + n,
      operatorId: 'operator-1',
      action: 'name.release',
      subject: `dns:${n}.example`,
      outcome: n === 2 ? ('refused' as const) : ('done' as const),
    }));
    for (const entry of entries) await h.operatorLog.append(entry);
    expect(await h.operatorLog.list(10)).toEqual(entries.toReversed());
    expect(await h.operatorLog.list(1)).toEqual([entries[2]]);
    await expect(h.operatorLog.list(0)).rejects.toThrow();
  });
}

function durabilityCases(open: Open): void {
  it('has what was created and logged (callers-durable)', async () => {
    const first = await open();
    const credential = newCredential();
    const operator = newOperator();
    const entry = { at: ledgerTime, operatorId: operator.id, action: 'a', subject: 's', outcome: 'done' as const };
    await first.credentials.create(credential);
    await first.credentials.revoke(credential.id, ledgerTime);
    await first.operators.create(operator);
    await first.operatorLog.append(entry);
    await using h = disposable(await first.reopen());
    expect(await h.credentials.get(credential.id)).toEqual({ ...credential, revokedAt: ledgerTime });
    expect(await h.operators.findBySha256(operator.sha256)).toEqual(operator);
    expect(await h.operatorLog.list(10)).toEqual([entry]);
  });
}
