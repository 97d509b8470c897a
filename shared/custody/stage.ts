import type { CustodyFinding, CustodyFindingCode } from './finding.ts';
import { isSoftHsm } from './softhsm.ts';

/** What a process is about to start with. Absent facts are not judged. */
export interface StageFacts {
  readonly stage: 'dev' | 'prod';
  /** Kinds of the backends that are configured. */
  readonly backends: readonly ('acm-pca' | 'pkcs11' | 'software')[];
  /** The endpoint the SDK would call where it is not the default, from whatever variable or option it comes. */
  readonly acmPcaEndpoint?: string;
  readonly cloudHsmEndpoint?: string;
  /** Accounts of the credentials, the CA ARNs and the queues. */
  readonly accountIds?: readonly string[];
  readonly module?: { readonly manufacturer: string; readonly model: string };
}

/** LocalStack's and MiniStack's account, and moto's, which is also the one in AWS's examples. */
const emulatorAccountIds: readonly string[] = ['000000000000', '123456789012'];

/**
 * Why a process must not start: [] in dev; outside it every software backend, SoftHSM, ACM PCA endpoint that is not AWS's
 * and emulator account. Each finding stops.
 */
export function evaluateStage(facts: StageFacts): readonly CustodyFinding[] {
  const { stage, backends, acmPcaEndpoint, cloudHsmEndpoint, accountIds = [], module } = facts;
  if (stage === 'dev') return [];
  const findings: CustodyFinding[] = [];
  const add = (code: CustodyFindingCode, message: string) => findings.push({ code, message, severity: 'stop' });
  if (backends.includes('software'))
    add('software-backend-outside-dev', `the software backend is for stage dev, not ${stage}`);
  if (isSoftHsm(module))
    add('softhsm-outside-dev', `the PKCS #11 module is SoftHSM, which is for stage dev, not ${stage}`);
  if (acmPcaEndpoint !== undefined && !isAwsAcmPcaEndpoint(acmPcaEndpoint)) {
    add('endpoint-not-aws', `the ACM PCA endpoint '${shown(acmPcaEndpoint)}' is not one of AWS's`);
  }
  if (cloudHsmEndpoint !== undefined && !isAwsCloudHsmEndpoint(cloudHsmEndpoint)) {
    add('endpoint-not-aws', `the CloudHSM endpoint '${shown(cloudHsmEndpoint)}' is not one of AWS's`);
  }
  for (const accountId of new Set(accountIds)) {
    if (/^[0-9]{12}$/.test(accountId) && !emulatorAccountIds.includes(accountId)) continue;
    add('emulator-account', `'${shown(accountId)}' is not an AWS account but an emulator's`);
  }
  return findings;
}

/**
 * The names AWS serves an API under: standard and FIPS, IPv4-only and dual-stack (api.aws), the China and European Sovereign
 * Cloud partitions, and interface endpoints of a VPC. Source: AWS General Reference, "Service endpoints and quotas".
 */
function awsHosts(service: 'acm-pca' | 'cloudhsmv2'): readonly RegExp[] {
  const region = '[a-z]{2,4}(?:-[a-z]+){1,3}-[0-9]{1,2}';
  const name = `${service}(?:-fips)?\\.${region}\\.`;
  return [
    new RegExp(`^${name}(?:amazonaws\\.com|amazonaws\\.com\\.cn|amazonaws\\.eu)$`),
    new RegExp(`^${name}(?:api\\.aws|api\\.amazonwebservices\\.com\\.cn|api\\.amazonwebservices\\.eu)$`),
    new RegExp(`^vpce-[a-z0-9-]{1,63}\\.${name}vpce\\.(?:amazonaws\\.com|amazonaws\\.com\\.cn)$`),
  ];
}

const awsHostsOf = { 'acm-pca': awsHosts('acm-pca'), cloudhsmv2: awsHosts('cloudhsmv2') };

function isAwsEndpoint(endpoint: string, hosts: readonly RegExp[]): boolean {
  if (!/^https:\/\/[!-~]+$/i.test(endpoint) || !URL.canParse(endpoint)) return false;
  const url = new URL(endpoint);
  const isBare = url.username === '' && url.password === '' && url.port === '' && url.search === '' && url.hash === '';
  return isBare && url.pathname === '/' && hosts.some((host) => host.test(url.hostname));
}

/** True for a URL of AWS's own: https, no port, no path, no user. */
export function isAwsAcmPcaEndpoint(endpoint: string): boolean {
  return isAwsEndpoint(endpoint, awsHostsOf['acm-pca']);
}

export function isAwsCloudHsmEndpoint(endpoint: string): boolean {
  return isAwsEndpoint(endpoint, awsHostsOf.cloudhsmv2);
}

function shown(text: string): string {
  return text.slice(0, 120).replace(/[^\x20-\x7e]/g, '?');
}
