import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { staleAfterMs } from '../../shared/issuance/issuance-state.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import { reconcile } from '../../shared/issuance/reconcile.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import {
  approved,
  type IssuanceWorld,
  openIssuanceWorld,
  receive,
  recordOf,
  stateOf,
} from '../support/issuance-world.ts';

let world: IssuanceWorld;
beforeEach(async () => {
  world = await openIssuanceWorld();
});
afterEach(() => world.close());

const nothing = { resent: { received: 0, approved: 0, intended: 0, submitted: 0 }, orphanSuspected: 0 };

function clearQueues(): void {
  for (const queue of [world.enrolment, world.signing['acm-pca'], world.signing.pkcs11]) queue.sent.length = 0;
}

async function interrupted(profile: 'device' | 'service', at: 'intended' | 'submitted'): Promise<string> {
  const id = await approved(world, { profile });
  const backend = profile === 'device' ? world.devices : world.workloads;
  if (at === 'intended')
    backend.onSubmit = () => {
      throw new Error('killed');
    };
  else backend.onCollect = (issuanceId) => ({ kind: 'pending', issuanceId, retryAfterMs: 1 });
  await issueCertificates(world.signerPorts(), [id]);
  backend.onSubmit = undefined;
  backend.onCollect = undefined;
  expect(await stateOf(world, id)).toBe(at);
  clearQueues();
  return id;
}

describe('the reconciler', () => {
  it('has nothing to do where nothing is stale, settled ones included', async () => {
    const id = await approved(world, { profile: 'service' });
    await issueCertificates(world.signerPorts(), [id]);
    await receive(world);
    clearQueues();
    expect(await reconcile(world.reconcilePorts)).toEqual(nothing);
    expect(world.enrolment.sent).toEqual([]);
  });

  it('sends a stale received one to the validator again [data-model.md: 2 min]', async () => {
    const { record } = await receive(world);
    clearQueues();
    world.now += staleAfterMs.received!;
    expect(await reconcile(world.reconcilePorts)).toEqual(nothing);
    world.now += 1;
    expect(await reconcile(world.reconcilePorts)).toMatchObject({ resent: { received: 1 } });
    expect(world.enrolment.sent).toEqual([record.issuanceId]);
    await validateEnrollments(world.validatePorts, world.enrolment.sent);
    expect(await stateOf(world, record.issuanceId)).toBe('approved');
  });

  it('sends stale approved ones to the queue of their CA', async () => {
    const ids = [await approved(world, { profile: 'device' }), await approved(world, { profile: 'service' })];
    clearQueues();
    world.now += staleAfterMs.approved! + 1;
    expect(await reconcile(world.reconcilePorts)).toMatchObject({ resent: { approved: 2 } });
    expect([world.signing['acm-pca'].sent, world.signing.pkcs11.sent]).toEqual([[ids[0]], [ids[1]]]);
  });

  it('has a stale TBSCertificate signed again, however old [data-model.md: PKCS#11 signs the same TBS]', async () => {
    const id = await interrupted('service', 'intended');
    world.now += 30 * 86_400_000;
    expect(await reconcile(world.reconcilePorts)).toMatchObject({ resent: { intended: 1 }, orphanSuspected: 0 });
    expect(world.signing.pkcs11.sent).toEqual([id]);
    await issueCertificates(world.signerPorts(), [id]);
    expect(await stateOf(world, id)).toBe('issued');
  });

  it('suspects an orphan where the token no longer protects, and never submits it again', async () => {
    const id = await interrupted('device', 'intended');
    world.now += staleAfterMs.intended! + 1;
    expect(await reconcile(world.reconcilePorts)).toMatchObject({ resent: { intended: 0 }, orphanSuspected: 1 });
    expect(await recordOf(world, id)).toMatchObject({
      state: 'orphan-suspected',
      lastError: { code: 'outcome-unknown' },
    });
    const submitted = world.devices.submitted.length;
    await issueCertificates(world.signerPorts(), [id]);
    expect([world.devices.submitted.length, world.signing['acm-pca'].sent]).toEqual([submitted, []]);
  });

  it('has a stale ticket collected [data-model.md: 1 min]', async () => {
    const id = await interrupted('device', 'submitted');
    world.now += staleAfterMs.submitted!;
    expect(await reconcile(world.reconcilePorts)).toEqual(nothing);
    world.now += 1;
    expect(await reconcile(world.reconcilePorts)).toMatchObject({ resent: { submitted: 1 } });
    await issueCertificates(world.signerPorts(), world.signing['acm-pca'].sent);
    expect(await stateOf(world, id)).toBe('issued');
    expect(world.devices.submitted).toHaveLength(1);
  });

  it('has no patience at a start after a crash, and still knows which token is too old', async () => {
    const young = await interrupted('device', 'intended');
    const { record } = await receive(world);
    clearQueues();
    world.now += 1;
    expect(await reconcile(world.reconcilePorts, 0)).toMatchObject({
      resent: { received: 1, intended: 1 },
      orphanSuspected: 0,
    });
    expect([world.enrolment.sent, world.signing['acm-pca'].sent]).toEqual([[record.issuanceId], [young]]);
  });

  it('takes a thousand of a state in one run, the oldest first, and the rest in the next', async () => {
    const ledger = {
      ...world.store.ledger,
      stale: async (state: string, _before: number, countMax: number) => {
        expect(countMax).toBe(1_000);
        return state === 'received'
          ? Array.from({ length: countMax }, (_, n) => ({
              issuanceId: `id-${n}`,
              caId: 'devices',
              state: 'received' as const,
              stateAt: n,
            }))
          : [];
      },
    };
    expect(await reconcile({ ...world.reconcilePorts, ledger })).toMatchObject({ resent: { received: 1_000 } });
  });

  it('skips a CA whose backend has no signer here, and tends to the others', async () => {
    await approved(world, { profile: 'device' });
    const service = await approved(world, { profile: 'service' });
    clearQueues();
    world.now += staleAfterMs.approved! + 1;
    const signingQueue = (backend: string) => (backend === 'pkcs11' ? world.signing.pkcs11 : undefined);
    await reconcile({ ...world.reconcilePorts, signingQueue });
    expect([world.signing['acm-pca'].sent, world.signing.pkcs11.sent]).toEqual([[], [service]]);
  });

  it('settles the rest when one queue is not there', async () => {
    const orphan = await interrupted('device', 'intended');
    const service = await approved(world, { profile: 'service' });
    await receive(world);
    clearQueues();
    world.now += staleAfterMs.intended! + 1;
    world.enrolment.failures = 1;
    await expect(reconcile(world.reconcilePorts)).rejects.toThrow('the queue is not there');
    expect(await stateOf(world, orphan)).toBe('orphan-suspected');
    expect(world.signing.pkcs11.sent).toContain(service);
  });
});
