import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { expect, it } from 'vitest';
import { text } from '../../shared/adapters/dynamodb/items.ts';
import { keyItem, keys } from '../../shared/adapters/dynamodb/table.ts';
import { createDynamoWatch } from '../../shared/adapters/dynamodb/watch.ts';
import { serviceError } from '../support/dynamodb-errors.ts';

const issuanceId = `${'a'.repeat(43)}.1`;
const inState = (state: string) => ({ Item: { ...keyItem(keys.record(issuanceId)!), st: text(state) } });

function world(random = 0.5) {
  const client = new DynamoDBClient({ region: 'eu-central-1' });
  const mock = mockClient(client);
  let now = 0;
  const pauses: number[] = [];
  const pause = async (ms: number) => {
    pauses.push(ms);
    now += ms;
  };
  const watch = createDynamoWatch({ client, tableName: 'T', clock: () => now, pause, random: () => random });
  return { mock, pauses, watch, elapsedMs: () => now };
}

it('asks ever more seldom until the issuance has left the pending states (watch)', async () => {
  const { mock, pauses, watch } = world();
  mock
    .on(GetItemCommand)
    .resolvesOnce({})
    .resolvesOnce(inState('approved'))
    .resolvesOnce(inState('intended'))
    .resolves(inState('issued'));
  await watch.untilSettled(issuanceId, 10_000);
  expect(mock.commandCalls(GetItemCommand)).toHaveLength(4);
  expect(pauses.every((ms, index) => index === 0 || ms > pauses[index - 1]!)).toBe(true);
  expect(mock.commandCalls(GetItemCommand)[0]!.args[0].input.ConsistentRead).toBe(false);
});

it('ends when its time is up, after a bounded number of looks (watch-bounded)', async () => {
  for (const random of [0, 0.5, 0.999]) {
    const { mock, watch, elapsedMs } = world(random);
    mock.on(GetItemCommand).resolves(inState('received'));
    await watch.untilSettled(issuanceId, 10_000);
    expect(elapsedMs()).toBe(10_000);
    expect(mock.commandCalls(GetItemCommand).length).toBeLessThanOrEqual(14);
  }
});

it('asks nothing for no time, nor for what is no issuance (watch-nothing)', async () => {
  const { mock, watch } = world();
  await watch.untilSettled(issuanceId, 0);
  await watch.untilSettled('none', 10_000);
  expect(mock.commandCalls(GetItemCommand)).toHaveLength(0);
});

it('ends when DynamoDB does not answer, for its caller to find out (watch-best-effort)', async () => {
  const { mock, watch } = world();
  mock.on(GetItemCommand).rejects(new Error('socket hang up'));
  await watch.untilSettled(issuanceId, 10_000);
  mock.on(GetItemCommand).rejects(serviceError('AccessDeniedException'));
  await expect(watch.untilSettled(issuanceId, 10_000)).rejects.toMatchObject({ name: 'AccessDeniedException' });
});
