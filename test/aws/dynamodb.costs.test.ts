/**
 * The costs in docs/data-model.md and docs/data-model-costs.json are what DynamoDB answers:
 * `SEALWRIGHT_WRITE_COSTS=1 npm run test:aws` writes both anew, and this fails while they are stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { costsFile, dataModelPage, renderCosts, withCosts } from '../../docs/data-model-page.ts';
import { type Costs, measureCosts } from '../support/dynamodb-costs.ts';

/** A conflict or a shard more changes a figure a little; a change of the data model changes it by whole units. */
const tolerance = 0.15;

it('costs what the page of the data model says (costs-measured)', { timeout: 240_000 }, async () => {
  const measured = await measureCosts();
  if (process.env.SEALWRIGHT_WRITE_COSTS === '1') {
    writeFileSync(costsFile, `${JSON.stringify(measured, null, 2)}\n`);
    writeFileSync(dataModelPage, withCosts(readFileSync(dataModelPage, 'utf8'), measured));
  }
  const written = JSON.parse(readFileSync(costsFile, 'utf8')) as Costs;
  expect(readFileSync(dataModelPage, 'utf8')).toContain(renderCosts(written));
  expect(written.calls.map(({ call }) => call)).toEqual(measured.calls.map(({ call }) => call));
  for (const [index, { call, of: _of, partitions, ...figures }] of measured.calls.entries()) {
    expect(written.calls[index]!.partitions, call).toEqual(partitions);
    expectNear(call, figures, written.calls[index]!);
  }
  for (const [index, { path, batch, ...figures }] of measured.certificates.entries()) {
    expectNear(`${path} in batches of ${batch}`, figures, written.certificates[index]!);
  }
});

function expectNear(what: string, measured: Readonly<Record<string, number>>, written: object): void {
  for (const [name, value] of Object.entries(measured)) {
    const expected = (written as Readonly<Record<string, number>>)[name]!;
    expect(Math.abs(value - expected), `${what}: ${name} is ${value}, the page says ${expected}`).toBeLessThanOrEqual(
      Math.max(1, expected * tolerance),
    );
  }
}
