import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cmvpModules, custodyFindingCodes } from '../../shared/custody/custody.ts';

const page = readFileSync(new URL('../../docs/custody.md', import.meta.url), 'utf8');

describe('docs/custody.md', () => {
  it('has a row for each finding, and no other', () => {
    const table = page.slice(page.indexOf('## Findings'), page.indexOf('## Who can'));
    const codes = [...table.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map((match) => match[1]);
    expect([...codes].sort()).toEqual([...custodyFindingCodes].sort());
  });

  it('says of each module what the table of validations says', () => {
    for (const { certificateNumber, historicalSince, standard } of Object.values(cmvpModules)) {
      expect(page).toContain(standard);
      if (certificateNumber !== undefined) expect(page).toContain(`#${certificateNumber}`);
      if (historicalSince !== undefined) expect(page).toContain(`historical since ${historicalSince}`);
    }
  });
});
