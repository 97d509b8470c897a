import { ACMPCAClient, IssueCertificateCommand } from '@aws-sdk/client-acm-pca';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createAcmPcaBackend } from '../../shared/adapters/acm-pca/backend.ts';
import type { PacingBudget, Permit } from '../../shared/adapters/acm-pca/pacing.ts';
import { newTemplateIssuance, templateTime } from '../support/template-issuance.ts';

const ref = 'arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/0f4b6f62-4f8a-4b5e-9a3b-6a2d7c1f0e11';

let mock: ReturnType<typeof mockClient>;
beforeEach(() => {
  // aws-sdk-client-mock is typed for a newer client: hence the casts.
  mock = mockClient(ACMPCAClient as never);
  mock.on(IssueCertificateCommand as never).resolves({ CertificateArn: `${ref}/certificate/1` } as never);
});
afterEach(() => mock.restore());

/** A backend over a budget that gives out `permits` once, and counts what is taken beside them. */
function backendWith(permits: readonly Permit[]) {
  const seen = { taken: 0, slept: [] as number[], now: templateTime };
  const pacing: PacingBudget = {
    async take() {
      seen.taken += 1;
      return { kind: 'granted' };
    },
    reserve: async (_call, _deadline, countMax) => ({ permits: permits.slice(0, countMax), retryAfterMs: 900 }),
    report: () => undefined,
  };
  const client = new ACMPCAClient({ region: 'eu-central-1', endpoint: 'https://acm-pca.eu-central-1.amazonaws.com' });
  const backend = createAcmPcaBackend({
    client,
    authority: { caId: 'devices', ref },
    pacing,
    clock: () => seen.now,
    sleep: async (waitMs) => void seen.slept.push(waitMs),
  });
  const reserve = (count: number) => backend.reserve!(count, templateTime + 1_000);
  return { backend, reserve, seen };
}

const permitAt = (afterMs: number): Permit => ({ at: templateTime + afterMs, goodUntil: templateTime + afterMs + 600 });
const batch = (count: number) => Array.from({ length: count }, (_, index) => newTemplateIssuance({ id: `b-${index}` }));

it('submits with what was reserved, each call at the instant of its permit', async () => {
  const { backend, reserve, seen } = backendWith([permitAt(-10), permitAt(30), permitAt(70)]);
  expect(await reserve(3)).toEqual({ granted: 3, code: 'reserved', retryAfterMs: 0 });
  expect((await backend.submit(batch(3))).map(({ kind }) => kind)).toEqual(['submitted', 'submitted', 'submitted']);
  expect([seen.taken, seen.slept]).toEqual([0, [30, 70]]);
});

it('says how many it has room for, and when there may be more', async () => {
  const { reserve } = backendWith([permitAt(0)]);
  expect(await reserve(4)).toEqual({ granted: 1, code: 'paced', retryAfterMs: 900 });
});

it('takes a permit of the budget for what was not reserved, or was reserved too long ago', async () => {
  const { backend, reserve, seen } = backendWith([permitAt(0), permitAt(40)]);
  await reserve(2);
  seen.now += 620;
  await backend.submit(batch(3));
  expect(seen.taken).toBe(2);
});
