/** Queues of an SQS emulator for the contract suite: new ones for each test, deleted after it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateQueueCommand, DeleteQueueCommand, GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { createSqsClient } from '../../shared/adapters/sqs/client.ts';
import { createSqsDeadLetters } from '../../shared/adapters/sqs/dead-letters.ts';
import { createSqsQueue } from '../../shared/adapters/sqs/queue.ts';
import type { Queue, QueueHarness } from '../contract/queue/harness.ts';
import { emulatorCredentials, emulatorEndpoint, emulatorRegion } from './emulators.ts';

/** A visibility timeout to test with: SQS counts whole seconds, and LocalStack looks once a second at which have ended. */
export const sqsVisibilityMs = 2_000;
/** So that a whole timeout has ended, looked at or not, and half of one has not. */
const marginMs = (ms: number) => (ms < sqsVisibilityMs ? 700 : 1_100);

export function openSqsClient(): SQSClient {
  return createSqsClient({
    region: emulatorRegion,
    endpoint: emulatorEndpoint('SQS'),
    credentials: emulatorCredentials,
  });
}

export interface SqsQueuePair {
  readonly workUrl: string;
  readonly deadUrl: string;
  remove(): Promise<void>;
}

/** A queue that gives up after `receiveCountMax` deliveries, and the one that takes those. */
export async function createQueuePair(client: SQSClient, receiveCountMax: number): Promise<SqsQueuePair> {
  const name = `sealwright-${randomUUID()}`;
  const { QueueUrl: deadUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: `${name}-dead` }));
  const asked = new GetQueueAttributesCommand({ QueueUrl: deadUrl, AttributeNames: ['QueueArn'] });
  const { Attributes } = await client.send(asked);
  const RedrivePolicy = JSON.stringify({
    deadLetterTargetArn: Attributes?.QueueArn,
    maxReceiveCount: String(receiveCountMax),
  });
  const { QueueUrl: workUrl = '' } = await client.send(
    new CreateQueueCommand({ QueueName: name, Attributes: { RedrivePolicy } }),
  );
  return {
    workUrl,
    deadUrl,
    async remove() {
      for (const QueueUrl of [workUrl, deadUrl]) await client.send(new DeleteQueueCommand({ QueueUrl }));
    },
  };
}

export async function openSqsHarness(receiveCountMax: number): Promise<QueueHarness> {
  const client = openSqsClient();
  const pair = await createQueuePair(client, receiveCountMax);
  client.destroy();
  return openAgain(pair, receiveCountMax);
}

/** The same queues through another client, as the next process has them. */
function openAgain(pair: SqsQueuePair, receiveCountMax: number): QueueHarness {
  const client = openSqsClient();
  const queue = (queueUrl: string): Queue => createSqsQueue({ client, queueUrl, clock: Date.now });
  return {
    work: queue(pair.workUrl),
    dead: queue(pair.deadUrl),
    deadLetters: createSqsDeadLetters({
      client,
      queues: [{ name: 'work', queueUrl: pair.workUrl, deadLetterQueueUrl: pair.deadUrl, receiveCountMax }],
    }),
    elapse: (ms) => sleep(ms + marginMs(ms)),
    async reopen() {
      client.destroy();
      return openAgain(pair, receiveCountMax);
    },
    async close() {
      await pair.remove();
      client.destroy();
    },
  };
}
