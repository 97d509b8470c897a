import { expect, it } from 'vitest';
import { softHsmModule } from '../support/service.ts';
import { runKillRounds } from './kill-rounds.ts';

it('kill -9 while it is set up and under load: what was answered 202 ends issued or refused, none twice', async () => {
  const result = await runKillRounds({ rounds: 3, seed: 7, clients: 8, pauseMs: 10, pkcs11Module: softHsmModule });
  expect(result.faults).toEqual([]);
  expect(result.rounds.map(({ target }) => target)).toContain('starting');
  expect(result.accepted).toBeGreaterThan(0);
}, 120_000);
