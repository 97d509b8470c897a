import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoOperatorLog, createDynamoOperators } from '../../shared/adapters/dynamodb/operators.ts';
import { type CliWorld, makeMaterial, now, openCliWorld } from '../support/cli-world.ts';
import { createTestTable, type TestTable } from '../support/dynamodb-table.ts';

let test: TestTable;
let world: CliWorld;
const emulated = ['AWS_ENDPOINT_URL_DYNAMODB', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;
const before = emulated.map((name) => [name, process.env[name]] as const);

beforeAll(async () => {
  test = await createTestTable();
  world = await openCliWorld((await makeMaterial()).csrPem);
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

describe('sealwright operator create', () => {
  it('writes an operator whom the service knows by the token that is shown once (operator-create)', async () => {
    const create = ['operator', 'create', '--table', test.tableName, '--region', 'eu-central-1', '--name', 'Ada'];
    const { status, stdout, stderr } = await world.run([...create, '--role', 'credential:write', '--json']);
    expect([status, stderr]).toEqual([0, '']);
    const { operator, token } = JSON.parse(stdout) as { operator: { id: string }; token: string };
    expect(token).toMatch(/^sw_o_[A-Za-z0-9_-]{43}$/);
    const table = createTable({ client: test.client, tableName: test.tableName });
    const stored = await createDynamoOperators(table).findBySha256(secretSha256(token));
    expect(stored).toMatchObject({ id: operator.id, name: 'Ada', roles: ['credential:write'], createdAt: now });
    const [logged] = await createDynamoOperatorLog(table).list(1);
    expect(logged).toMatchObject({ operatorId: operator.id, subject: operator.id, outcome: 'done' });
    expect(JSON.stringify([stored, logged])).not.toContain(token);
  });

  it('says what to look at when the table is not there (operator-create)', async () => {
    const absent = ['operator', 'create', '--table', 'no-such-table', '--region', 'eu-central-1', '--name', 'Ada'];
    const { status, stderr } = await world.run([...absent, '--role', 'all']);
    expect(status).toBe(1);
    expect(stderr).toContain('no operator was written to no-such-table');
  });
});
