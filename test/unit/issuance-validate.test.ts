import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { IssuanceLedger } from '../../shared/issuance/ports.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import {
  approved,
  createCaller,
  type IssuanceWorld,
  openIssuanceWorld,
  receive,
  recordOf,
  stateOf,
} from '../support/issuance-world.ts';
import { freshName, newP256 } from '../support/service.ts';

let world: IssuanceWorld;
beforeEach(async () => {
  world = await openIssuanceWorld();
});
afterEach(() => world.close());

const validate = (...ids: string[]) => validateEnrollments(world.validatePorts, ids);
const hourMs = 3_600_000;

describe('the validator', () => {
  it('approves what policy permits, holds the names, and sends the id to the signing queue of the CA', async () => {
    const device = await receive(world, { profile: 'device' });
    const service = await receive(world, { profile: 'service' });
    const svid = await receive(world, { profile: 'svid' });
    const ids = [device, service, svid].map(({ record }) => record.issuanceId);
    expect(await validate(...ids)).toEqual(ids.map((issuanceId) => ({ kind: 'done', issuanceId })));
    for (const id of ids) expect(await stateOf(world, id)).toBe('approved');
    expect(world.signing['acm-pca'].sent).toEqual([ids[0]]);
    expect([...world.signing.pkcs11.sent].sort()).toEqual(ids.slice(1).sort());
    const { names } = await world.store.ledger.holders(device.record.names, device.record.spkiSha256);
    expect(names).toMatchObject([{ owner: 'plant-7', spkiSha256: device.record.spkiSha256 }]);
    expect(world.told).toEqual([]);
  });

  it('rejects with every reason, and acknowledges: a refusal is a success', async () => {
    const key = newP256();
    const name = freshName();
    await approved(world, { name });
    await approved(world, { key });
    const caller = await createCaller(world, {
      owner: 'plant-9',
      names: { dns: ['*.elsewhere.example'], spiffe: [], ip: [] },
    });
    const { record } = await receive(world, { name, key, caller });
    expect(await validate(record.issuanceId)).toEqual([{ kind: 'done', issuanceId: record.issuanceId }]);
    const { state, violations } = await recordOf(world, record.issuanceId);
    expect([state, violations?.map(({ code }) => code)]).toEqual([
      'rejected',
      ['name-out-of-scope', 'name-held', 'key-of-another-owner'],
    ]);
    expect(world.signing['acm-pca'].sent).not.toContain(record.issuanceId);
  });

  it('rejects a key that was revoked for compromise, for ever', async () => {
    const key = newP256();
    const first = await approved(world, { key, profile: 'service' });
    await issueCertificates(world.signerPorts(), [first]);
    expect(
      await world.store.ledger.advance([
        { to: 'revoked', issuanceId: first, from: 'issued', at: world.now, reason: 'keyCompromise' },
      ]),
    ).toEqual([{ kind: 'moved' }]);
    const { record } = await receive(world, { key });
    await validate(record.issuanceId);
    expect((await recordOf(world, record.issuanceId)).violations?.map(({ code }) => code)).toEqual(['key-compromised']);
  });

  it('lapses what has waited past half the lifetime it asks for [data-model.md]', async () => {
    const svid = await receive(world, { profile: 'svid' });
    const device = await receive(world, { profile: 'device' });
    world.now += hourMs / 2;
    const onTime = await receive(world, { profile: 'svid' });
    world.now += 1;
    await validate(svid.record.issuanceId, device.record.issuanceId, onTime.record.issuanceId);
    expect(await stateOf(world, svid.record.issuanceId)).toBe('lapsed');
    expect(await stateOf(world, device.record.issuanceId)).toBe('approved');
    expect(await stateOf(world, onTime.record.issuanceId)).toBe('approved');
  });

  it('rejects what would outlive its CA', async () => {
    const { record } = await receive(world, { profile: 'device' });
    const issuer = (await world.authorities.newest('devices'))!;
    const inTime = { ...issuer, notAfter: world.now + 30 * 86_400_000 };
    const authorities = { ...world.authorities, newest: async () => inTime };
    await validateEnrollments({ ...world.validatePorts, authorities }, [record.issuanceId]);
    expect((await recordOf(world, record.issuanceId)).violations?.map(({ code }) => code)).toEqual(['outlives-issuer']);
  });

  it('acknowledges ids that are unknown or settled, and does nothing', async () => {
    const name = freshName();
    await approved(world, { name });
    const { record } = await receive(world, { name });
    await validate(record.issuanceId);
    world.signing['acm-pca'].sent.length = 0;
    const unknown = `${'A'.repeat(43)}.1`;
    expect(await validate(unknown, record.issuanceId)).toEqual([
      { kind: 'done', issuanceId: unknown },
      { kind: 'done', issuanceId: record.issuanceId },
    ]);
    expect(world.signing['acm-pca'].sent).toEqual([]);
  });

  it('takes one id that stands twice in a batch once, and answers both', async () => {
    const { record } = await receive(world);
    const done = { kind: 'done', issuanceId: record.issuanceId };
    expect(await validate(record.issuanceId, record.issuanceId)).toEqual([done, done]);
    expect(world.signing['acm-pca'].sent).toEqual([record.issuanceId]);
  });

  it('keeps the message of an approved id whose send was lost, and sends at its next delivery', async () => {
    const { record } = await receive(world);
    world.signing['acm-pca'].failures = 1;
    expect(await validate(record.issuanceId)).toEqual([
      { kind: 'again', issuanceId: record.issuanceId, code: 'send-failed' },
    ]);
    expect(await stateOf(world, record.issuanceId)).toBe('approved');
    expect(world.told).toEqual([`itemFailed ${record.issuanceId} the queue is not there`]);
    expect(await validate(record.issuanceId)).toEqual([{ kind: 'done', issuanceId: record.issuanceId }]);
    expect(world.signing['acm-pca'].sent).toEqual([record.issuanceId]);
  });

  it('fails only those of the queue that is not there', async () => {
    const device = await receive(world, { profile: 'device' });
    const service = await receive(world, { profile: 'service' });
    world.signing['acm-pca'].failures = 1;
    const outcomes = await validate(device.record.issuanceId, service.record.issuanceId);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['again', 'done']);
  });

  it('keeps the message when there is no signer for the CA', async () => {
    const { record } = await receive(world);
    const outcomes = await validateEnrollments({ ...world.validatePorts, signingQueue: () => undefined }, [
      record.issuanceId,
    ]);
    expect(outcomes).toEqual([{ kind: 'again', issuanceId: record.issuanceId, code: 'send-failed' }]);
  });

  it('fails one id that cannot be evaluated, and decides on the others', async () => {
    const [broken, sound] = [await receive(world), await receive(world)];
    const ledger: IssuanceLedger = {
      ...world.store.ledger,
      getMany: async (ids) =>
        (await world.store.ledger.getMany(ids)).map((record) =>
          record?.issuanceId === broken.record.issuanceId ? { ...record, csrDer: Uint8Array.of(0x30) } : record,
        ),
    };
    const outcomes = await validateEnrollments({ ...world.validatePorts, ledger }, [
      broken.record.issuanceId,
      sound.record.issuanceId,
    ]);
    expect(outcomes).toEqual([
      { kind: 'again', issuanceId: broken.record.issuanceId, code: 'evaluation-failed' },
      { kind: 'done', issuanceId: sound.record.issuanceId },
    ]);
    expect(await stateOf(world, broken.record.issuanceId)).toBe('received');
    expect(await stateOf(world, sound.record.issuanceId)).toBe('approved');
  });

  it('fails an id whose stored request does not prove possession any more: it never signs on trust', async () => {
    const [one, other] = [await receive(world), await receive(world)];
    const ledger: IssuanceLedger = {
      ...world.store.ledger,
      getMany: async (ids) =>
        (await world.store.ledger.getMany(ids)).map((record) => {
          if (record?.issuanceId !== one.record.issuanceId) return record;
          const csrDer = Uint8Array.from(record.csrDer);
          csrDer[csrDer.length - 1]! ^= 1;
          return { ...record, csrDer };
        }),
    };
    const outcomes = await validateEnrollments({ ...world.validatePorts, ledger }, [
      one.record.issuanceId,
      other.record.issuanceId,
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['again', 'done']);
  });

  it('does not approve two keys for one name that it reads before either is held [design.md: name holds]', async () => {
    const name = freshName();
    const [one, other] = [await receive(world, { name }), await receive(world, { name })];
    const ids = [one.record.issuanceId, other.record.issuanceId];
    expect((await validate(...ids)).map(({ kind }) => kind)).toEqual(['done', 'done']);
    const records = await Promise.all(ids.map((id) => recordOf(world, id)));
    expect(records.map(({ state }) => state).sort()).toEqual(['approved', 'rejected']);
    const refused = records.find(({ state }) => state === 'rejected')!;
    expect(refused.violations).toMatchObject([{ code: 'name-held' }]);
    expect(world.signing['acm-pca'].sent).toHaveLength(1);
  });

  it('does not approve one key for two owners at once', async () => {
    const key = newP256();
    const [first, second] = [
      await createCaller(world, { owner: 'plant-1' }),
      await createCaller(world, { owner: 'plant-2' }),
    ];
    const ids = [
      (await receive(world, { key, caller: first })).record.issuanceId,
      (await receive(world, { key, caller: second })).record.issuanceId,
    ];
    await validate(...ids);
    const records = await Promise.all(ids.map((id) => recordOf(world, id)));
    expect(records.map(({ state }) => state).sort()).toEqual(['approved', 'rejected']);
    expect(records.find(({ state }) => state === 'rejected')!.violations).toMatchObject([
      { code: 'key-of-another-owner' },
    ]);
  });

  it('is one of two validators on the same ids: each is approved once, and sent at least once', async () => {
    const received = await Promise.all(Array.from({ length: 10 }, () => receive(world)));
    const ids = received.map(({ record }) => record.issuanceId);
    await Promise.all([validate(...ids), validate(...ids)]);
    for (const id of ids) {
      expect(await stateOf(world, id)).toBe('approved');
      expect(world.signing['acm-pca'].sent).toContain(id);
    }
  });

  it('sends on what another validator approved in between', async () => {
    const { record } = await receive(world);
    const ledger: IssuanceLedger = {
      ...world.store.ledger,
      advance: async (transitions) => {
        await world.store.ledger.advance(transitions);
        return world.store.ledger.advance(transitions);
      },
    };
    await validateEnrollments({ ...world.validatePorts, ledger }, [record.issuanceId]);
    expect(world.signing['acm-pca'].sent).toEqual([record.issuanceId]);
  });

  it('throws when the ledger fails, so that every message of the batch stays', async () => {
    const { record } = await receive(world);
    const ledger: IssuanceLedger = { ...world.store.ledger, advance: async () => Promise.reject(new Error('disk')) };
    await expect(validateEnrollments({ ...world.validatePorts, ledger }, [record.issuanceId])).rejects.toThrow('disk');
    expect(await stateOf(world, record.issuanceId)).toBe('received');
  });
});
