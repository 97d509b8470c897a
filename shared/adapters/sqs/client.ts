/**
 * The SDK's client for SQS, set up so that nothing outside these arguments decides where it goes or how often it tries.
 * One attempt a call: retries are `calls.ts`'s, which knows what each failure means.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { SQSClient, type SQSClientConfig } from '@aws-sdk/client-sqs';

export interface SqsClientOptions {
  readonly region: string;
  /** Of an emulator; AWS's own without one. */
  readonly endpoint?: string;
  /** Static ones for an emulator; without them the SDK's default chain is used, which an emulator's endpoint never sees. */
  readonly credentials?: NonNullable<SQSClientConfig['credentials']>;
}

/** Connections kept open: long polls hold one each, and a batch goes out in a few calls at once. */
const socketsMax = 64;
const connectionMsMax = 3_000;
/** Silence on a connection after which a call is given up: longer than the longest long poll (20 s). */
const socketIdleMsMax = 25_000;

/** RangeError for an endpoint without credentials of its own: the developer's real ones are not shown to an emulator. */
export function createSqsClient({ region, endpoint, credentials }: SqsClientOptions): SQSClient {
  if (endpoint !== undefined && credentials === undefined) {
    throw new RangeError("an SQS endpoint that is not AWS's needs credentials of its own");
  }
  const agentOptions = { keepAlive: true, maxSockets: socketsMax };
  return new SQSClient({
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    // The queue's own URL names a host, which is an emulator's idea of itself; what was asked for is `endpoint`.
    useQueueUrlAsEndpoint: endpoint === undefined,
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    requestHandler: {
      connectionTimeout: connectionMsMax,
      requestTimeout: socketIdleMsMax,
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent(agentOptions),
    },
  });
}
