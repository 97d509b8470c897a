/**
 * What one certificate uses of AWS, from the POST to the first GET, and what a million of them cost. Counts and request
 * units are measured, CPU is measured on this machine; how long a call of a service takes there is an assumption, and is said.
 */
import { costUsd, type PriceId, type PriceList, pricesAsOf } from '../../shared/inventory/prices.ts';

export type CostPath = 'pkcs11' | 'acm-pca';

/** Request units of a certificate, as docs/data-model-costs.json has them. */
export interface LedgerUse {
  readonly path: CostPath;
  readonly batch: number;
  readonly requests: number;
  readonly readUnits: number;
  readonly tableWriteUnits: number;
  readonly indexWriteUnits: number;
}

/** CPU of one certificate in each handler, in ms of a whole CPU of this machine, without the SDK's. */
export interface CpuUse {
  readonly enrollMs: number;
  readonly certificatesMs: number;
  readonly validatorMs: number;
  readonly signerMs: number;
  /** CPU of one call of a service through the SDK. */
  readonly sdkCallMs: number;
}

/** What cannot be measured off AWS. Durations are of calls inside one Region. */
export interface Assumptions {
  readonly dynamoDbCallMs: number;
  readonly sqsCallMs: number;
  /** A batch at ACM PCA, from the first IssueCertificate to the last GetCertificate. */
  readonly acmPcaBatchMs: number;
  readonly hsmSignMs: number;
  /** GETs of a certificate: the first one that finds it, and polls before it. */
  readonly getsPerCertificate: number;
  /** Times that an issuance waits for its turn at ACM PCA, each a message more. */
  readonly deferralsPerCertificate: number;
  /** START, END and REPORT of an invocation, with 26 B that CloudWatch counts for each event. */
  readonly logBytesPerInvocation: number;
  readonly accessLogBytesPerRequest: number;
  readonly answerBytesPerCertificate: number;
}

export const defaultAssumptions: Assumptions = {
  dynamoDbCallMs: 8,
  sqsCallMs: 12,
  acmPcaBatchMs: 1500,
  hsmSignMs: 3,
  getsPerCertificate: 1,
  deferralsPerCertificate: 1,
  logBytesPerInvocation: 400,
  accessLogBytesPerRequest: 350,
  answerBytesPerCertificate: 7000,
};

export const memoryMb = 512;
/** Lambda gives a function one vCPU at 1,769 MB, and of it by memory below (Developer Guide, "Configure memory"). */
const vCpuMb = 1769;
const million = 1_000_000;

export interface CostLine {
  readonly line: string;
  readonly price: PriceId;
  /** Of one certificate, in the price's unit. */
  readonly perCertificate: number;
  readonly usdPerMillion: number;
}

export interface MillionCost {
  readonly path: CostPath;
  readonly batch: number;
  readonly lines: readonly CostLine[];
  readonly usdPerMillion: number;
  /** Lambda's duration of a certificate, ms, by function. */
  readonly durationMs: Readonly<Record<'enroll' | 'certificates' | 'validator' | 'signer', number>>;
  readonly pricesAsOf: string;
}

export interface Usage {
  readonly ledger: LedgerUse;
  readonly cpu: CpuUse;
  readonly assumptions: Assumptions;
}

/** Requests to the ledger of the two HTTP calls; what is left of a certificate's is the validator's and the signer's. */
const enrollLedgerRequests = 2;
const getLedgerRequests = 2;
/** Each HTTP call finds the caller's credential: one read that is strongly consistent, of at most 4 KB. */
const callerReads = 1;

/** ms that a certificate's share of an invocation takes: what waits, and its CPU at the function's share of one. */
function durations({ ledger, cpu, assumptions }: Usage): MillionCost['durationMs'] {
  const { dynamoDbCallMs, sqsCallMs, acmPcaBatchMs, hsmSignMs } = assumptions;
  const share = memoryMb / vCpuMb;
  const onFunction = (cpuMs: number, calls: number): number => (cpuMs + calls * cpu.sdkCallMs) / share;
  const behind = Math.max(0, ledger.requests - enrollLedgerRequests - getLedgerRequests) / 2;
  const signing = ledger.path === 'acm-pca' ? acmPcaBatchMs / ledger.batch : hsmSignMs;
  const signerCalls = behind + (ledger.path === 'acm-pca' ? 2 : 0);
  const httpCalls = enrollLedgerRequests + callerReads;
  return {
    enroll: httpCalls * dynamoDbCallMs + sqsCallMs + onFunction(cpu.enrollMs, httpCalls + 1),
    certificates:
      (getLedgerRequests + callerReads) * dynamoDbCallMs +
      onFunction(cpu.certificatesMs, getLedgerRequests + callerReads),
    validator:
      behind * dynamoDbCallMs + sqsCallMs / ledger.batch + onFunction(cpu.validatorMs, behind + 1 / ledger.batch),
    signer: behind * dynamoDbCallMs + signing + onFunction(cpu.signerMs, signerCalls),
  };
}

/** SQS requests: sent by the POST alone, then in batches; each message is received and deleted, by Lambda, in batches. */
function queueRequests({ ledger, assumptions }: Usage): number {
  const inBatches = 1 / ledger.batch;
  const deferrals = ledger.path === 'acm-pca' ? assumptions.deferralsPerCertificate : 0;
  return 1 + 2 * inBatches + 3 * inBatches * (1 + deferrals);
}

export interface Lever {
  readonly lever: string;
  readonly usdPerMillion: number;
}

const secondsOfHour = 3600;
/** Of what is provisioned; auto scaling keeps to this unless told otherwise. */
const provisionedShareUsed = 0.7;

function provisionedUsd(prices: PriceList, price: PriceId, unitsPerCertificate: number): number {
  const unitHours = (unitsPerCertificate * million) / secondsOfHour / provisionedShareUsed;
  return costUsd(prices, price, unitHours);
}

/** Write units a certificate that an amount leaves room for on demand, when all the rest is as it is; negative for none. */
export function writeUnitsWithin(prices: PriceList, usage: Usage, usdPerMillion: number): number {
  const { lines } = costOfMillion(prices, usage);
  const others = lines.filter(({ price }) => price !== 'dynamodb-write-request-unit');
  const room = usdPerMillion - others.reduce((sum, one) => sum + one.usdPerMillion, 0);
  return room / costUsd(prices, 'dynamodb-write-request-unit', million);
}

/** What a million would cost otherwise: each alone, then both. Nothing of it is done. */
export function leversOf(prices: PriceList, usage: Usage): readonly Lever[] {
  const { ledger } = usage;
  const once: Usage = { ...usage, ledger: { ...ledger, indexWriteUnits: ledger.indexWriteUnits / 2 } };
  const withProvisioned = (of: Usage): number => {
    const { lines } = costOfMillion(prices, of);
    const others = lines
      .filter(({ line }) => !line.startsWith('DynamoDB'))
      .reduce((sum, one) => sum + one.usdPerMillion, 0);
    const { readUnits, tableWriteUnits, indexWriteUnits } = of.ledger;
    const reads = readUnits + callerReads * (1 + of.assumptions.getsPerCertificate);
    return (
      others +
      provisionedUsd(prices, 'dynamodb-provisioned-write-unit-hour', tableWriteUnits + indexWriteUnits) +
      provisionedUsd(prices, 'dynamodb-provisioned-read-unit-hour', reads)
    );
  };
  return [
    {
      lever: 'index writes of a transaction counted once, not twice',
      usdPerMillion: costOfMillion(prices, once).usdPerMillion,
    },
    { lever: 'DynamoDB provisioned, 70 % of it used, at a steady rate', usdPerMillion: withProvisioned(usage) },
    { lever: 'both', usdPerMillion: withProvisioned(once) },
  ];
}

/** Lines of a million certificates, without the fees of the CA: those are by CA and by certificate, and known beforehand. */
export function costOfMillion(prices: PriceList, usage: Usage): MillionCost {
  const { ledger, assumptions } = usage;
  const { getsPerCertificate } = assumptions;
  const httpRequests = 1 + getsPerCertificate;
  const deferrals = ledger.path === 'acm-pca' ? assumptions.deferralsPerCertificate : 0;
  const invocations = httpRequests + (2 + deferrals) / ledger.batch;
  const durationMs = durations(usage);
  const { enroll, certificates, validator, signer } = durationMs;
  const totalMs = enroll + certificates * getsPerCertificate + validator + signer;
  const logBytes =
    invocations * assumptions.logBytesPerInvocation + httpRequests * assumptions.accessLogBytesPerRequest;
  const line = (name: string, price: PriceId, perCertificate: number): CostLine => ({
    line: name,
    price,
    perCertificate,
    usdPerMillion: costUsd(prices, price, perCertificate * million),
  });
  const lines = [
    line('DynamoDB writes, table', 'dynamodb-write-request-unit', ledger.tableWriteUnits),
    line('DynamoDB writes, indexes', 'dynamodb-write-request-unit', ledger.indexWriteUnits),
    line('DynamoDB reads', 'dynamodb-read-request-unit', ledger.readUnits + httpRequests * callerReads),
    line('API Gateway requests', 'api-gateway-http-request', httpRequests),
    line('SQS requests', 'sqs-standard-request', queueRequests(usage)),
    line('Lambda invocations', 'lambda-request', invocations),
    line('Lambda duration', 'lambda-arm64-gb-second', (totalMs / 1000) * (memoryMb / 1024)),
    line('CloudWatch logs', 'cloudwatch-logs-ingested-gb', logBytes / 1e9),
    line('Data out to devices', 'data-transfer-out-gb', assumptions.answerBytesPerCertificate / 1e9),
  ];
  return {
    path: ledger.path,
    batch: ledger.batch,
    lines,
    usdPerMillion: lines.reduce((sum, { usdPerMillion }) => sum + usdPerMillion, 0),
    durationMs,
    pricesAsOf: pricesAsOf(
      prices,
      lines.map(({ price }) => price),
    ),
  };
}
