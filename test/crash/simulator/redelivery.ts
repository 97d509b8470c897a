/** Brings the work back that a chosen fault has hit, in the way the schedule wants it, and sees whether it came. */
import type { Redelivery, Role, Target } from './faults.ts';
import type { Kernel } from './kernel.ts';
import type { Mapping } from './mapping.ts';
import type { Work } from './processes.ts';
import type { Random } from './random.ts';

/** A token may be used again this long; and is forgotten by the service after that. */
const insideMs = 240_000;
const afterMs = 300_000;

export interface RedeliveryParts {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly mappings: () => readonly Mapping[];
  /** Ids of all messages on a queue, hidden or not. */
  readonly onQueue: (queue: string) => readonly string[];
  readonly post: (client: number) => void;
  readonly keepClientBack: (client: number, untilMs: number) => void;
  readonly reconcile: () => void;
  readonly keepReconcilerBack: (untilMs: number) => void;
  readonly isUp: () => boolean;
  readonly onHit: (cell: number) => void;
}

export interface Redeliveries {
  /** A chosen fault has happened. */
  plan(target: Target, role: Role, work: readonly Work[]): void;
  /** Work begins; `overlapping` ids, or clients, or `reconcile`, are under way elsewhere already. */
  began(kind: 'enroll' | 'message' | 'reconcile', keys: readonly string[], overlapping: ReadonlySet<string>): void;
}

interface Awaited {
  readonly kind: 'enroll' | 'message' | 'reconcile';
  readonly keys: ReadonlySet<string>;
  readonly redelivery: Redelivery;
  readonly at: number;
  readonly cell: number;
}

export function createRedeliveries(parts: RedeliveryParts): Redeliveries {
  const { kernel, random } = parts;
  const awaited = new Set<Awaited>();

  /** The waits before the work comes back, and how often it does. */
  function timesOf(redelivery: Redelivery): { readonly waitMs: number; readonly count: 1 | 2 } {
    if (redelivery === 'inside') return { waitMs: random.between(1, 200_000), count: 1 };
    if (redelivery === 'twice') return { waitMs: random.between(1, 15_000), count: 2 };
    return { waitMs: afterMs + random.between(1_000, 300_000), count: 1 };
  }

  /** Once the host is up again. */
  function whenUp(waitMs: number, run: () => void): void {
    kernel.after(waitMs, () => (parts.isUp() ? run() : whenUp(1_000, run)), 'owed');
  }

  function bringBackMessages(mapping: Mapping, ids: readonly string[], { redelivery, cell }: Target): void {
    const { waitMs, count } = timesOf(redelivery);
    if (redelivery === 'after') {
      mapping.pauseUntil(kernel.now + waitMs - 1);
      // A fault that only prepares another leaves the reconciler to find what it has done.
      if (cell !== undefined && random.chance(0.5)) parts.keepReconcilerBack(kernel.now + waitMs - 1);
    }
    whenUp(waitMs, () => {
      const copies = count === 1 ? ids : [...ids, ...ids];
      kernel.after(
        0,
        async () => {
          await mapping.queue.send(copies);
          if (count === 1) mapping.wake(0);
          else for (const _ of copies) mapping.poll(1);
        },
        'owed',
      );
    });
  }

  return {
    plan(target, role, work) {
      const { redelivery, cell } = target;
      const expect = (kind: Awaited['kind'], keys: readonly string[]) => {
        if (cell !== undefined) awaited.add({ kind, keys: new Set(keys), redelivery, at: kernel.now, cell });
      };
      if (role === 'reconcile') {
        const { waitMs, count } = timesOf(redelivery);
        if (redelivery === 'after') parts.keepReconcilerBack(kernel.now + waitMs);
        expect('reconcile', ['reconcile']);
        whenUp(waitMs, () => {
          for (let run = 0; run < count; run++) parts.reconcile();
        });
        return;
      }
      if (role === 'enroll') {
        const { waitMs, count } = timesOf(redelivery);
        const clients = work.flatMap(({ client }) => client ?? []);
        expect('enroll', clients.map(String));
        for (const client of clients) {
          if (redelivery === 'after') parts.keepClientBack(client, kernel.now + waitMs);
          whenUp(waitMs, () => {
            for (let run = 0; run < count; run++) parts.post(client);
          });
        }
        return;
      }
      const mappings = parts.mappings();
      const hit =
        role === 'poll-signing'
          ? mappings.filter((mapping) => mapping.role !== 'validate')
          : mappings.filter((mapping) => mapping.role === (role === 'poll-enrolment' ? 'validate' : role));
      for (const mapping of hit) {
        const ids = role.startsWith('poll')
          ? parts.onQueue(mapping.queueName)
          : [...new Set(work.flatMap(({ issuanceIds }) => issuanceIds))];
        if (ids.length === 0) continue;
        expect('message', ids);
        bringBackMessages(mapping, ids, target);
      }
    },
    began(kind, keys, overlapping) {
      for (const one of awaited) {
        if (one.kind !== kind || !keys.some((key) => one.keys.has(key))) continue;
        const elapsed = kernel.now - one.at;
        const came =
          one.redelivery === 'inside'
            ? elapsed <= insideMs
            : one.redelivery === 'after'
              ? elapsed > afterMs
              : keys.some((key) => one.keys.has(key) && overlapping.has(key));
        if (!came) continue;
        awaited.delete(one);
        parts.onHit(one.cell);
      }
    },
  };
}
