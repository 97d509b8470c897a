import { Logger } from '@aws-lambda-powertools/logger';
import type { BackendKind } from '../../hierarchy/hierarchy.ts';
import { createAuthorityDirectory } from '../../issuance/authority-directory.ts';
import { createAlarmLog } from '../aws-lambda/alarm-log.ts';
import { createDynamoAudits } from '../dynamodb/audits.ts';
import { createDynamoAuthorities } from '../dynamodb/authorities.ts';
import { createTable } from '../dynamodb/calls.ts';
import { createDynamoClient } from '../dynamodb/client.ts';
import { createDynamoCredentials } from '../dynamodb/credentials.ts';
import { createDynamoInventory } from '../dynamodb/inventory.ts';
import { createDynamoLedger } from '../dynamodb/ledger.ts';
import { createDynamoOperatorLog, createDynamoOperators } from '../dynamodb/operators.ts';
import { createDynamoPermits } from '../dynamodb/permits.ts';
import { createDynamoRevocations } from '../dynamodb/revocations.ts';
import { createDynamoWatch } from '../dynamodb/watch.ts';
import { createSqsClient } from '../sqs/client.ts';
import { createSqsDeadLetters } from '../sqs/dead-letters.ts';
import { createSqsQueue } from '../sqs/queue.ts';
import { enrolmentQueueName, receiveCountMax, type Stack, signingQueueName, systemClock } from './base.ts';
import { EnvironmentError, parseEnvironment } from './environment.ts';
import type { AwsEnvironment } from './environment-aws.ts';
import { emulatorFaults } from './environment-aws.ts';
import { packagedHierarchy } from './packaged-hierarchy.ts';

/** Opens the stack on DynamoDB and SQS. Throws `EnvironmentError` outside stage `dev` for anything that is an emulator's. */
export function openAwsStack(environment: AwsEnvironment): Stack {
  const hierarchy = packagedHierarchy();
  const faults = emulatorFaults(environment, hierarchy.stage);
  if (faults.length > 0) throw new EnvironmentError(faults);
  const { endpoints, region, tableName } = environment;
  const credentials = environment.emulatorCredentials;
  const shown = (endpoint: string | undefined) =>
    endpoint === undefined || credentials === undefined ? {} : { endpoint, credentials };
  const options = { client: createDynamoClient({ region, ...shown(endpoints.dynamodb) }), tableName };
  const sqs = createSqsClient({ region, ...shown(endpoints.sqs) });
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
    watch: createDynamoWatch({ ...options, clock: systemClock }),
    credentials: enrolmentCredentials,
    operators: createDynamoOperators(table),
    operatorLog: createDynamoOperatorLog(table),
    registry,
    authorities: createAuthorityDirectory(registry, systemClock),
    audits: createDynamoAudits(table),
    revocations: createDynamoRevocations(table),
    crlSource: undefined,
    search: undefined,
    crlObjects: undefined,
    permits: createDynamoPermits(table),
    inventory: createDynamoInventory({
      table,
      ledger,
      clock: systemClock,
      fleetOfCredential: async (id) => (await enrolmentCredentials.get(id))?.fleet,
      caIds: async () => [...new Set((await registry.list()).map(({ caId }) => caId))].sort(),
    }),
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
