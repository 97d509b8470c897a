import { join } from 'node:path';
import type { Logger } from '@aws-lambda-powertools/logger';
import type { Hierarchy } from '../../hierarchy/hierarchy.ts';
import type { RaiseAlarm } from '../../issuance/alarms.ts';
import type { AuthorityDirectory } from '../../issuance/authority-directory.ts';
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
  WorkQueue,
} from '../../issuance/ports.ts';
import type { CrlObjects } from '../../issuance/publish-crls.ts';
import type { RequestReader } from '../../issuance/request-reader.ts';
import type { CrlSource, RevocationStore } from '../../issuance/revocation-ports.ts';
import type { VerifySignature } from '../../pki/verify-signature.ts';
import type { Sign } from '../software/sign.ts';
import type { Environment } from './environment.ts';

/** What the functions of one deployment share: configuration, ledger, queues. Signing backends are the signer's alone. */
export interface Stack {
  readonly environment: Environment;
  readonly hierarchy: Hierarchy;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The one way to the log's levels ERROR and CRITICAL. */
  readonly raise: RaiseAlarm;
  readonly ledger: IssuanceLedger;
  /** Resolves when what the ledger has answered is durable; undefined where every answer is. */
  readonly durable: (() => Promise<void>) | undefined;
  readonly requests: RequestReader;
  readonly verify: VerifySignature;
  /** Signs off the main thread, with keys of this process; undefined where nothing else waits for the main thread. */
  readonly sign: Sign | undefined;
  readonly watch: IssuanceWatch;
  readonly credentials: CredentialStore;
  readonly operators: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly registry: AuthorityRegistry;
  readonly authorities: AuthorityDirectory;
  readonly audits: AuditStore;
  readonly revocations: RevocationStore;
  readonly permits: PermitStore;
  readonly enrolmentQueue: WorkQueue;
  /** The queue of the signer for a kind of backend; undefined when there is no such signer. */
  readonly signingQueue: (backend: string) => WorkQueue | undefined;
  readonly deadLetters: DeadLetterStore;
  /** Bytes of the ledger's write-ahead log; undefined where the ledger has none. */
  readonly walBytes: (() => number) | undefined;
  close(): Promise<void>;
}

/** What CRLs are made from, and where they are published. */
export interface CrlWork {
  readonly crlSource: CrlSource;
  readonly crlObjects: CrlObjects;
}

/** Queue names of the embedded stack; the same as the `sealwright:queue` tags in serverless.yml. */
export const enrolmentQueueName = 'enrolment';
export function signingQueueName(backend: string): string {
  return `signing-${backend}`;
}

/** A message delivered this often without success goes to its dead-letter queue; the same as maxReceiveCount in serverless.yml. */
export const receiveCountMax = 10;

export const systemClock: Clock = () => Date.now();

/** The ledger of the embedded stack within its state folder. */
export function ledgerFile(stateDir: string): string {
  return join(stateDir, 'ledger.sqlite');
}
