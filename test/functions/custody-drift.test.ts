import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { cka } from '../../shared/adapters/pkcs11/constants.ts';
import type { AlarmName, RaiseAlarm } from '../../shared/issuance/alarms.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { watchCustody } from '../../shared/issuance/watch-custody.ts';
import { type CustodyWorld, type HsmCa, openCustodyWorld } from '../support/custody-world.ts';
import { itWithSoftHsm, replaceKey, softHsmMissing } from '../support/softhsm.ts';
import { editBoolean, makeExtractable } from '../support/softhsm-objects.ts';

let w: CustodyWorld;
beforeEach(async () => {
  if (softHsmMissing === undefined) w = await openCustodyWorld();
});
afterEach(() => w?.close());

const cas: readonly HsmCa[] = ['workloads', 'gateways', 'devices'];

/** Has each CA issue one, and answers where those ended. */
async function issueOneEach(): Promise<Readonly<Record<HsmCa, string>>> {
  const ids: [HsmCa, string][] = [];
  for (const caId of cas) ids.push([caId, await w.enqueue(caId)]);
  await w.deliver();
  const states = await Promise.all(ids.map(async ([caId, id]) => [caId, await w.stateOf(id)] as const));
  return Object.fromEntries(states) as Record<HsmCa, string>;
}

const tokensFolder = () => join(dirname(w.library.softhsmConf), 'tokens');
const isExtractable = (caId: HsmCa) => async () =>
  (await w.backendOf(caId).describeKey()).attributes?.extractable === true;

describe('a CA key that drifts under a running signer', () => {
  itWithSoftHsm('stops its CA before the next signature when it is made extractable, and that CA alone', async () => {
    expect(await issueOneEach()).toEqual({ workloads: 'issued', gateways: 'issued', devices: 'issued' });
    await makeExtractable(tokensFolder(), isExtractable('workloads'));

    // No time has passed since the evidence of the batch before.
    expect(await issueOneEach()).toEqual({ workloads: 'approved', gateways: 'issued', devices: 'issued' });
    expect(w.alarms).toEqual([{ name: 'custody-stopped', caId: 'workloads', codes: expect.any(Array) }]);
    expect(w.alarms[0]!.codes).toContain('key-extractable');
  });

  itWithSoftHsm('stops its CA alone when it is replaced under the same label and CKA_ID', async () => {
    expect(await issueOneEach()).toEqual({ workloads: 'issued', gateways: 'issued', devices: 'issued' });
    replaceKey(w.library, w.sharedToken, 'gateways-g1');
    expect(await issueOneEach()).toEqual({ workloads: 'issued', gateways: 'approved', devices: 'issued' });
    expect(w.alarms).toEqual([{ name: 'custody-stopped', caId: 'gateways', codes: expect.any(Array) }]);
    expect(w.alarms[0]!.codes).toContain('key-swapped');
  });

  itWithSoftHsm('keeps its messages, and signs them when it is what it was', async () => {
    await w.deliver();
    const path = await makeExtractable(tokensFolder(), isExtractable('workloads'));
    const id = await w.enqueue('workloads');
    await w.deliver();
    expect(await w.stateOf(id)).toBe('approved');
    expect(await w.queue.depth()).not.toMatchObject({ visible: 0, inFlight: 0 });

    editBoolean(path, cka.extractable, false);
    w.world.now += 180_000;
    await w.deliver();
    expect(await w.stateOf(id)).toBe('issued');
    expect(await w.queue.depth()).toMatchObject({ visible: 0, inFlight: 0 });
  });

  itWithSoftHsm('is told though nothing is signed, by the watch of each minute', async () => {
    const watch = () => {
      const { authorities, hierarchy } = w.world;
      const raised: [AlarmName, unknown][] = [];
      const evidenceOf = ({ backend, caId }: IssuingAuthority) =>
        backend === 'pkcs11' ? w.backendOf(caId as HsmCa) : undefined;
      const raise: RaiseAlarm = (name, { caId }) => raised.push([name, caId]);
      const clock = () => w.world.now;
      return watchCustody({ hierarchy, authorities, evidenceOf, clock, raise }).then((watched) => ({
        watched,
        raised,
      }));
    };
    expect((await watch()).raised).toEqual([]);
    replaceKey(w.library, w.sharedToken, 'gateways-g1');
    const { raised, watched } = await watch();
    expect(raised).toEqual([['custody-stopped', 'gateways']]);
    expect(Object.fromEntries(watched.map(({ caId, status }) => [caId, status]))).toEqual({
      root: 'unseen',
      subordinate: 'unseen',
      devices: 'holds',
      workloads: 'holds',
      gateways: 'stopped',
    });
    expect(await w.queue.depth()).toMatchObject({ visible: 0, inFlight: 0 });
  });

  for (const [attribute, value, code] of [
    ['sensitive', false, 'key-not-sensitive'],
    ['neverExtractable', false, 'key-was-extractable'],
    ['alwaysSensitive', false, 'key-was-not-sensitive'],
    ['local', false, 'key-not-local'],
  ] as const) {
    itWithSoftHsm(`stops when the token reports ${attribute} as ${value}`, async () => {
      await w.enqueue('workloads');
      await w.deliver();
      const path = await makeExtractable(tokensFolder(), isExtractable('workloads'));
      editBoolean(path, cka.extractable, false);
      editBoolean(path, cka[attribute], value);
      const id = await w.enqueue('workloads');
      await w.deliver();
      expect(await w.stateOf(id)).toBe('approved');
      expect(w.alarms.map(({ codes }) => codes)).toEqual([expect.arrayContaining([code])]);
    });
  }
});
