import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { again, done, type ItemOutcome } from '../../shared/issuance/batch.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { Reservation, SigningBackend } from '../../shared/issuance/ports.ts';
import { sendLater } from '../../shared/issuance/send-later.ts';
import { approved, type IssuanceWorld, openIssuanceWorld, recordOf, stateOf } from '../support/issuance-world.ts';

let world: IssuanceWorld;
beforeEach(async () => {
  world = await openIssuanceWorld();
});
afterEach(() => world.close());

const later = (issuanceId: string, code = 'paced', retryAfterMs = 700): ItemOutcome => ({
  kind: 'later',
  issuanceId,
  code,
  retryAfterMs,
  backend: 'acm-pca',
  attempted: false,
});

/** A backend with room for so many; `asked` keeps how many it was asked for, and how long it may take. */
function rationed(granted: number, asked: (readonly [number, number])[] = []): SigningBackend {
  return {
    ...world.devices,
    async reserve(count, deadline): Promise<Reservation> {
      asked.push([count, deadline - world.now]);
      if (granted >= count) return { granted: count, code: 'reserved', retryAfterMs: 0 };
      return { granted, code: 'paced', retryAfterMs: 700 };
    },
  };
}

const sign = (ids: readonly string[], backend: SigningBackend) =>
  issueCertificates(world.signerPorts({ backendOf: () => backend }), ids);

describe('issuing under a backend that rations', () => {
  it('writes no intent for what there is no room for (permit-before-intent)', async () => {
    const ids = [await approved(world), await approved(world), await approved(world)];
    const asked: (readonly [number, number])[] = [];
    expect(await sign(ids, rationed(1, asked))).toEqual([done(ids[0]!), later(ids[1]!), later(ids[2]!)]);
    expect(asked).toEqual([[3, 6_000]]);
    expect(await Promise.all(ids.map((id) => stateOf(world, id)))).toEqual(['issued', 'approved', 'approved']);
    for (const id of ids.slice(1)) {
      expect(await recordOf(world, id)).toMatchObject({ attempts: 0 });
      expect((await recordOf(world, id)).intent).toBeUndefined();
    }
  });

  it('serves intents that were begun before those that are not', async () => {
    const [fresh, begun] = [await approved(world), await approved(world)];
    world.devices.onSubmit = ({ issuanceId }) => ({
      kind: 'retry',
      issuanceId,
      code: 'pca-throttled',
      message: 'later',
      retryAfterMs: 1,
      throttled: true,
    });
    await sign([begun], rationed(9));
    expect(world.told).toEqual(['throttled devices pca-throttled']);
    world.devices.onSubmit = undefined;
    expect(await sign([fresh, begun], rationed(1))).toEqual([later(fresh), done(begun)]);
    expect([await stateOf(world, fresh), await stateOf(world, begun)]).toEqual(['approved', 'issued']);
  });

  it('asks for no room to collect what is submitted', async () => {
    const id = await approved(world);
    world.devices.onCollect = (issuanceId) => ({ kind: 'pending', issuanceId, retryAfterMs: 1 });
    await sign([id], rationed(9));
    world.devices.onCollect = undefined;
    const asked: (readonly [number, number])[] = [];
    expect(await sign([id], rationed(0, asked))).toEqual([done(id)]);
    expect(asked).toEqual([]);
  });

  it('waits as often as it takes without a delivery in vain (no-dead-letter-by-pacing)', async () => {
    const id = await approved(world);
    for (let delivery = 0; delivery < 30; delivery += 1)
      expect(await sendLater(world.reconcilePorts, await sign([id], rationed(0)))).toEqual([done(id)]);
    expect(world.signing['acm-pca'].sent.filter((sent) => sent === id)).toHaveLength(31);
    expect(await recordOf(world, id)).toMatchObject({ state: 'approved', attempts: 0 });
    expect(await sign([id], rationed(1))).toEqual([done(id)]);
    expect(await stateOf(world, id)).toBe('issued');
  });
});

describe('what is sent again for later', () => {
  function queues(failures = 0) {
    const sent: (readonly [readonly string[], number | undefined])[] = [];
    let left = failures;
    const queue = {
      async send(ids: readonly string[], delayMs?: number) {
        if (left-- > 0) throw new Error('the queue is not there');
        sent.push([ids, delayMs]);
      },
      depth: async () => ({ visible: 0, inFlight: 0, oldestAgeMs: 0 }),
    };
    return { sent, ports: { signingQueue: (backend: string) => (backend === 'acm-pca' ? queue : undefined) } };
  }

  it('goes to the queue of its backend in whole seconds, and is then done', async () => {
    const { ports, sent } = queues();
    const outcomes = [
      later('a.1'),
      done('b.1'),
      later('c.1', 'paced', 1_001),
      later('d.1', 'paced', 30),
      again('e.1', 'x'),
    ];
    expect(await sendLater(ports, outcomes)).toEqual([
      done('a.1'),
      done('b.1'),
      done('c.1'),
      done('d.1'),
      again('e.1', 'x'),
    ]);
    expect(sent).toEqual([
      [['a.1', 'd.1'], 1_000],
      [['c.1'], 2_000],
    ]);
  });

  it('stays with the queue, as it is, when that takes no message or is not there', async () => {
    const { ports, sent } = queues(1);
    const foreign = { ...later('b.1'), backend: 'pkcs11' } as ItemOutcome;
    expect(await sendLater(ports, [later('a.1'), foreign])).toEqual([again('a.1', 'paced'), again('b.1', 'paced')]);
    expect(sent).toEqual([]);
  });
});
