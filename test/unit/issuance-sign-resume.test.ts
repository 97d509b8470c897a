import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { IssuanceLedger, Transition } from '../../shared/issuance/ports.ts';
import type { IssueCertificatePorts } from '../../shared/issuance/signer-ports.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import {
  approved,
  type IssuanceWorld,
  openIssuanceWorld,
  recordOf,
  stateOf,
  tbsIntentOf,
} from '../support/issuance-world.ts';

let world: IssuanceWorld;
beforeEach(async () => {
  world = await openIssuanceWorld();
});
afterEach(() => world.close());

const sign = (ids: readonly string[], ports: IssueCertificatePorts = world.signerPorts()) =>
  issueCertificates(ports, ids);
const done = (issuanceId: string) => ({ kind: 'done', issuanceId });
const again = (issuanceId: string, code: string) => ({ kind: 'again', issuanceId, code });

/** A ledger that drops the answer of every move to one of these states, after it was made. */
function losing(...states: readonly Transition['to'][]): IssuanceLedger {
  return {
    ...world.store.ledger,
    async advance(transitions) {
      const answers = await world.store.ledger.advance(transitions);
      if (transitions.some(({ to }) => states.includes(to))) throw new Error('the answer was lost');
      return answers;
    },
  };
}

/** A ledger that cannot make moves to these states. */
function refusing(...states: readonly Transition['to'][]): IssuanceLedger {
  return {
    ...world.store.ledger,
    async advance(transitions) {
      if (transitions.some(({ to }) => states.includes(to))) throw new Error('the disk is full');
      return world.store.ledger.advance(transitions);
    },
  };
}

/** Leaves an issuance `intended`, as a signer does that is killed before it has signed. */
async function intended(profile: 'device' | 'service' | 'svid'): Promise<string> {
  const id = await approved(world, { profile });
  const backend = profile === 'device' ? world.devices : world.workloads;
  backend.onSubmit = () => {
    throw new Error('killed');
  };
  await sign([id]);
  backend.onSubmit = undefined;
  world.told.length = 0;
  expect(await stateOf(world, id)).toBe('intended');
  return id;
}

describe('an intent that an earlier attempt left', () => {
  it('is signed byte for byte as it stands, whatever the time and the policy are by now', async () => {
    const id = await intended('service');
    const intent = tbsIntentOf(await recordOf(world, id));
    world.now += 40 * 86_400_000;
    expect(await sign([id])).toEqual([done(id)]);
    const record = await recordOf(world, id);
    expect(Buffer.compare(parseCertificate(record.certificateDer!).tbs.der, intent.tbsDer)).toBe(0);
    expect(record.serial).toBe(intent.serial);
    expect(world.workloads.submitted.map(({ intent: one }) => (one.kind === 'tbs' ? one.serial : ''))).toEqual([
      intent.serial,
      intent.serial,
    ]);
  });

  it('is submitted under the same token within 240 s, and never after [aws-facts.md: idempotency]', async () => {
    const [early, late] = [await intended('device'), await intended('device')];
    const token = (await recordOf(world, early)).intent!;
    world.now += 240_000;
    expect(await sign([early])).toEqual([done(early)]);
    expect(await stateOf(world, early)).toBe('issued');
    expect(world.devices.submitted.at(-1)!.intent).toMatchObject({
      idempotencyToken: (token as { idempotencyToken: string }).idempotencyToken,
    });
    world.now += 1;
    const before = world.devices.submitted.length;
    expect(await sign([late])).toEqual([done(late)]);
    expect([await stateOf(world, late), world.devices.submitted.length]).toEqual(['intended', before]);
  });

  it('whose answer was lost is the same issuance: one certificate at the CA, one in the ledger', async () => {
    const id = await approved(world);
    const lost = await sign([id], world.signerPorts({ ledger: losing('submitted') }));
    expect(lost).toEqual([again(id, 'signer-failed')]);
    expect(await stateOf(world, id)).toBe('submitted');
    const other = await approved(world);
    await sign([other], world.signerPorts({ ledger: refusing('submitted') }));
    expect(await stateOf(world, other)).toBe('intended');
    expect(await sign([id, other])).toEqual([done(id), done(other)]);
    const tokens = world.devices.submitted.map(({ intent }) =>
      intent.kind === 'template' ? intent.idempotencyToken : '',
    );
    expect(new Set(tokens).size).toBe(2);
  });

  it('whose certificate was signed and not written down is signed again with the same bytes', async () => {
    const id = await approved(world, { profile: 'service' });
    await sign([id], world.signerPorts({ ledger: refusing('issued') }));
    const intent = tbsIntentOf(await recordOf(world, id));
    world.now += 60_000;
    expect(await sign([id])).toEqual([done(id)]);
    expect((await recordOf(world, id)).serial).toBe(intent.serial);
  });

  it('that cannot be read does not hold up its batch', async () => {
    const broken = await intended('service');
    const fresh = await approved(world, { profile: 'service' });
    const ledger: IssuanceLedger = {
      ...world.store.ledger,
      getMany: async (ids) =>
        (await world.store.ledger.getMany(ids)).map((record) =>
          record?.issuanceId === broken ? { ...record, csrDer: Uint8Array.of(0x30) } : record,
        ),
    };
    const outcomes = await sign([broken, fresh], world.signerPorts({ ledger }));
    expect(outcomes).toEqual([again(broken, 'evaluation-failed'), done(fresh)]);
    expect(await stateOf(world, fresh)).toBe('issued');
  });
});

describe('two signers on one id', () => {
  it.each(['device', 'service'] as const)('issue one certificate (%s)', async (profile) => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => approved(world, { profile })));
    await Promise.all([sign(ids), sign(ids), sign(ids)]);
    // What one of them left as a conflict is another's to finish; a redelivery finds it settled.
    await sign(ids);
    for (const id of ids) expect(await stateOf(world, id)).toBe('issued');
    const counters = await world.store.ledger.counters(profile === 'device' ? 'devices' : 'workloads');
    const total = counters
      .filter(({ dimension }) => dimension === 'total')
      .reduce((sum, { issued }) => sum + issued, 0);
    expect(total).toBe(5);
  });

  it('taking up one intent sign the same bytes, and one of them is recorded', async () => {
    const id = await intended('service');
    const outcomes = await Promise.all([sign([id]), sign([id])]);
    expect(outcomes.flat()).toEqual([done(id), done(id)]);
    const [first, ...others] = world.workloads.submitted.map(({ intent }) =>
      intent.kind === 'tbs' ? intent.tbsDer : new Uint8Array(),
    );
    for (const other of others) expect(Buffer.compare(first!, other)).toBe(0);
    expect(await stateOf(world, id)).toBe('issued');
    expect(world.told).toEqual([]);
  });

  it('taking up one template intent leave one certificate at the CA', async () => {
    const id = await intended('device');
    await Promise.all([sign([id]), sign([id])]);
    const tokens = world.devices.submitted.map(({ intent }) =>
      intent.kind === 'template' ? intent.idempotencyToken : '',
    );
    expect(new Set(tokens).size).toBe(1);
    expect(await stateOf(world, id)).toBe('issued');
  });
});
