import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Logger } from '@aws-lambda-powertools/logger';
import type { BackendKind, Hierarchy } from '../../hierarchy/hierarchy.ts';
import { parseHierarchy } from '../../hierarchy/hierarchy.ts';
import type { RaiseAlarm } from '../../issuance/alarms.ts';
import { type AuthorityDirectory, createAuthorityDirectory } from '../../issuance/authority-directory.ts';
import type { PermitStore } from '../../issuance/permits.ts';
import type {
  AuditStore,
  AuthorityRegistry,
  Clock,
  CredentialStore,
  DeadLetterStore,
  IssuanceLedger,
  IssuanceWatch,
  OperatorLog,
  OperatorStore,
  QueueConsumer,
  WorkQueue,
} from '../../issuance/ports.ts';
import { createAlarmLog } from '../aws-lambda/alarm-log.ts';
import { openSqliteStore } from '../sqlite/store.ts';
import { type Environment, parseEnvironment } from './environment.ts';

/** What the functions of one deployment share: configuration, ledger, queues. Signing backends are the signer's alone. */
export interface Stack {
  readonly environment: Environment;
  readonly hierarchy: Hierarchy;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The one way to the log's levels ERROR and CRITICAL. */
  readonly raise: RaiseAlarm;
  readonly ledger: IssuanceLedger;
  readonly watch: IssuanceWatch;
  readonly credentials: CredentialStore;
  readonly operators: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly registry: AuthorityRegistry;
  readonly authorities: AuthorityDirectory;
  readonly audits: AuditStore;
  readonly permits: PermitStore;
  readonly enrolmentQueue: WorkQueue;
  /** The queue of the signer for a kind of backend; undefined when there is no such signer. */
  readonly signingQueue: (backend: string) => WorkQueue | undefined;
  readonly deadLetters: DeadLetterStore;
  close(): Promise<void>;
}

/** Queue names of the embedded stack; the same as the `sealwright:queue` tags in serverless.yml. */
export const enrolmentQueueName = 'enrolment';
export function signingQueueName(backend: string): string {
  return `signing-${backend}`;
}

/** A message delivered this often without success goes to its dead-letter queue; the same as maxReceiveCount in serverless.yml. */
export const receiveCountMax = 10;

export class HierarchyError extends Error {
  readonly code = 'hierarchy-invalid';
}

/** Reads hierarchy.yaml. Throws `HierarchyError` whose message lists every fault with its line. */
export function readHierarchy(file: string): Hierarchy {
  const result = parseHierarchy(readFileSync(file, 'utf8'));
  if (result.ok) return result.hierarchy;
  const faults = result.faults.map(
    ({ line, column, message, code }) => `  ${file}:${line}:${column}  ${message}  (${code})`,
  );
  throw new HierarchyError(
    `the hierarchy is refused, ${faults.length === 1 ? 'for one fault' : `for ${faults.length} faults`}:\n${faults.join('\n')}`,
  );
}

export function ledgerFile(stateDir: string): string {
  return join(stateDir, 'ledger.sqlite');
}

export interface EmbeddedStack extends Stack {
  /** The consumer's side of a queue, for the event source mappings of the embedded host. */
  readonly queue: (name: string) => WorkQueue & QueueConsumer;
  /** Bytes of the ledger's write-ahead log. */
  readonly walBytes: () => number;
}

const systemClock: Clock = () => Date.now();

/** Opens the stack that an environment describes. */
export function openStack(environment: Environment): EmbeddedStack {
  const hierarchy = readHierarchy(environment.hierarchyFile);
  const store = openSqliteStore({ path: ledgerFile(environment.stateDir), clock: systemClock });
  const logger = new Logger({ serviceName: 'sealwright', logLevel: environment.logLevel });
  const queues = new Map<string, WorkQueue & QueueConsumer>();
  const queue = (name: string) => {
    let found = queues.get(name);
    if (found === undefined) {
      found = store.queue(name, { receiveCountMax, deadLetterQueue: `${name}-dead` });
      queues.set(name, found);
    }
    return found;
  };
  return {
    environment,
    hierarchy,
    clock: systemClock,
    logger,
    raise: createAlarmLog(logger, systemClock),
    ledger: store.ledger,
    watch: store.watch,
    credentials: store.credentials,
    operators: store.operators,
    operatorLog: store.operatorLog,
    registry: store.authorities,
    authorities: createAuthorityDirectory(store.authorities, systemClock),
    audits: store.audits,
    permits: store.permits,
    enrolmentQueue: queue(enrolmentQueueName),
    signingQueue: (backend) =>
      environment.backends.has(backend as BackendKind) ? queue(signingQueueName(backend)) : undefined,
    deadLetters: store.deadLetters,
    queue,
    walBytes: () => store.stats().walBytes,
    close: async () => store.close(),
  };
}

let shared: EmbeddedStack | undefined;

/** The stack of this process, opened at the first call: what every wiring of the process stands on. */
export function processStack(): EmbeddedStack {
  shared ??= openStack(parseEnvironment(process.env));
  return shared;
}
