/**
 * The SDK's client, set up so that nothing outside these arguments decides where it goes or how often it tries. An explicit
 * endpoint, Region, number of attempts, retry mode, defaults mode and user agent leave the SDK no reason to read `AWS_*`
 * variables or a profile file; what is left, credentials where none are given, is AWS's alone to see.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { ACMPCAClient, type ACMPCAClientConfig } from '@aws-sdk/client-acm-pca';
import { evaluateStage, isAwsAcmPcaEndpoint } from '../../custody/stage.ts';
import type { Stage } from '../../hierarchy/hierarchy.ts';

export interface AcmPcaClientOptions {
  readonly stage: Stage;
  readonly region: string;
  /** Only in `dev` may it be another than AWS's own. Without one: AWS's public endpoint of the Region. */
  readonly endpoint?: string;
  /** Static ones for an emulator; without them the SDK's default chain is used, which an emulator's endpoint never sees. */
  readonly credentials?: NonNullable<ACMPCAClientConfig['credentials']>;
}

/** Connections kept open. IssueCertificate takes tens of milliseconds: 64 carry some thousand calls a second. */
const socketsMax = 64;
const connectionMsMax = 3_000;
/** Silence on a connection after which a call is given up; its outcome is then unknown. */
const socketIdleMsMax = 10_000;

/** What the hosts of the partitions end in, by how the names of their Regions begin; all others are of the first. */
const partitionSuffixes: readonly (readonly [prefix: string, suffix: string])[] = [
  ['cn-', 'amazonaws.com.cn'],
  ['eusc-', 'amazonaws.eu'],
];

/** The host of a service of AWS's in a Region, as `s3.eu-central-1.amazonaws.com`. RangeError for what is no Region. */
export function awsHost(service: string, region: string): string {
  if (!/^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$/.test(region)) throw new RangeError('not the name of an AWS Region');
  const suffix = partitionSuffixes.find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'amazonaws.com';
  return `${service}.${region}.${suffix}`;
}

/** AWS's public endpoint of ACM PCA in a Region. */
export function awsAcmPcaEndpoint(region: string): string {
  return `https://${awsHost('acm-pca', region)}`;
}

/**
 * A client for ACM PCA. One attempt a call: retries are the backend's, under its pacing budget, with the outcome of each in
 * its own hands. RangeError outside `dev` for an endpoint that is not AWS's, and in `dev` for one that is not AWS's without
 * credentials of its own (the developer's real ones are not shown to an emulator).
 */
export function createAcmPcaClient(options: AcmPcaClientOptions): ACMPCAClient {
  const endpoint = options.endpoint ?? awsAcmPcaEndpoint(options.region);
  const [finding] = evaluateStage({ stage: options.stage, backends: ['acm-pca'], acmPcaEndpoint: endpoint });
  if (finding !== undefined) throw new RangeError(finding.message);
  if (options.credentials === undefined && !isAwsAcmPcaEndpoint(endpoint)) {
    throw new RangeError("an ACM PCA endpoint that is not AWS's needs credentials of its own");
  }
  const agentOptions = { keepAlive: true, maxSockets: socketsMax };
  return new ACMPCAClient({
    region: options.region,
    endpoint,
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    // The SDK's own provider of it looks for an application id in a profile file.
    defaultUserAgentProvider: async () => [['sealwright']],
    requestHandler: {
      connectionTimeout: connectionMsMax,
      requestTimeout: socketIdleMsMax,
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent(agentOptions),
    },
  });
}
