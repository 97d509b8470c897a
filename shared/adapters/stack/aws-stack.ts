import { Logger } from '@aws-lambda-powertools/logger';
import type { BackendKind } from '../../hierarchy/hierarchy.ts';
import { createAuthorityDirectory } from '../../issuance/authority-directory.ts';
import type { InventoryReads, InventoryUpkeep, RecountSource } from '../../issuance/inventory-ports.ts';
import type { AuthorityRegistry } from '../../issuance/ports.ts';
import type { CrlReader } from '../../issuance/publish-crls.ts';
import { createRequestReader } from '../../issuance/request-reader.ts';
import type { CertificateSearch } from '../../issuance/search-certificates.ts';
import { verifySignature } from '../../pki/verify-signature.ts';
import { createAlarmLog } from '../aws-lambda/alarm-log.ts';
import { createDynamoAudits } from '../dynamodb/audits.ts';
import { createDynamoAuthorities } from '../dynamodb/authorities.ts';
import { createTable } from '../dynamodb/calls.ts';
import { createDynamoSearch } from '../dynamodb/certificate-search.ts';
import { createDynamoClient } from '../dynamodb/client.ts';
import { createDynamoCredentials } from '../dynamodb/credentials.ts';
import { createDynamoCrlSource } from '../dynamodb/crl-source.ts';
import { createDynamoInventoryReads, createDynamoInventoryWork } from '../dynamodb/inventory.ts';
import { createDynamoLedger } from '../dynamodb/ledger.ts';
import { createDynamoOperatorLog, createDynamoOperators } from '../dynamodb/operators.ts';
import { createDynamoPermits } from '../dynamodb/permits.ts';
import { createDynamoRevocations } from '../dynamodb/revocations.ts';
import { createDynamoWatch } from '../dynamodb/watch.ts';
import { createCrlReader } from '../s3/crl-reader.ts';
import { createSignedReader } from '../s3/signed-reader.ts';
import { createSqsClient } from '../sqs/client.ts';
import { createSqsDeadLetters } from '../sqs/dead-letters.ts';
import { createSqsQueue } from '../sqs/queue.ts';
import {
  type CrlWork,
  enrolmentQueueName,
  receiveCountMax,
  type Stack,
  signingQueueName,
  systemClock,
} from './base.ts';
import { EnvironmentError, parseEnvironment } from './environment.ts';
import type { AwsEnvironment } from './environment-aws.ts';
import { emulatorFaults } from './environment-aws.ts';
import { packagedHierarchy } from './packaged-hierarchy.ts';

/** An emulator's endpoint, and credentials that open nothing. */
function shown({ emulatorCredentials: credentials }: AwsEnvironment, endpoint: string | undefined) {
  return endpoint === undefined || credentials === undefined ? {} : { endpoint, credentials };
}

function tableOptions(environment: AwsEnvironment) {
  const { endpoints, region, tableName } = environment;
  return { client: createDynamoClient({ region, ...shown(environment, endpoints.dynamodb) }), tableName };
}

/** Every CA that may have issued. */
function caIdsOf(registry: Pick<AuthorityRegistry, 'list'>) {
  return async () => [...new Set((await registry.list()).map(({ caId }) => caId))].sort();
}

/** Opens the stack on DynamoDB and SQS. Throws `EnvironmentError` outside stage `dev` for anything that is an emulator's. */
export function openAwsStack(environment: AwsEnvironment): Stack {
  const hierarchy = packagedHierarchy();
  const faults = emulatorFaults(environment, hierarchy.stage);
  if (faults.length > 0) throw new EnvironmentError(faults);
  const { endpoints, region } = environment;
  const options = tableOptions(environment);
  const sqs = createSqsClient({ region, ...shown(environment, endpoints.sqs) });
  const logger = new Logger({ serviceName: 'sealwright', logLevel: environment.logLevel });
  const table = createTable(options);
  const registry = createDynamoAuthorities(table);
  const enrolmentCredentials = createDynamoCredentials(table);
  const ledger = createDynamoLedger(options);
  const queues = new Map(
    [...environment.queues].map(([name, { url }]) => [
      name,
      createSqsQueue({ client: sqs, queueUrl: url, clock: systemClock }),
    ]),
  );
  return {
    environment,
    hierarchy,
    clock: systemClock,
    logger,
    raise: createAlarmLog(logger, systemClock),
    ledger,
    durable: undefined,
    // Each function sees a request once: there is nothing to remember.
    requests: createRequestReader({ rememberedMax: 0 }),
    verify: verifySignature,
    sign: undefined,
    watch: createDynamoWatch({ ...options, clock: systemClock }),
    credentials: enrolmentCredentials,
    operators: createDynamoOperators(table),
    operatorLog: createDynamoOperatorLog(table),
    registry,
    authorities: createAuthorityDirectory(registry, systemClock),
    audits: createDynamoAudits(table),
    revocations: createDynamoRevocations(table),
    permits: createDynamoPermits(table),
    // Parsing has refused an environment without it.
    enrolmentQueue: queues.get(enrolmentQueueName)!,
    signingQueue: (backend) =>
      environment.backends.has(backend as BackendKind) ? queues.get(signingQueueName(backend)) : undefined,
    deadLetters: createSqsDeadLetters({
      client: sqs,
      queues: [...environment.queues].map(([name, { url, deadLetterUrl }]) => ({
        name,
        queueUrl: url,
        deadLetterQueueUrl: deadLetterUrl,
        receiveCountMax,
      })),
    }),
    walBytes: undefined,
    async close() {
      options.client.destroy();
      sqs.destroy();
    },
  };
}

let opened: Stack | undefined;

/** The stack of this Lambda, opened at its first invocation. Throws `EnvironmentError` with every fault. */
export function openProcessStack(): Stack {
  if (opened !== undefined) return opened;
  const environment = parseEnvironment(process.env);
  if (environment.stack !== 'aws')
    throw new EnvironmentError(['SEALWRIGHT_STACK is "embedded": a bundle for Lambda has the aws stack alone']);
  opened = openAwsStack(environment);
  return opened;
}

/** The search of the inventory: in the bundle of the function that answers it, and in no other. */
export function openSearch({ credentials, environment, registry }: Stack): CertificateSearch | undefined {
  if (environment.stack !== 'aws') throw new EnvironmentError(['the stack is not the aws stack']);
  const credential = (id: string) => credentials.get(id);
  return createDynamoSearch({ table: createTable(tableOptions(environment)), caIds: caIdsOf(registry), credential });
}

/** What counters and contacts are read with: in the bundles of the functions that tell of them. */
export function openInventoryReads({ clock, credentials, environment, ledger, registry }: Stack): InventoryReads {
  if (environment.stack !== 'aws') throw new EnvironmentError(['the stack is not the aws stack']);
  return createDynamoInventoryReads({
    table: createTable(tableOptions(environment)),
    ledger,
    clock,
    fleetOfCredential: async (id) => (await credentials.get(id))?.fleet,
    caIds: caIdsOf(registry),
  });
}

/** What the upkeep writes and a recount reads. */
export function openInventoryWork({ environment, registry }: Stack): InventoryUpkeep & RecountSource {
  if (environment.stack !== 'aws') throw new EnvironmentError(['the stack is not the aws stack']);
  return createDynamoInventoryWork(createTable(tableOptions(environment)), caIdsOf(registry));
}

/**
 * Our own CRLs, as they are published, in a function that names the bucket. Without the client of the SDK, and with the credentials
 * that the table is read with.
 */
export function openCrlReader({ environment }: Stack): CrlReader | undefined {
  if (environment.stack !== 'aws' || environment.crlBucket === undefined) return undefined;
  const { crlBucket, endpoints, region } = environment;
  const { credentials } = tableOptions(environment).client.config;
  const endpoint = endpoints.s3 === undefined ? {} : { endpoint: endpoints.s3 };
  return createCrlReader(createSignedReader({ region, credentials, ...endpoint }), crlBucket);
}

/** What CRLs are made from, and the bucket they are published in. Throws `EnvironmentError` where none is named. */
export async function openCrlWork({ environment }: Stack): Promise<CrlWork> {
  if (environment.stack !== 'aws') throw new EnvironmentError(['the stack is not the aws stack']);
  const { crlBucket, endpoints, region } = environment;
  if (crlBucket === undefined) throw new EnvironmentError(['SEALWRIGHT_CRL_BUCKET is missing']);
  const { createS3CrlObjects } = await import('../s3/crl-objects.ts');
  const { createS3Client } = await import('../s3/client.ts');
  const client = createS3Client({ region, ...shown(environment, endpoints.s3) });
  return {
    crlSource: createDynamoCrlSource(createTable(tableOptions(environment))),
    crlObjects: createS3CrlObjects(client, crlBucket),
  };
}
