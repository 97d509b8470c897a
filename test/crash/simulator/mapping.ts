/**
 * Event source mappings in virtual time: the embedded host's own poller and the functions' own `runBatch`, in loops that a
 * schedule wakes. As Lambda has it, a failed message comes back after the whole of its visibility timeout, and an invocation
 * that is too long is ended.
 */
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { pollOnce } from '../../../localstack/embedded/event-source-mapping.ts';
import { type BatchContext, runBatch } from '../../../shared/adapters/aws-lambda/queue-batch.ts';
import type { SqliteQueue } from '../../../shared/adapters/sqlite/queue.ts';
import type { ItemOutcome } from '../../../shared/issuance/batch.ts';
import type { QueueConsumer } from '../../../shared/issuance/ports.ts';
import type { EpochMs } from '../../../shared/pki/epoch.ts';
import type { Calls } from './calls.ts';
import type { Role } from './faults.ts';
import type { Kernel } from './kernel.ts';
import type { QueueName } from './ports.ts';
import { type Process, runWork, type Work } from './processes.ts';

/** As serverless.yml has it. */
export const visibilityMs = 180_000;
const errorPauseMs = 1_000;

export interface MappingParts {
  readonly kernel: Kernel;
  readonly calls: Calls;
  readonly role: 'validate' | 'sign-pca' | 'sign-hsm';
  readonly queueName: QueueName;
  readonly queue: SqliteQueue;
  /** When the next message of a queue is or was visible; undefined when there is none. */
  readonly visibleNext: (queue: QueueName) => EpochMs | undefined;
  readonly batchSize: number;
  readonly windowMs: number;
  readonly concurrencyMax: number;
  readonly retry: 'backoff' | 'visibility';
  /** Where the poller runs; undefined while that is down. */
  readonly poller: () => Process | undefined;
  /** Where the function runs its next invocation; undefined while that is down. */
  readonly sandbox: (role: Role) => Process | undefined;
  /** Ends an invocation that takes longer; undefined when the host lets it run. */
  readonly timeoutMs: number | undefined;
  readonly handle: (process: Process, issuanceIds: readonly string[]) => Promise<readonly ItemOutcome[]>;
  readonly onDelivered: (work: Work, overlapping: ReadonlySet<string>) => void;
  /** After an answer of the function. */
  readonly onHandled: () => void;
  /** The mapping was made without ReportBatchItemFailures. */
  readonly ignoresFailures: boolean;
  readonly trace: (text: string) => void;
}

export interface Mapping {
  readonly role: 'validate' | 'sign-pca' | 'sign-hsm';
  readonly queueName: QueueName;
  readonly queue: SqliteQueue;
  /** Looks at the queue after `delayMs`. */
  wake(delayMs: number): void;
  /** Messages were sent: looks when its window is over. */
  gather(): void;
  /** Receives at once, beyond its concurrency if need be, `countMax` messages. */
  poll(countMax: number): void;
  /** Receives nothing until then. */
  pauseUntil(at: EpochMs): void;
  /** After its host has started again: nothing is under way. */
  reset(): void;
  readonly active: number;
}

export function createMapping(parts: MappingParts): Mapping {
  const { kernel, calls, queue, role } = parts;
  const pollRole = role === 'validate' ? 'poll-enrolment' : 'poll-signing';
  const underWay = new Set<Work>();
  let pausedUntil = 0;
  let lookAt = Number.POSITIVE_INFINITY;

  function wake(delayMs: number): void {
    const at = Math.max(kernel.now + delayMs, pausedUntil);
    if (at >= lookAt) return;
    lookAt = at;
    kernel.after(at - kernel.now, () => {
      if (lookAt === at) lookAt = Number.POSITIVE_INFINITY;
      return look();
    });
  }

  function look(): void {
    if (kernel.now < pausedUntil) {
      wake(pausedUntil - kernel.now);
      return;
    }
    if (underWay.size >= parts.concurrencyMax) return;
    const next = parts.visibleNext(parts.queueName);
    if (next === undefined) return;
    if (next > kernel.now) wake(next - kernel.now);
    else poll(parts.batchSize);
  }

  function poll(countMax: number): void {
    const poller = parts.poller();
    if (poller === undefined) return;
    const work: Work = { role, issuanceIds: [] };
    underWay.add(work);
    const over = () => {
      if (underWay.delete(work)) wake(0);
    };
    poller.onDeath(over);
    void receiveAndDeliver(poller, countMax, work).then(over, (cause: unknown) => {
      parts.trace(`  ${poller.name} ${pollRole}: ${String(cause)}`);
      kernel.after(errorPauseMs, over);
    });
    // There may be more, and what is not acknowledged is there again when its time is over.
    wake(50);
  }

  /** The product's own poller, over a queue whose every call may fail. */
  async function receiveAndDeliver(poller: Process, countMax: number, slot: Work): Promise<void> {
    const settings = {
      functionName: role,
      handler: role,
      queue: parts.queueName,
      batchSize: countMax,
      windowMs: 0,
      concurrencyMax: parts.concurrencyMax,
      visibilityMs,
    };
    const handler = (event: SQSEvent, context: unknown) => invoke(poller, event, context as BatchContext, slot);
    const onError = (cause: unknown) => parts.trace(`  ${role} failed: ${String(cause)}`);
    await pollOnce(settings, consumerOf(poller), handler, onError, 0);
  }

  function consumerOf(poller: Process): QueueConsumer {
    const make = <T>(call: string, effect: () => Promise<T>) => calls.make(poller, pollRole, call, effect);
    return {
      receive: (options) => make('queue.receive', () => queue.receive(options)),
      acknowledge: (receipts) => make('queue.acknowledge', () => queue.acknowledge(receipts)),
      async release(receipts, delayMs, lastError) {
        // Lambda leaves a failed message until its visibility timeout ends.
        if (parts.retry === 'visibility') return;
        await make('queue.release', () => queue.release(receipts, delayMs, lastError));
        wake(0);
      },
    };
  }

  async function invoke(
    poller: Process,
    event: SQSEvent,
    context: BatchContext,
    slot: Work,
  ): Promise<SQSBatchResponse> {
    const process = parts.sandbox(role);
    if (process === undefined) throw new Error('nothing runs the function');
    const issuanceIds = [...new Set(event.Records.map(({ body }) => body))];
    const work: Work = { role, issuanceIds };
    const overlapping = new Set([...underWay].flatMap((one) => (one === slot ? [] : [...one.issuanceIds])));
    underWay.add(work);
    underWay.delete(slot);
    parts.onDelivered(work, overlapping);
    try {
      const run = () => runBatch(event, (ids) => parts.handle(process, ids), context);
      const answer = await runWork(kernel, process, work, parts.timeoutMs, run);
      parts.onHandled();
      return parts.ignoresFailures ? { batchItemFailures: [] } : answer;
    } finally {
      underWay.delete(work);
      if (poller.isAlive) wake(0);
    }
  }

  return {
    role,
    queueName: parts.queueName,
    queue,
    wake,
    gather: () => wake(parts.windowMs),
    poll,
    pauseUntil(at) {
      pausedUntil = Math.max(pausedUntil, at);
      lookAt = Number.POSITIVE_INFINITY;
      wake(0);
    },
    reset() {
      underWay.clear();
      wake(0);
    },
    get active() {
      return underWay.size;
    },
  };
}
