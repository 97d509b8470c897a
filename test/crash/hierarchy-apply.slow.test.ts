import { describe, expect } from 'vitest';
import { crossed, dieAtEvery, sample } from '../support/apply-deaths.ts';
import { itWithSoftHsm } from '../support/softhsm.ts';

describe('hierarchy apply killed before or after every call that it makes, reads included', () => {
  for (const [name, text] of [
    ['crossed between backends', crossed],
    ['of the sample', sample],
  ] as const) {
    itWithSoftHsm(
      `converges for the hierarchy ${name}`,
      async () => {
        const { deaths, effects, faults } = await dieAtEvery(text, () => true);
        process.stdout.write(`${name}: ${effects.length} calls, killed ${deaths} times, ${faults.length} faults\n`);
        expect(faults).toEqual([]);
        expect(deaths).toBe(2 * effects.length);
      },
      900_000,
    );
  }
});
