import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hierarchyVariant } from '../../bench/hierarchy-variant.ts';
import { createDynamoAuthorities } from '../../shared/adapters/dynamodb/authorities.ts';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { type CliWorld, makeMaterial, openCliWorld } from '../support/cli-world.ts';
import { createTestTable, type TestTable } from '../support/dynamodb-table.ts';

let test: TestTable;
let world: CliWorld;
const emulated = ['AWS_ENDPOINT_URL_DYNAMODB', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;
const before = emulated.map((name) => [name, process.env[name]] as const);
const sample = readFileSync(join(import.meta.dirname, '..', '..', 'hierarchy.yaml'), 'utf8');

beforeAll(async () => {
  test = await createTestTable();
  world = await openCliWorld((await makeMaterial()).csrPem);
  // Every CA at ACM PCA stays there; those of an HSM are in software, since this is about where they are written down.
  const { text } = hierarchyVariant(sample, ({ backend }) => backend === 'pkcs11');
  writeFileSync(join(world.dir, 'hierarchy.yaml'), text);
  process.env.AWS_ENDPOINT_URL_DYNAMODB = process.env.SEALWRIGHT_TEST_DYNAMODB_ENDPOINT;
  process.env.AWS_ACCESS_KEY_ID = 'sealwright';
  process.env.AWS_SECRET_ACCESS_KEY = 'sealwright';
});
afterAll(async () => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  await world.end();
  await test.drop();
});

describe('sealwright hierarchy apply --table', () => {
  it('writes the CAs where the functions read them, and does nothing the second time (hierarchy-table)', async () => {
    const state = join(world.dir, 'applied');
    const apply = [
      'hierarchy',
      'apply',
      '--table',
      test.tableName,
      '--region',
      'eu-central-1',
      '--state',
      state,
      '--json',
    ];
    const first = await world.run(apply);
    expect([first.stderr, first.status]).toEqual(['', 0]);
    const registry = createDynamoAuthorities(createTable({ client: test.client, tableName: test.tableName }));
    const installed = await registry.list();
    expect(installed.map(({ caId }) => caId).sort()).toEqual(['devices', 'root', 'subordinate', 'workloads']);
    const second = await world.run(apply);
    expect([second.stderr, second.status]).toEqual(['', 0]);
    expect(await registry.list()).toEqual(installed);
  }, 120_000);
});
