import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IssuanceRecord } from '../../shared/issuance/issuance-record.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { RevocationReason, RevokeAtCaOutcome } from '../../shared/issuance/revocation-ports.ts';
import { finishRevocations, type RevokePorts, revokeCertificate } from '../../shared/issuance/revoke-certificate.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { type IssuanceWorld, openIssuanceWorld, receive, recordOf } from '../support/issuance-world.ts';
import { digestOf } from '../support/ledger-fixtures.ts';

let world: IssuanceWorld;
let asked: { readonly serial: string; readonly reason: string }[];
let answer: (serial: string) => RevokeAtCaOutcome;
beforeEach(async () => {
  world = await openIssuanceWorld();
  asked = [];
  answer = () => ({ kind: 'revoked' });
});
afterEach(() => world.close());

const throttled: RevokeAtCaOutcome = { kind: 'retry', code: 'pca-throttled', message: 'slower' };

/** `devices` as a CA of ACM PCA, whose RevokeCertificate answers what the test says. */
function ports(): RevokePorts & { readonly operatorLog: IssuanceWorld['store']['operatorLog'] } {
  const { ledger, operatorLog, revocations } = world.store;
  return {
    ledger,
    operatorLog,
    revocations,
    authorities: world.authorities,
    clock: () => world.now,
    backendOf: () => ({
      ...world.devices,
      async revoke(serial, reason) {
        asked.push({ serial, reason });
        return answer(serial);
      },
    }),
  };
}

async function issue(): Promise<IssuanceRecord> {
  const { record } = await receive(world, { profile: 'device' });
  await validateEnrollments(world.validatePorts, [record.issuanceId]);
  await issueCertificates(world.signerPorts(), [record.issuanceId]);
  return recordOf(world, record.issuanceId);
}

const revoke = ({ fingerprint }: IssuanceRecord, reason: RevocationReason) =>
  revokeCertificate(ports(), 'operator-1', fingerprint!, reason);
const isCompromised = async ({ spkiSha256 }: IssuanceRecord) =>
  (await world.store.ledger.holders([], spkiSha256)).keyCompromised;

describe('a revocation that its CA does not take yet', () => {
  it('is pending, and ended by a later run with the reason and the time of whoever was first (revoke-pending)', async () => {
    const record = await issue();
    const firstAt = world.now;
    answer = () => throttled;
    expect(await revoke(record, 'superseded')).toMatchObject({ status: 'pending', why: 'pca-throttled' });
    world.now += 60_000;
    expect(await revoke(record, 'cessationOfOperation')).toMatchObject({ status: 'pending' });
    expect((await recordOf(world, record.issuanceId)).state).toBe('issued');
    answer = () => ({ kind: 'revoked' });
    expect(await finishRevocations(ports(), () => undefined)).toEqual({ finished: 1, pending: 0 });
    expect(await recordOf(world, record.issuanceId)).toMatchObject({
      state: 'revoked',
      revocationReason: 'superseded',
      revokedAt: firstAt,
    });
    expect(new Set(asked.map(({ reason }) => reason))).toEqual(new Set(['superseded']));
    expect(await finishRevocations(ports(), () => undefined)).toEqual({ finished: 0, pending: 0 });
  });

  it('has its key refused at once when it is said to be compromised, whatever was first (revoke-compromise-pending)', async () => {
    const [first, second] = [await issue(), await issue()];
    answer = () => throttled;
    await revoke(first, 'keyCompromise');
    expect(await isCompromised(first)).toBe(true);
    await revoke(second, 'superseded');
    expect(await isCompromised(second)).toBe(false);
    await revoke(second, 'keyCompromise');
    expect(await isCompromised(second)).toBe(true);
  });

  it('keeps no other waiting, and each is reported that fails (revoke-others)', async () => {
    const records = [await issue(), await issue(), await issue()];
    answer = () => throttled;
    for (const record of records) await revoke(record, 'superseded');
    const [stuck] = records;
    await world.store.revocations.begin({
      issuanceId: `${Buffer.from(digestOf('nobody’s'), 'hex').toString('base64url')}.1`,
      reason: 'superseded',
      at: world.now,
      by: 'operator-1',
    });
    answer = (serial) => (serial === stuck!.serial ? throttled : { kind: 'revoked' });
    const reported: unknown[] = [];
    expect(await finishRevocations(ports(), (_intent, cause) => reported.push(cause))).toEqual({
      finished: 2,
      pending: 2,
    });
    expect(reported).toHaveLength(1);
    expect((await world.store.revocations.unfinished(10)).map(({ issuanceId }) => issuanceId)).toContain(
      stuck!.issuanceId,
    );
  });
});

describe('a run over what is unfinished', () => {
  const countOf = 250;
  async function beginMany(): Promise<readonly string[]> {
    const ids = Array.from(
      { length: countOf },
      (_, n) => `${Buffer.from(digestOf(`${n}`), 'hex').toString('base64url')}.1`,
    );
    await Promise.all(
      ids.map((issuanceId) =>
        world.store.revocations.begin({ issuanceId, reason: 'superseded', at: world.now, by: 'operator-1' }),
      ),
    );
    return ids;
  }

  it('comes to each once, wherever it begins (revoke-run-all)', async () => {
    const ids = (await beginMany()).toSorted();
    for (let minute = 0; minute < 64; minute += 7) {
      world.now += 7 * 60_000;
      const seen: string[] = [];
      await finishRevocations(ports(), ({ issuanceId }) => seen.push(issuanceId));
      expect(seen.toSorted()).toEqual(ids);
    }
  });

  it('ends in time, and the next one begins elsewhere (revoke-run-bounded)', async () => {
    await beginMany();
    const slow: RevokePorts = {
      ...ports(),
      ledger: {
        ...world.store.ledger,
        async get() {
          world.now += 1_000;
          return undefined;
        },
      },
    };
    const runs: string[][] = [];
    for (let run = 0; run < 2; run += 1) {
      const seen: string[] = [];
      await finishRevocations(slow, ({ issuanceId }) => seen.push(issuanceId));
      runs.push(seen);
      world.now += 32 * 60_000;
    }
    for (const seen of runs) {
      expect(seen.length).toBeGreaterThan(0);
      expect(seen.length).toBeLessThan(32);
    }
    expect(runs[1]!.filter((id) => runs[0]!.includes(id))).toEqual([]);
  });
});
