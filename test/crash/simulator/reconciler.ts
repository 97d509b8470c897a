/** The reconciler's schedule: every minute, and at a start of the embedded host. */
import { reconcile } from '../../../shared/issuance/reconcile.ts';
import { settleOrphans } from '../../../shared/issuance/settle-orphans.ts';
import type { Host } from './hosts.ts';
import type { Kernel } from './kernel.ts';
import type { Mistake } from './mistakes.ts';
import type { Ports } from './ports.ts';
import { runWork, type Work } from './processes.ts';
import type { Redeliveries } from './redelivery.ts';

export interface ReconcilerParts {
  readonly kernel: Kernel;
  readonly firstAfterMs: number;
  readonly host: Host;
  readonly ports: Ports;
  readonly redeliveries: Redeliveries;
  readonly mistake: Mistake | undefined;
  /** Nothing but time brings the schedule on: then a run now and then is as good as one a minute. */
  readonly isWaiting: () => boolean;
  readonly trace: (text: string) => void;
}

export interface Reconciler {
  start(): void;
  run(quietMs?: number): void;
  keepBack(until: number): void;
  readonly isIdle: boolean;
}

/** As serverless.yml has it: `rate(1 minute)`. */
const everyMs = 60_000;
const whileWaitingMs = 420_000;

export function createReconciler(parts: ReconcilerParts): Reconciler {
  const { kernel, host, ports, redeliveries, mistake, trace } = parts;
  const underWay = new Set<Work>();
  let backAt = 0;

  function run(quietMs?: number): void {
    const process = host.sandbox('reconcile');
    if (process === undefined) return;
    const work: Work = { role: 'reconcile', issuanceIds: [] };
    redeliveries.began('reconcile', ['reconcile'], new Set(underWay.size > 0 ? ['reconcile'] : []));
    underWay.add(work);
    runWork(kernel, process, work, host.timeoutMs, async () => {
      // As functions/reconciler/handler.ts does it.
      const reconciling = ports.reconcile(process);
      await reconcile(reconciling, quietMs);
      const [orphan] = await reconciling.ledger.stale('orphan-suspected', kernel.now + 1, 1);
      if (orphan !== undefined) await (mistake?.settleOrphans ?? settleOrphans)(reconciling);
    })
      .catch((cause: unknown) => trace(`  ${process.name} reconcile threw: ${String(cause)}`))
      .finally(() => underWay.delete(work));
  }

  function tick(): void {
    if (kernel.now >= backAt) run();
    kernel.after(parts.isWaiting() ? whileWaitingMs : everyMs, tick);
  }

  return {
    run,
    start: () => kernel.after(parts.firstAfterMs, tick),
    keepBack(until) {
      backAt = Math.max(backAt, until);
    },
    get isIdle() {
      return underWay.size === 0;
    },
  };
}
