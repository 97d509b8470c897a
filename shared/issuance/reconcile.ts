import type { Hierarchy } from '../hierarchy/hierarchy.ts';
import { findAuthority } from '../hierarchy/hierarchy.ts';
import { type IssuanceState, staleAfterMs } from './issuance-state.ts';
import type { Clock, IssuanceLedger, StaleIssuance, Transition, WorkQueue } from './ports.ts';
import type { ResendBackoff } from './resend-backoff.ts';
import { tokenReuseMsMax } from './signer-ports.ts';

export interface ReconcilePorts {
  readonly hierarchy: Hierarchy;
  readonly ledger: IssuanceLedger;
  readonly enrolmentQueue: WorkQueue;
  readonly signingQueue: (backend: string) => WorkQueue | undefined;
  readonly clock: Clock;
  /** Spares the queues what was sent a short while ago; without one, everything stale is sent at each run. */
  readonly backoff?: ResendBackoff;
}

export interface ReconcileReport {
  readonly resent: Readonly<Record<'received' | 'approved' | 'intended' | 'submitted', number>>;
  readonly orphanSuspected: number;
}

/** Issuances looked at in each state in one run; what is left over is there in the next run. */
const staleCountMax = 1_000;

/**
 * Settles what is stale. `received`, `approved` and `submitted` are sent to their queue again, and so are intents that the
 * signer may take up: it signs the same TBSCertificate, or submits under the same token within its window. An ACM PCA
 * intent past that window is never submitted again: it becomes `orphan-suspected` until the CA's audit report tells.
 *
 * `quietMs` replaces the usual patience, for a start after a crash, when nothing else is at work on them.
 */
export async function reconcile(ports: ReconcilePorts, quietMs?: number): Promise<ReconcileReport> {
  const find = (state: IssuanceState) =>
    ports.ledger.stale(state, ports.clock() - (quietMs ?? staleAfterMs[state] ?? 0), staleCountMax);
  const due = ({ issuanceId, state }: StaleIssuance) => ports.backoff?.due(issuanceId, state, ports.clock()) ?? true;
  const received = (await find('received')).filter(due);
  const approved = (await find('approved')).filter(due);
  const submitted = (await find('submitted')).filter(due);
  const { resumable: begun, orphans } = await sortIntended(ports, await find('intended'));
  const resumable = begun.filter(due);
  // Each on its own: a queue that is not there must not keep the reconciler from the others.
  const work = await Promise.allSettled([
    received.length === 0 ? undefined : ports.enrolmentQueue.send(received.map(({ issuanceId }) => issuanceId)),
    ...sendToSigners(ports, [...approved, ...submitted, ...resumable]),
    orphans.length === 0 ? undefined : ports.ledger.advance(orphans),
  ]);
  for (const one of work) if (one.status === 'rejected') throw one.reason;
  return {
    resent: {
      received: received.length,
      approved: approved.length,
      intended: resumable.length,
      submitted: submitted.length,
    },
    orphanSuspected: orphans.length,
  };
}

async function sortIntended(ports: ReconcilePorts, intended: readonly StaleIssuance[]) {
  const records = await ports.ledger.getMany(intended.map(({ issuanceId }) => issuanceId));
  const resumable: StaleIssuance[] = [];
  const orphans: Transition[] = [];
  intended.forEach((stale, index) => {
    const intent = records[index]?.intent;
    if (records[index]?.state !== 'intended' || intent === undefined) return;
    const at = ports.clock();
    if (intent.kind === 'tbs' || at - intent.at <= tokenReuseMsMax) {
      resumable.push(stale);
      return;
    }
    const error = {
      code: 'outcome-unknown',
      message: 'no answer to IssueCertificate within the life of its idempotency token',
      at,
    };
    orphans.push({ to: 'orphan-suspected', issuanceId: stale.issuanceId, from: 'intended', at, error });
  });
  return { resumable, orphans };
}

function sendToSigners(ports: ReconcilePorts, issuances: readonly StaleIssuance[]): readonly Promise<void>[] {
  const byBackend = Map.groupBy(issuances, ({ caId }) => findAuthority(ports.hierarchy, caId)?.backend ?? 'none');
  return [...byBackend].flatMap(
    ([backend, items]) => ports.signingQueue(backend)?.send(items.map(({ issuanceId }) => issuanceId)) ?? [],
  );
}
