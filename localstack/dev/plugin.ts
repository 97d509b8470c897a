/**
 * The plugin of osls that makes serverless-offline a whole embedded stack: event source mappings that poll the embedded
 * queues (serverless-offline-sqs ignores partial failures), and the first run of the reconciler. All in the process of
 * serverless-offline, whose functions it loads first: one instance of each module, and so one writer of the ledger.
 */
import type { ReconcileEvent } from '../../functions/reconciler/handler.ts';
import { type EmbeddedStack, processEmbeddedStack } from '../../shared/adapters/stack/embedded-stack.ts';
import { enrolmentQueueName, signingQueueName } from '../../shared/adapters/stack/stack.ts';
import { type Deployment, readDeployment } from '../embedded/deployment.ts';
import { type BatchHandler, type Poller, startPoller } from '../embedded/event-source-mapping.ts';
import { hostReport, loadHandlers, mappingsFor } from '../embedded/host.ts';
import { deploymentFile, projectDir } from './configuration.ts';

interface Running {
  readonly stack: EmbeddedStack;
  readonly pollers: readonly Poller[];
}

async function start(deployment: Deployment, handlers: ReadonlyMap<string, unknown>): Promise<Running> {
  const stack = processEmbeddedStack();
  const report = hostReport(stack.raise);
  const served = new Set([enrolmentQueueName, ...[...stack.environment.backends].map(signingQueueName)]);
  const pollers = mappingsFor(deployment, served).map((mapping) =>
    startPoller(mapping, stack.queue(mapping.queue), handlers.get(mapping.handler) as BatchHandler, (cause) =>
      report(cause, mapping.queue),
    ),
  );
  // What an earlier process left is nobody's work now: no patience at the start. Schedules go on from there.
  for (const { handler } of deployment.schedules) {
    const scheduled = handlers.get(handler) as (event: ReconcileEvent, context: unknown) => Promise<unknown>;
    scheduled({ detail: { quietMs: 0 } }, { functionName: 'schedule' }).catch((cause: unknown) => report(cause));
  }
  return { stack, pollers };
}

/** osls makes plugins with `new`. */
export default class DevPlugin {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor() {
    let deployment: Deployment | undefined;
    let handlers: ReadonlyMap<string, unknown> = new Map();
    let running: Running | undefined;
    this.hooks = {
      'before:offline:start:init': async () => {
        deployment = readDeployment(deploymentFile);
        handlers = await loadHandlers(projectDir, deployment);
      },
      'offline:start:init': async () => {
        running = await start(deployment!, handlers);
      },
      'before:offline:start:end': async () => {
        await Promise.all((running?.pollers ?? []).map((poller) => poller.stop()));
        await running?.stack.close();
      },
    };
  }
}
