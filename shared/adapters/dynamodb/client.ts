/**
 * The SDK's client, set up so that its patience is bounded and known: a Lambda that waits longer than its timeout learns
 * nothing. What outlasts it is retried by our own rules (`calls.ts`), which know what a write that lost its answer means.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';

export interface DynamoClientOptions {
  readonly region: string;
  /** Without one: AWS's own of the Region. */
  readonly endpoint?: string;
  /** Static ones for an emulator; without them the SDK's default chain. */
  readonly credentials?: NonNullable<DynamoDBClientConfig['credentials']>;
}

/** Connections kept open, and so requests in flight: a batch of 100 is spread over at most this many. */
const socketsMax = 64;
const connectionMsMax = 1_000;
/** DynamoDB answers in milliseconds; a transaction in contention within a second. */
const requestMsMax = 2_000;
/** An emulator shares one machine with all that asks it, and a request waits for a connection too. */
const emulatorRequestMsMax = 15_000;
/** Of one request by the SDK: the first and two more, 50 ms and more apart. */
const attemptsMax = 3;

export function createDynamoClient(options: DynamoClientOptions): DynamoDBClient {
  const agentOptions = { keepAlive: true, maxSockets: socketsMax };
  return new DynamoDBClient({
    region: options.region,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    maxAttempts: attemptsMax,
    retryMode: 'standard',
    requestHandler: {
      connectionTimeout: connectionMsMax,
      requestTimeout: options.endpoint === undefined ? requestMsMax : emulatorRequestMsMax,
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent(agentOptions),
    },
  });
}
