/** What can go wrong at a call, how the work comes back afterwards, and the calls that the matrix is made of. */
import type { Random } from './random.ts';

export const faultKinds = ['fails', 'lost', 'late', 'dies before', 'dies after'] as const;
/**
 * `fails`: before any effect. `lost`: it takes effect, whole or in part, now or a little later, and an error is answered.
 * `late`: the answer comes after up to ten minutes. `dies …`: the process that called ends before or after the effect.
 */
export type FaultKind = (typeof faultKinds)[number];

export const redeliveries = ['inside', 'after', 'twice'] as const;
/** `inside`: within the four minutes in which a token may be used again. `after`: more than five later. `twice`: two at once. */
export type Redelivery = (typeof redeliveries)[number];

/** Who makes a call: a function of serverless.yml, or the event source mapping of a queue. */
export type Role = 'enroll' | 'validate' | 'sign-pca' | 'sign-hsm' | 'reconcile' | 'poll-enrolment' | 'poll-signing';

/** What has to be so for a call to be made at all. */
export type Need =
  | 'pca'
  | 'hsm'
  | 'refused'
  | 'name-race'
  | 'pca-slow'
  | 'pca-brownout'
  | 'pca-fails'
  | 'pca-misissues'
  | 'orphan'
  | 'orphan-there'
  | 'orphan-absent'
  | 'hsm-busy'
  | 'stuck-received'
  | 'stuck-approved'
  | 'lapse-validator'
  | 'lapse-signer';

export interface Row {
  readonly role: Role;
  readonly call: string;
  readonly needs: readonly Need[];
}

function rows(role: Role, ...calls: readonly (readonly [call: string, ...needs: Need[]])[]): readonly Row[] {
  return calls.map(([call, ...needs]) => ({ role, call, needs }));
}

const queueCalls = (failing: Need): readonly (readonly [string, ...Need[]])[] => [
  ['queue.receive'],
  ['queue.acknowledge'],
  ['queue.release', failing],
];

export const matrixRows: readonly Row[] = [
  ...rows(
    'enroll',
    ['credentials.get'],
    ['registry.list'],
    ['ledger.current'],
    ['ledger.receive'],
    ['ledger.holders', 'name-race'],
    ['queue.send'],
  ),
  ...rows('poll-enrolment', ...queueCalls('stuck-approved')),
  ...rows(
    'validate',
    ['ledger.getMany'],
    ['registry.list'],
    ['ledger.holders'],
    ['ledger.advance approved'],
    ['ledger.advance rejected', 'refused'],
    ['ledger.advance lapsed', 'lapse-validator'],
    ['queue.send'],
  ),
  ...rows('poll-signing', ...queueCalls('pca-slow')),
  ...rows(
    'sign-pca',
    ['ledger.getMany', 'pca'],
    ['registry.list', 'pca'],
    ['DescribeCertificateAuthority', 'pca'],
    ['GetCertificateAuthorityCertificate', 'pca'],
    ['ledger.advance intended', 'pca'],
    ['permits.read', 'pca'],
    ['permits.exchange', 'pca'],
    ['IssueCertificate', 'pca'],
    ['ledger.advance submitted', 'pca'],
    ['ledger.noteAttempts', 'pca-brownout'],
    ['GetCertificate', 'pca'],
    ['ledger.advance issued', 'pca'],
    ['ledger.advance failed', 'pca-fails'],
    ['ledger.advance misissued', 'pca-misissues'],
  ),
  ...rows(
    'sign-hsm',
    ['ledger.getMany', 'hsm'],
    ['registry.list', 'hsm'],
    ['C_GetAttributeValue', 'hsm'],
    ['ledger.leaseCrlSlots', 'hsm'],
    ['ledger.advance intended', 'hsm'],
    ['C_Sign', 'hsm'],
    ['ledger.noteAttempts', 'hsm-busy'],
    ['ledger.advance issued', 'hsm'],
    ['ledger.advance lapsed', 'lapse-signer'],
  ),
  ...rows(
    'reconcile',
    ['ledger.stale'],
    ['ledger.getMany', 'orphan'],
    ['queue.send enrolment', 'stuck-received'],
    ['queue.send signing', 'stuck-approved'],
    ['ledger.advance orphan-suspected', 'orphan'],
    ['audits.report', 'orphan'],
    ['audits.beginAfter', 'orphan'],
    ['CreateCertificateAuthorityAuditReport', 'orphan'],
    ['audits.deferBegin', 'orphan'],
    ['audits.recordReport', 'orphan'],
    ['DescribeCertificateAuthorityAuditReport', 'orphan'],
    ['GetObject', 'orphan'],
    ['registry.list', 'orphan'],
    ['ledger.knownTickets', 'orphan-there'],
    ['ledger.knownSerials', 'orphan-there'],
    ['GetCertificate', 'orphan-there'],
    ['ledger.advance issued', 'orphan-there'],
    ['ledger.advance approved', 'orphan-absent'],
  ),
];

/** One cell of the matrix. */
export interface Cell {
  readonly row: number;
  readonly fault: FaultKind;
  readonly redelivery: Redelivery;
}

const cellsPerRow = faultKinds.length * redeliveries.length;
export const cellCount = matrixRows.length * cellsPerRow;

/** Odd and not divisible by 3, 5 or 7: neighbouring schedules aim at calls far apart, and `cellCount` of them at every cell. */
const stride = 433;

export function cellAt(schedule: number): Cell {
  const index = (schedule * stride) % cellCount;
  const inRow = index % cellsPerRow;
  return {
    row: Math.floor(index / cellsPerRow),
    fault: faultKinds[Math.floor(inRow / redeliveries.length)]!,
    redelivery: redeliveries[inRow % redeliveries.length]!,
  };
}

export function indexOf({ row, fault, redelivery }: Cell): number {
  return row * cellsPerRow + faultKinds.indexOf(fault) * redeliveries.length + redeliveries.indexOf(redelivery);
}

export function labelOf({ role, call }: Pick<Row, 'role' | 'call'>): string {
  return `${role} ${call}`;
}

/** A fault at a chosen call. `cell` is counted when the work has come back as it says. */
export interface Target {
  readonly label: string;
  /** Which of the calls with this label, from 1. */
  readonly nth: number;
  readonly fault: FaultKind;
  readonly redelivery: Redelivery;
  readonly cell: number | undefined;
}

export interface Decision {
  readonly fault: FaultKind;
  readonly target: Target | undefined;
}

/** Decides at each call whether something goes wrong with it. */
export interface Faults {
  at(label: string): Decision | undefined;
  readonly fired: number;
}

/** Faults that are not aimed at a call happen with `chance` at each, `strayMax` at most. */
export function createFaults(
  random: Random,
  targets: readonly Target[],
  stray: { readonly chance: number; readonly max: number },
): Faults {
  const seen = new Map<string, number>();
  let left = stray.max;
  let fired = 0;
  return {
    get fired() {
      return fired;
    },
    at(label) {
      const count = (seen.get(label) ?? 0) + 1;
      seen.set(label, count);
      const target = targets.find((one) => one.label === label && one.nth === count);
      if (target !== undefined) {
        fired += 1;
        return { fault: target.fault, target };
      }
      if (left === 0 || !random.chance(stray.chance)) return undefined;
      left -= 1;
      fired += 1;
      return { fault: random.pick(faultKinds), target: undefined };
    },
  };
}
