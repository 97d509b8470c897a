import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ReconcileEvent } from '../../functions/reconciler/handler.ts';
import type { QueueConsumer } from '../../shared/issuance/ports.ts';
import { type Deployment, readDeployment } from './deployment.ts';
import { type BatchHandler, type Poller, startPoller } from './event-source-mapping.ts';
import { type Front, type FrontOptions, type HttpHandler, startFront } from './front.ts';

export interface HostOptions extends FrontOptions {
  /** Folder with serverless.yml and functions/. */
  readonly projectDir: string;
  readonly queue: (name: string) => QueueConsumer;
  /** Queues that have a signer here; a mapping of another queue is not started. */
  readonly servedQueues: ReadonlySet<string>;
}

export interface Host {
  readonly url: string;
  /** Stops taking in, lets what is under way finish. */
  stop(): Promise<void>;
}

const graceMs = 10_000;

/** Runs a deployment in this process: routes, event source mappings and schedules of serverless.yml. */
export async function startHost(options: HostOptions): Promise<Host> {
  const deployment = readDeployment(join(options.projectDir, 'serverless.yml'));
  const handlers = await loadHandlers(options.projectDir, deployment);
  const handlerOf = <T>(reference: string): T => handlers.get(reference) as T;
  const front = await startFront(
    deployment.routes.map(({ method, path, handler }) => ({ method, path, handler: handlerOf<HttpHandler>(handler) })),
    options,
  );
  const pollers = deployment.mappings
    .filter(({ queue }) => options.servedQueues.has(queue))
    .map((mapping) =>
      startPoller(mapping, options.queue(mapping.queue), handlerOf<BatchHandler>(mapping.handler), options.onError),
    );
  const timers = deployment.schedules.map(({ handler, everyMs }) =>
    startSchedule(handlerOf<ScheduledHandler>(handler), everyMs, options.onError),
  );
  return { url: front.url, stop: () => stopHost(front, pollers, timers) };
}

type ScheduledHandler = (event: ReconcileEvent, context: unknown) => Promise<unknown>;

/** Loads each handler module once; `functions/enroll/handler.handler` is the export `handler` of `functions/enroll/handler.ts`. */
async function loadHandlers(projectDir: string, deployment: Deployment): Promise<ReadonlyMap<string, unknown>> {
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

/** Runs at once, with no patience, since nothing else is at work on what an earlier process left; then on the clock. */
function startSchedule(handler: ScheduledHandler, everyMs: number, onError: (cause: unknown) => void): NodeJS.Timeout {
  const run = (event: ReconcileEvent) => void handler(event, { functionName: 'schedule' }).catch(onError);
  run({ detail: { quietMs: 0 } });
  return setInterval(() => run({}), everyMs);
}

async function stopHost(front: Front, pollers: readonly Poller[], timers: readonly NodeJS.Timeout[]): Promise<void> {
  for (const timer of timers) clearInterval(timer);
  await front.close(graceMs);
  await Promise.all(pollers.map((poller) => poller.stop()));
}
