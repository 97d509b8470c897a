import { join } from 'node:path';
import { Logger } from '@aws-lambda-powertools/logger';
import type { BackendKind } from '../../hierarchy/hierarchy.ts';
import { createAuthorityDirectory } from '../../issuance/authority-directory.ts';
import type { InventoryReads, InventoryUpkeep, RecountSource } from '../../issuance/inventory-ports.ts';
import type { QueueConsumer, WorkQueue } from '../../issuance/ports.ts';
import type { CrlReader } from '../../issuance/publish-crls.ts';
import { createRequestReader } from '../../issuance/request-reader.ts';
import type { CertificateSearch } from '../../issuance/search-certificates.ts';
import { createAlarmLog } from '../aws-lambda/alarm-log.ts';
import { createCryptoThreads } from '../crypto-thread/crypto-threads.ts';
import { createFileCrlObjects } from '../files/crl-objects.ts';
import { createPace, pacedBy } from '../sqlite/pace.ts';
import { openSqliteStore } from '../sqlite/store.ts';
import {
  type CrlWork,
  enrolmentQueueName,
  ledgerFile,
  receiveCountMax,
  type Stack,
  signingQueueName,
  systemClock,
} from './base.ts';
import { type EmbeddedEnvironment, EnvironmentError, parseEnvironment } from './environment.ts';
import { readHierarchy } from './hierarchy-file.ts';

export interface EmbeddedStack extends Stack {
  /** The consumer's side of a queue, for the event source mappings of the embedded host. */
  readonly queue: (name: string) => WorkQueue & QueueConsumer;
  readonly walBytes: () => number;
  readonly crls: CrlWork;
  readonly inventory: InventoryReads & InventoryUpkeep & RecountSource;
  readonly search: CertificateSearch;
}

/** Opens the stack that an environment describes. */
export function openEmbeddedStack(environment: EmbeddedEnvironment): EmbeddedStack {
  const hierarchy = readHierarchy(environment.hierarchyFile);
  const pace = createPace();
  const store = openSqliteStore({ path: ledgerFile(environment.stateDir), clock: systemClock, early: true, pace });
  const logger = new Logger({ serviceName: 'sealwright', logLevel: environment.logLevel });
  const cryptography = createCryptoThreads({
    onEnd: (error) => logger.warn('a thread for signatures has ended: others do its work for now', { error }),
  });
  // Under way, to whoever waits for what they lead to.
  const verify = pacedBy(pace, cryptography.verify);
  const sign = pacedBy(pace, cryptography.sign);
  const queues = new Map<string, WorkQueue & QueueConsumer>();
  const queue = (name: string) => {
    let found = queues.get(name);
    if (found === undefined) {
      found = store.queue(name, { receiveCountMax, deadLetterQueue: `${name}-dead` });
      queues.set(name, found);
    }
    return found;
  };
  // Now, while no transaction is open that could take a new queue's row with it when it is lost.
  for (const backend of environment.backends) queue(signingQueueName(backend));
  return {
    environment,
    hierarchy,
    clock: systemClock,
    logger,
    raise: createAlarmLog(logger, systemClock),
    ledger: store.ledger,
    durable: store.durable,
    requests: createRequestReader({ verify }),
    verify,
    sign,
    watch: store.watch,
    credentials: store.credentials,
    operators: store.operators,
    operatorLog: store.operatorLog,
    registry: store.authorities,
    authorities: createAuthorityDirectory(store.authorities, systemClock),
    audits: store.audits,
    revocations: store.revocations,
    crls: {
      crlSource: store.revocations,
      crlObjects: createFileCrlObjects(join(environment.stateDir, 'crls')),
    },
    search: store.search,
    permits: store.permits,
    inventory: store.inventory,
    enrolmentQueue: queue(enrolmentQueueName),
    signingQueue: (backend) =>
      environment.backends.has(backend as BackendKind) ? queue(signingQueueName(backend)) : undefined,
    deadLetters: store.deadLetters,
    queue,
    walBytes: () => store.stats().walBytes,
    async close() {
      await cryptography.close();
      store.close();
    },
  };
}

let opened: EmbeddedStack | undefined;

/** The stack of this process, opened at the first call. Throws `EnvironmentError` with every fault. */
export function processEmbeddedStack(): EmbeddedStack {
  if (opened !== undefined) return opened;
  const environment = parseEnvironment(process.env);
  if (environment.stack !== 'embedded')
    throw new EnvironmentError(['SEALWRIGHT_STACK is "aws": the functions of that stack run from their bundles']);
  opened = openEmbeddedStack(environment);
  return opened;
}

export const openProcessStack = processEmbeddedStack;

/** What the upkeep writes and a recount reads: the ledger's own process has it. */
export function openInventoryWork(_stack: Stack): InventoryUpkeep & RecountSource {
  return processEmbeddedStack().inventory;
}

export function openInventoryReads(_stack: Stack): InventoryReads {
  return processEmbeddedStack().inventory;
}

export function openSearch(_stack: Stack): CertificateSearch | undefined {
  return processEmbeddedStack().search;
}

export function openCrlReader(_stack: Stack): CrlReader | undefined {
  return processEmbeddedStack().crls.crlObjects;
}

export async function openCrlWork(_stack: Stack): Promise<CrlWork> {
  return processEmbeddedStack().crls;
}
