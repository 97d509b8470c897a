/**
 * The SDK's client for CloudHSM's management API, set up so that nothing outside these arguments decides where it goes or how
 * often it tries, and so that an answer keeps what the pinned SDK (3.332.0) does not know: Mode of clusters and backups.
 */
import { CloudHSMV2Client, type CloudHSMV2ClientConfig } from '@aws-sdk/client-cloudhsm-v2';
import { evaluateStage, isAwsCloudHsmEndpoint } from '../../custody/stage.ts';
import type { Stage } from '../../hierarchy/hierarchy.ts';
import { keepRawMembers } from './raw-members.ts';

export interface CloudHsmClientOptions {
  readonly stage: Stage;
  readonly region: string;
  /** Only in `dev` may it be another than AWS's own. Without one: AWS's public endpoint of the Region. */
  readonly endpoint?: string;
  /** Static ones for an emulator; without them the SDK's default chain is used, which an emulator's endpoint never sees. */
  readonly credentials?: NonNullable<CloudHSMV2ClientConfig['credentials']>;
}

/** What the hosts of the partitions end in, by how the names of their Regions begin; all others are of the first. */
const partitionSuffixes: readonly (readonly [prefix: string, suffix: string])[] = [
  ['cn-', 'amazonaws.com.cn'],
  ['eusc-', 'amazonaws.eu'],
];

/** AWS's public endpoint of CloudHSM in a Region. */
export function awsCloudHsmEndpoint(region: string): string {
  if (!/^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$/.test(region)) throw new RangeError('not the name of an AWS Region');
  const suffix = partitionSuffixes.find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'amazonaws.com';
  return `https://cloudhsmv2.${region}.${suffix}`;
}

/**
 * A client for CloudHSM. RangeError outside `dev` for an endpoint that is not AWS's, and in `dev` for one that is not AWS's
 * without credentials of its own (the developer's real ones are not shown to an emulator).
 */
export function createCloudHsmClient(options: CloudHsmClientOptions): CloudHSMV2Client {
  const endpoint = options.endpoint ?? awsCloudHsmEndpoint(options.region);
  const [finding] = evaluateStage({ stage: options.stage, backends: [], cloudHsmEndpoint: endpoint });
  if (finding !== undefined) throw new RangeError(finding.message);
  if (options.credentials === undefined && !isAwsCloudHsmEndpoint(endpoint)) {
    throw new RangeError("a CloudHSM endpoint that is not AWS's needs credentials of its own");
  }
  const client = new CloudHSMV2Client({
    region: options.region,
    endpoint,
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    maxAttempts: 2,
    retryMode: 'standard',
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    // The SDK's own provider of it looks for an application id in a profile file.
    defaultUserAgentProvider: async () => [['sealwright']],
  });
  keepRawMembers(client);
  return client;
}
