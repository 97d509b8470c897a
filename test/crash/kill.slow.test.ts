/** `npm run test:slow`: the whole of kill-service.ts, as one test. */
import { expect, it } from 'vitest';
import { softHsmModule } from '../support/service.ts';
import { runKillRounds } from './kill-rounds.ts';

it('20 kills under load lose nothing that was answered 202, and issue nothing twice', async () => {
  const result = await runKillRounds({ rounds: 20, seed: 1, clients: 16, pauseMs: 40, pkcs11Module: softHsmModule });
  expect(result.faults).toEqual([]);
  expect(result.accepted).toBeGreaterThan(200);
}, 900_000);
