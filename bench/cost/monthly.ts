/** What a deployment costs a month while it issues nothing: what stands there, and what polls. */
import { costUsd, type PriceId, type PriceList } from '../../shared/inventory/prices.ts';

export interface MonthlyLine {
  readonly line: string;
  readonly price: PriceId;
  readonly quantity: number;
  readonly usd: number;
}

/** What is deployed. */
export interface Deployment {
  /** CAs at ACM PCA, of each mode. */
  readonly generalPurposeAuthorities: number;
  readonly shortLivedAuthorities: number;
  readonly hsms: number;
  /** Interface endpoints of the signer's VPC, each in so many zones. */
  readonly interfaceEndpoints: number;
  readonly zones: number;
  readonly natGateways: number;
  /** Event source mappings: each long-polls its queue with five receivers, idle or not. */
  readonly eventSourceMappings: number;
  /** Runs of scheduled functions a minute, and the ms that one takes. */
  readonly scheduledRunsPerMinute: number;
  readonly scheduledRunMs: number;
  readonly scheduledReadUnits: number;
  readonly alarms: number;
  readonly dashboards: number;
  readonly customMetrics: number;
  readonly customerKeys: number;
  readonly secrets: number;
  readonly hostedZones: number;
}

/** The template as it is, with a root, a subordinate and an issuance CA at ACM PCA and no HSM. */
export const managedDeployment: Deployment = {
  generalPurposeAuthorities: 3,
  shortLivedAuthorities: 0,
  hsms: 0,
  interfaceEndpoints: 0,
  zones: 2,
  natGateways: 0,
  eventSourceMappings: 2,
  scheduledRunsPerMinute: 5,
  scheduledRunMs: 300,
  scheduledReadUnits: 60,
  alarms: 52,
  dashboards: 1,
  customMetrics: 10,
  customerKeys: 2,
  secrets: 0,
  hostedZones: 1,
};

/** The same with every CA in CloudHSM: two HSMs, its signer in a VPC with endpoints instead of a NAT. */
export const hsmDeployment: Deployment = {
  ...managedDeployment,
  generalPurposeAuthorities: 0,
  hsms: 2,
  interfaceEndpoints: 3,
  scheduledRunsPerMinute: 6,
  secrets: 1,
};

const hoursOfMonth = 730;
const minutesOfMonth = hoursOfMonth * 60;
/** An event source mapping starts with five pollers, each waiting up to 20 s (Lambda Developer Guide, "SQS"). */
const idlePollsPerMinute = 15;
const memoryGb = 0.5;

/** Lines that are not zero. */
export function monthlyBill(prices: PriceList, of: Deployment): readonly MonthlyLine[] {
  const runs = of.scheduledRunsPerMinute * minutesOfMonth;
  const quantities: readonly (readonly [string, PriceId, number])[] = [
    ['CAs at ACM PCA, general purpose', 'acm-pca-general-purpose-ca-month', of.generalPurposeAuthorities],
    ['CAs at ACM PCA, short-lived', 'acm-pca-short-lived-ca-month', of.shortLivedAuthorities],
    ['HSMs', 'cloudhsm-hsm-hour', of.hsms * hoursOfMonth],
    ['Interface endpoints', 'interface-endpoint-hour', of.interfaceEndpoints * of.zones * hoursOfMonth],
    ['NAT gateways', 'nat-gateway-hour', of.natGateways * hoursOfMonth],
    ['SQS, idle polling', 'sqs-standard-request', of.eventSourceMappings * idlePollsPerMinute * minutesOfMonth],
    ['Lambda, schedules: invocations', 'lambda-request', runs],
    ['Lambda, schedules: duration', 'lambda-arm64-gb-second', ((runs * of.scheduledRunMs) / 1000) * memoryGb],
    ['DynamoDB, schedules: reads', 'dynamodb-read-request-unit', runs * of.scheduledReadUnits],
    ['Alarms', 'cloudwatch-alarm-month', of.alarms],
    ['Dashboards', 'cloudwatch-dashboard-month', of.dashboards],
    ['Metrics from logs', 'cloudwatch-metric-month', of.customMetrics],
    ['KMS keys', 'kms-key-month', of.customerKeys],
    ['Secrets', 'secrets-manager-secret-month', of.secrets],
    ['Hosted zones', 'route53-hosted-zone-month', of.hostedZones],
  ];
  return quantities.flatMap(([line, price, quantity]) =>
    quantity === 0 ? [] : [{ line, price, quantity, usd: costUsd(prices, price, quantity) }],
  );
}

/** Sum of a bill. */
export function billUsd(lines: readonly MonthlyLine[]): number {
  return lines.reduce((sum, { usd }) => sum + usd, 0);
}
