/** What one schedule is made of, all of it chosen by its seed: the requests, the hosts' habits, the faults. */
import type { AcmPcaBehaviour } from './acm-pca.ts';
import { type Cell, cellAt, indexOf, labelOf, matrixRows, type Need, type Row, type Target } from './faults.ts';
import type { Material, SampleRequest } from './material.ts';
import { createRandom, type Random } from './random.ts';

export interface Plan {
  readonly number: number;
  readonly random: Random;
  /** `one-process`: all functions share a process, as in the embedded host. `lambda`: a sandbox for each invocation. */
  readonly host: 'one-process' | 'lambda';
  readonly requests: readonly SampleRequest[];
  readonly targets: readonly Target[];
  readonly stray: { readonly chance: number; readonly max: number };
  readonly latencyMsMax: number;
  readonly batchSize: number;
  /** How long a mapping lets messages gather. */
  readonly windowMs: number;
  readonly concurrencyMax: number;
  readonly retry: 'backoff' | 'visibility';
  readonly reconcilesFirstAfterMs: number;
  /** How likely a client that was answered 202 posts again. */
  readonly repostChance: number;
  /** Without it a queue alone has to bring every message to its end. */
  readonly reconciles: boolean;
  readonly acmPca: AcmPcaBehaviour;
  readonly hsmBusyCalls: number;
  /** The mappings that are held back from the start, in milliseconds: what waits on them lapses. */
  readonly heldBackMs: Readonly<Partial<Record<'validate' | 'sign-hsm', number>>>;
  readonly needs: ReadonlySet<Need>;
  readonly aim: string;
}

const hourMs = 3_600_000;

/** The schedule of this number: the same for the same seed, whatever runs beside it. */
export function planOf(material: Material, seed: number, number: number): Plan {
  const random = createRandom(seed, number);
  const cell = cellAt(number);
  const row = matrixRows[cell.row]!;
  const needs = new Set<Need>(row.needs);
  const quiet = random.chance(0.35);
  const onlyQueues = isCarriedByQueues(row, cell) && random.chance(0.3);
  const targets = [targetOf(random, cell, row), ...preparations(random, needs)];
  const inOneProcess = isOfEmbeddedHost(row, cell) || random.chance(0.5);
  // Where all functions share a process, a POST dies with it between its write and its message.
  const host = inOneProcess && !(onlyQueues && cell.fault.startsWith('dies')) ? 'one-process' : 'lambda';
  return {
    number,
    random,
    host,
    requests: chooseRequests(random, material.requests, needs, row),
    targets,
    stray:
      quiet || onlyQueues
        ? { chance: 0, max: 0 }
        : { chance: random.pick([0.01, 0.03, 0.08]), max: random.between(1, 3) },
    latencyMsMax: random.pick([3, 20, 200]),
    batchSize: isOrphaned(needs) ? 10 : random.pick([1, 2, 4, 10]),
    windowMs: isOrphaned(needs) ? 2_000 : random.pick([0, 0, 300]),
    concurrencyMax: random.between(2, 4),
    retry: host === 'one-process' ? 'backoff' : 'visibility',
    reconcilesFirstAfterMs: row.role === 'reconcile' ? random.between(1, 500) : random.between(1_000, 60_000),
    repostChance: needs.has('name-race') ? 0.8 : 0.1,
    reconciles: !onlyQueues,
    acmPca: acmPcaBehaviourOf(random, needs),
    hsmBusyCalls: needs.has('hsm-busy') ? random.between(1, 3) : 0,
    heldBackMs: heldBackOf(random, needs),
    needs,
    aim: `${labelOf(row)} × ${cell.fault} × ${cell.redelivery}`,
  };
}

/** Lambda's own poller is no process of ours and releases nothing: only in the embedded host can it end. */
function isOfEmbeddedHost(row: Row, cell: Cell): boolean {
  if (!row.role.startsWith('poll')) return false;
  return cell.fault.startsWith('dies') || row.call === 'queue.release';
}

/** A fault after which no message is missing: without the reconciler everything accepted has to end all the same. */
function isCarriedByQueues(row: Row, cell: Cell): boolean {
  const { role, call, needs } = row;
  if (isOfEmbeddedHost(row, cell)) return false;
  const sends = call.startsWith('queue.send') || role === 'enroll' || role === 'reconcile';
  return (
    !sends && !needs.some((need) => need.startsWith('orphan') || need.startsWith('stuck') || need.startsWith('lapse'))
  );
}

function targetOf(random: Random, cell: Cell, row: Row): Target {
  // What has to be brought about may come about once only.
  const isCommon = row.needs.every((need) => need === 'pca' || need === 'hsm');
  const nth = isCommon ? random.pick([1, 1, 1, 2]) : 1;
  return { label: labelOf(row), nth, fault: cell.fault, redelivery: cell.redelivery, cell: indexOf(cell) };
}

/** Faults that bring about what a call needs. */
function preparations(random: Random, needs: ReadonlySet<Need>): readonly Target[] {
  const prepared = (role: Row['role'], call: string, fault: Target['fault'], redelivery: Target['redelivery']) => ({
    label: labelOf({ role, call }),
    nth: 1,
    fault,
    redelivery,
    cell: undefined,
  });
  const targets: Target[] = [];
  // A call whose answer is lost is made again at once: it takes the end of the process to make an orphan.
  if (isOrphaned(needs)) {
    const isThere = needs.has('orphan-there') || (needs.has('orphan') && random.chance(0.5));
    targets.push(prepared('sign-pca', 'IssueCertificate', isThere ? 'dies after' : 'dies before', 'after'));
  }
  if (needs.has('stuck-received')) {
    targets.push(prepared('enroll', 'queue.send', random.pick(['fails', 'dies before']), 'inside'));
  }
  if (needs.has('stuck-approved')) targets.push(prepared('validate', 'queue.send', 'fails', 'after'));
  return targets;
}

function isOrphaned(needs: ReadonlySet<Need>): boolean {
  return [...needs].some((need) => need.startsWith('orphan'));
}

function acmPcaBehaviourOf(random: Random, needs: ReadonlySet<Need>): AcmPcaBehaviour {
  const slow = needs.has('pca-slow');
  const issueDelayMs = slow
    ? ([9_000, 90_000] as const)
    : random.pick([[0, 30] as const, [0, 30] as const, [0, 1_500] as const, [1_000, 15_000] as const]);
  return {
    issueDelayMs,
    brownoutCalls: needs.has('pca-brownout') ? random.between(3, 7) : 0,
    brownoutPolls: random.chance(0.1) ? random.between(1, 3) : 0,
    failing: new Set(needs.has('pca-fails') ? [0, 1] : []),
    misissuing: new Set(needs.has('pca-misissues') ? [0, 1] : []),
  };
}

function heldBackOf(random: Random, needs: ReadonlySet<Need>): Plan['heldBackMs'] {
  const heldMs = random.between(hourMs / 2 + 120_000, hourMs);
  if (needs.has('lapse-validator')) return { validate: heldMs };
  return needs.has('lapse-signer') ? { 'sign-hsm': heldMs } : {};
}

function shuffled<T>(random: Random, items: readonly T[]): readonly T[] {
  const left = [...items];
  return items.map(() => left.splice(random.between(0, left.length - 1), 1)[0]!);
}

function chooseRequests(
  random: Random,
  samples: readonly SampleRequest[],
  needs: ReadonlySet<Need>,
  row: Row,
): readonly SampleRequest[] {
  const named = (...names: readonly string[]) => samples.filter(({ name }) => names.includes(name));
  const chosen = new Set<SampleRequest>();
  const role = row.role;
  if (needs.has('refused')) chosen.add(random.pick(samples.filter(({ expected }) => expected === 'rejected')));
  if (needs.has('name-race')) for (const one of named('wanted-by-one', 'wanted-by-other')) chosen.add(one);
  if (needs.has('lapse-validator') || needs.has('lapse-signer')) for (const one of named('svid')) chosen.add(one);
  const backend =
    role === 'sign-pca' || [...needs].some((need) => need.startsWith('pca') || need.startsWith('orphan'))
      ? 'acm-pca'
      : role === 'sign-hsm' || needs.has('hsm-busy')
        ? 'pkcs11'
        : undefined;
  const plain = samples.filter(({ expected }) => expected === 'issued');
  // Twins come together: only their keys, names or bytes tell their certificates apart.
  if (backend !== 'pkcs11' && random.chance(isOrphaned(needs) ? 0.6 : 0.2)) {
    const others = random.pick(['twin-again', 'twin-and-more', 'twin-and-more']);
    for (const one of named('twin', others)) chosen.add(one);
  }
  if (backend !== undefined && [...chosen].every((sample) => sample.backend !== backend))
    chosen.add(random.pick(plain.filter((sample) => sample.backend === backend)));
  const count = random.pick([1, 1, 1, 1, 2, 2, 3, 4]);
  while (chosen.size < count) chosen.add(random.pick(random.chance(0.8) ? plain : samples));
  return shuffled(random, [...chosen]);
}
