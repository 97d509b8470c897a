import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ReconcileEvent } from '../../functions/reconciler/handler.ts';
import { signingQueueName } from '../../shared/adapters/stack/stack.ts';
import { alarmOfFailure, type RaiseAlarm } from '../../shared/issuance/alarms.ts';
import type { QueueConsumer } from '../../shared/issuance/ports.ts';
import { type Deployment, DeploymentError, type EventSourceMapping, readDeployment } from './deployment.ts';
import { type BatchHandler, type Poller, startPoller } from './event-source-mapping.ts';
import { type Front, type FrontOptions, type HttpHandler, startFront } from './front.ts';

export interface HostOptions extends FrontOptions {
  /** Folder with serverless.yml and functions/. */
  readonly projectDir: string;
  readonly queue: (name: string) => QueueConsumer;
  /** Queues that have a signer here; a mapping of another queue is not started. */
  readonly servedQueues: ReadonlySet<string>;
  /** Told what no handler could; with the queue it is about, if it is about one. */
  readonly onError: (cause: unknown, queue?: string) => void;
}

export interface Host {
  readonly url: string;
  /**
   * Stops taking in, and lets what is under way finish: requests within `graceMs`, then batches and scheduled runs for as
   * long as they take. Requests come first, since one that waits for its certificate needs the pollers.
   */
  stop(graceMs?: number): Promise<void>;
}

const graceMsDefault = 10_000;

/** What no handler could deal with, as alarms. */
export function hostReport(raise: RaiseAlarm): HostOptions['onError'] {
  return (cause, queue) =>
    raise(alarmOfFailure(cause, 'host-failed'), { ...(queue === undefined ? {} : { queue }), error: cause });
}

/** Runs a deployment in this process: routes, event source mappings and schedules of serverless.yml. */
export async function startHost(options: HostOptions): Promise<Host> {
  const deployment = readDeployment(join(options.projectDir, 'serverless.yml'));
  const mappings = mappingsFor(deployment, options.servedQueues);
  const handlers = await loadHandlers(options.projectDir, deployment);
  const handlerOf = <T>(reference: string): T => handlers.get(reference) as T;
  const front = await startFront(
    deployment.routes.map(({ method, path, handler }) => ({ method, path, handler: handlerOf<HttpHandler>(handler) })),
    options,
  );
  const pollers = mappings.map((mapping) =>
    startPoller(mapping, options.queue(mapping.queue), handlerOf<BatchHandler>(mapping.handler), (cause) =>
      options.onError(cause, mapping.queue),
    ),
  );
  const schedules = deployment.schedules.map(({ handler, everyMs }) =>
    startSchedule(handlerOf<ScheduledHandler>(handler), everyMs, options.onError),
  );
  return { url: front.url, stop: (graceMs = graceMsDefault) => stopHost(front, pollers, schedules, graceMs) };
}

/**
 * The mappings of the queues that are served. A backend that is never deployed (`software`) has no function in
 * serverless.yml: its queue is read as that of another signer is. A queue that nothing would read is refused, since what
 * is sent to it would wait for ever.
 */
export function mappingsFor(
  { mappings }: Pick<Deployment, 'mappings'>,
  servedQueues: ReadonlySet<string>,
): readonly EventSourceMapping[] {
  const signer = mappings.find(({ queue }) => queue.startsWith(signingQueuePrefix));
  return [...servedQueues].flatMap((queue) => {
    const own = mappings.filter((mapping) => mapping.queue === queue);
    if (own.length > 0) return own.map(atHome);
    if (signer === undefined || !queue.startsWith(signingQueuePrefix))
      throw new DeploymentError(`serverless.yml: no function reads the queue ${queue}`);
    return [{ ...atHome(signer), functionName: `${signer.functionName} (${queue})`, queue }];
  });
}

/**
 * Lambda takes no more than ten messages without waiting for a window to close. Here what has come together is one batch: a
 * batch costs a reading of the module's evidence.
 */
function atHome(mapping: EventSourceMapping): EventSourceMapping {
  return { ...mapping, batchSize: Math.max(mapping.batchSize, batchSizeHere) };
}

const batchSizeHere = 64;

const signingQueuePrefix = signingQueueName('');

type ScheduledHandler = (event: ReconcileEvent, context: unknown) => Promise<unknown>;

/** Loads each handler module once; `functions/enroll/handler.handler` is the export `handler` of `functions/enroll/handler.ts`. */
export async function loadHandlers(projectDir: string, deployment: Deployment): Promise<ReadonlyMap<string, unknown>> {
  const references = new Set(
    [...deployment.routes, ...deployment.mappings, ...deployment.schedules].map(({ handler }) => handler),
  );
  const entries = [...references].map(async (reference) => {
    const dot = reference.lastIndexOf('.');
    const module = (await import(pathToFileURL(join(projectDir, `${reference.slice(0, dot)}.ts`)).href)) as Readonly<
      Record<string, unknown>
    >;
    const handler = module[reference.slice(dot + 1)];
    if (typeof handler !== 'function') throw new Error(`serverless.yml: ${reference} is not exported`);
    return [reference, handler] as const;
  });
  return new Map(await Promise.all(entries));
}

interface Schedule {
  /** Begins no further run, and waits for those under way. */
  stop(): Promise<void>;
}

/** Runs at once, with no patience, since nothing else is at work on what an earlier process left; then on the clock. */
function startSchedule(handler: ScheduledHandler, everyMs: number, onError: (cause: unknown) => void): Schedule {
  const running = new Set<Promise<void>>();
  const run = (event: ReconcileEvent) => {
    const one = handler(event, { functionName: 'schedule' })
      .then(() => undefined, onError)
      .finally(() => running.delete(one));
    running.add(one);
  };
  run({ detail: { quietMs: 0 } });
  const timer = setInterval(() => run({}), everyMs);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
    },
  };
}

async function stopHost(
  front: Front,
  pollers: readonly Poller[],
  schedules: readonly Schedule[],
  graceMs: number,
): Promise<void> {
  const scheduled = schedules.map((schedule) => schedule.stop());
  await front.close(graceMs);
  await Promise.all([...pollers.map((poller) => poller.stop()), ...scheduled]);
}
