import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import type { SigningBackend } from '../../shared/issuance/ports.ts';
import { type IssuanceWorld, openIssuanceWorld } from '../support/issuance-world.ts';

let world: IssuanceWorld;
let reads: number;
beforeEach(async () => {
  world = await openIssuanceWorld();
  reads = 0;
});
afterEach(() => world.close());

/** Asks the gate for the HSM's CA, whose backend counts how often it is read. */
async function gateFor(evidenceAgeMsMax?: number) {
  const issuer = (await world.authorities.newest('workloads'))!;
  const gate = createCustodyGate(world.hierarchy, () => world.now);
  const backend: SigningBackend = {
    ...world.workloads,
    async describeKey() {
      reads += 1;
      return world.workloads.describeKey();
    },
    ...(evidenceAgeMsMax === undefined ? {} : { evidenceAgeMsMax }),
  };
  return () => gate.check(issuer, backend);
}

describe('evidence before a batch', () => {
  it('is read again when it is 50 seconds old, inside the 60 that policy accepts', async () => {
    const check = await gateFor();
    await check();
    world.now += 49_999;
    expect(await check()).toMatchObject({ kind: 'holds' });
    expect(reads).toBe(1);
    world.now += 1;
    await check();
    expect(reads).toBe(2);
  });

  it('is read before every batch where the backend asks for that, though no time has passed', async () => {
    const check = await gateFor(0);
    await check();
    await check();
    expect(reads).toBe(2);
  });

  it('is read again at once after a clock that went back, and after a finding or a failure', async () => {
    const check = await gateFor();
    await check();
    world.now -= 1_000;
    await check();
    expect(reads).toBe(2);
    world.workloads.onDescribe = (honest) => ({ ...honest, status: 'disabled' });
    world.now += 60_000;
    expect(await check()).toMatchObject({ kind: 'stopped' });
    world.workloads.onDescribe = () => Promise.reject(new Error('no answer'));
    expect(await check()).toMatchObject({ kind: 'unknown' });
    world.workloads.onDescribe = undefined;
    expect(await check()).toMatchObject({ kind: 'holds' });
    expect(reads).toBe(5);
  });

  it('is read once more, and no more than that, when it was old as it came', async () => {
    const check = await gateFor();
    const late = (times: number) => {
      world.workloads.onDescribe = (honest) => {
        if (times-- > 0) world.now += 61_000;
        return honest;
      };
    };
    late(1);
    expect(await check()).toMatchObject({ kind: 'holds' });
    expect(reads).toBe(2);
    world.now += 60_000;
    late(2);
    const stale = expect.objectContaining({ code: 'evidence-stale', severity: 'stop' });
    expect(await check()).toMatchObject({ kind: 'stopped', findings: expect.arrayContaining([stale]) });
    expect(reads).toBe(4);
  });
});
