import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';

export interface S3ClientOptions {
  readonly region: string;
  /** Of an emulator, which is asked by path; AWS's own without one. */
  readonly endpoint?: string;
  /** Static ones for an emulator; without them the SDK's default chain is used, which an emulator's endpoint never sees. */
  readonly credentials?: NonNullable<S3ClientConfig['credentials']>;
}

const connectionMsMax = 3_000;
/** Until the answer begins; and then silence on its connection, after which it is taken for broken. */
const answerMsMax = 10_000;
const socketIdleMsMax = 30_000;
const attemptsMax = 3;
const socketsMax = 16;

/** RangeError for an endpoint without credentials of its own: the developer's real ones are not shown to an emulator. */
export function createS3Client({ region, endpoint, credentials }: S3ClientOptions): S3Client {
  if (endpoint !== undefined && credentials === undefined) {
    throw new RangeError("an S3 endpoint that is not AWS's needs credentials of its own");
  }
  const agentOptions = { keepAlive: true, maxSockets: socketsMax };
  return new S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
    maxAttempts: attemptsMax,
    retryMode: 'standard',
    requestHandler: {
      connectionTimeout: connectionMsMax,
      requestTimeout: answerMsMax,
      throwOnRequestTimeout: true,
      socketTimeout: socketIdleMsMax,
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent(agentOptions),
    },
  });
}
