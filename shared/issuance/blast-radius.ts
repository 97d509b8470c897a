import type { Hierarchy } from '../hierarchy/hierarchy.ts';
import type { BlastRadius, Breakdown, BrokenDownBy, Subject, SubjectAuthority } from '../inventory/blast-radius.ts';
import type { CountedDimension } from '../inventory/counted.ts';
import { issuableOf } from '../inventory/issuable.ts';
import { issuedFigures } from '../inventory/issued.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import { blastRadiusOfKey } from './blast-radius-of-key.ts';
import { SealwrightError } from './errors.ts';
import type { EstimateRotation } from './estimate-rotation.ts';
import type { InventoryReads } from './inventory-ports.ts';
import type { Clock, CredentialStore, IssuanceLedger } from './ports.ts';
import { rankValues } from './rank-values.ts';

export interface BlastRadiusPorts {
  readonly hierarchy: Hierarchy;
  readonly authorities: AuthorityDirectory;
  readonly ledger: Pick<IssuanceLedger, 'unsettled'>;
  readonly inventory: InventoryReads;
  readonly credentials: Pick<CredentialStore, 'get'>;
  readonly estimateRotation: EstimateRotation;
  readonly clock: Clock;
}

/** Whose blast radius is asked for. `value` of a key: SHA-256 of its SubjectPublicKeyInfo, lower-case hex. */
export interface BlastRadiusQuery {
  readonly kind: 'authority' | 'owner' | 'fleet' | 'credential' | 'key';
  readonly value: string;
}

/** Values of each breakdown in the headline, and different values that are counted for it. */
export const headlineValuesMax = 10;
const valuesCountedMax = 20_000;

/** Throws `not-found` for a CA or a credential that there is none of. What nothing was ever issued for has figures of 0. */
export async function blastRadius(ports: BlastRadiusPorts, query: BlastRadiusQuery): Promise<BlastRadius> {
  const at = ports.clock();
  switch (query.kind) {
    case 'authority':
      return ofAuthority(ports, await subjectAuthority(ports, query.value), at);
    case 'key': {
      const ofCa = (await ports.authorities.all()).find(({ spkiSha256 }) => spkiSha256 === query.value);
      if (ofCa !== undefined) return ofAuthority(ports, await subjectAuthority(ports, ofCa.caId), at);
      return blastRadiusOfKey(ports.inventory, query.value, at);
    }
    case 'owner':
    case 'fleet':
    case 'credential':
      return ofValue(ports, query.kind, query.value, at);
  }
}

/** A CA as a subject, with the CAs below it. Throws `not-found`. */
export async function subjectAuthority(
  { authorities, hierarchy }: Pick<BlastRadiusPorts, 'authorities' | 'hierarchy'>,
  id: string,
): Promise<SubjectAuthority> {
  const installed = await authorities.all();
  const described = hierarchy.authorities.find((one) => one.id === id);
  const newest = await authorities.newest(id);
  const tier = newest?.tier ?? described?.tier;
  if (tier === undefined) throw new SealwrightError('not-found');
  const parentOf = new Map<string, string | undefined>();
  for (const one of hierarchy.authorities) parentOf.set(one.id, one.parent);
  for (const one of installed) parentOf.set(one.caId, one.parent);
  const signsLeaves = (caId: string) =>
    (installed.find((one) => one.caId === caId)?.tier ?? hierarchy.authorities.find((one) => one.id === caId)?.tier) ===
    'issuance';
  const below = belowOf(parentOf, id);
  return {
    kind: 'authority',
    id,
    tier,
    generation: newest?.generation ?? described?.generation ?? 0,
    keyId: newest === undefined ? undefined : `sha256:${newest.spkiSha256}`,
    includes: [id, ...below].filter(signsLeaves),
    below,
  };
}

/** Breadth first, each once: a parent that is below its own child would not end. */
function belowOf(parentOf: ReadonlyMap<string, string | undefined>, id: string): readonly string[] {
  const found = new Set<string>([id]);
  for (const above of found) for (const [child, parent] of parentOf) if (parent === above) found.add(child);
  found.delete(id);
  return [...found];
}

/** CAs that sign leaves, each once, whatever their generations. */
async function leafSigners(authorities: AuthorityDirectory): Promise<readonly string[]> {
  return [...new Set((await authorities.all()).flatMap((one) => (one.tier === 'issuance' ? [one.caId] : [])))];
}

async function ofAuthority(ports: BlastRadiusPorts, subject: SubjectAuthority, at: EpochMs): Promise<BlastRadius> {
  const { inventory, ledger, authorities } = ports;
  const caIds = subject.includes;
  const figures = await figuresOf(inventory, caIds, 'total', '', at);
  const by: Partial<Record<BrokenDownBy, Breakdown>> = {};
  for (const dimension of ['owner', 'fleet', 'profile', 'keyType', 'credential'] as const)
    by[dimension] = await breakdownOf(inventory, caIds, dimension, at);
  const unsettled = await Promise.all(caIds.map((caId) => ledger.unsettled(caId)));
  const sum = (state: keyof (typeof unsettled)[number]) => unsettled.reduce((n, one) => n + one[state], 0);
  const newest = await authorities.newest(subject.id);
  return {
    subject,
    asOf: at,
    issued: {
      ...figures.issued,
      by,
      byAuthority: figures.byAuthority,
      unsettled: {
        intended: sum('intended'),
        submitted: sum('submitted'),
        orphanSuspected: sum('orphan-suspected'),
        misissued: sum('misissued'),
      },
    },
    issuable: newest === undefined ? undefined : issuableOf(pathOf(newest)),
    reach: undefined,
    rotation: await ports.estimateRotation({ kind: 'authorities', caIds, signer: newest }, figures.byAuthority, at),
  };
}

function pathOf({ certificate, chainCertificates }: IssuingAuthority) {
  return [certificate, ...chainCertificates];
}

async function ofValue(
  ports: BlastRadiusPorts,
  kind: 'owner' | 'fleet' | 'credential',
  value: string,
  at: EpochMs,
): Promise<BlastRadius> {
  const { inventory, authorities, credentials } = ports;
  const credential = kind === 'credential' ? await credentials.get(value) : undefined;
  if (kind === 'credential' && credential === undefined) throw new SealwrightError('not-found');
  const signers = await leafSigners(authorities);
  const figures = await figuresOf(inventory, signers, kind, value, at);
  const includes = figures.issuedBy;
  const subject: Subject = { kind, value, includes };
  return {
    subject,
    asOf: at,
    issued: { ...figures.issued, by: {}, byAuthority: figures.byAuthority, unsettled: undefined },
    issuable: undefined,
    reach:
      credential === undefined
        ? undefined
        : {
            until: credential.revokedAt ?? credential.expiresAt,
            remaining: credential.revokedAt === undefined ? Math.max(0, credential.countMax - credential.used) : 0,
            profiles: credential.profiles,
            names: credential.names,
          },
    rotation: await ports.estimateRotation({ kind, value, caIds: includes }, figures.byAuthority, at),
  };
}

async function figuresOf(
  inventory: InventoryReads,
  caIds: readonly string[],
  dimension: CountedDimension,
  value: string,
  at: EpochMs,
) {
  const sums = await Promise.all(caIds.map((caId) => inventory.sums(caId, dimension, value, at)));
  const buckets = await Promise.all(caIds.map((caId) => inventory.liveBuckets(caId, dimension, value, at)));
  return {
    issued: issuedFigures(sums, buckets.flat(), at),
    issuedBy: caIds.filter((_, index) => sums[index]!.issued > 0),
    byAuthority: caIds
      .map((caId, index) => ({
        value: caId,
        outstanding: issuedFigures([sums[index]!], buckets[index]!, at).outstanding,
      }))
      .filter(({ outstanding }) => outstanding > 0)
      .sort((a, b) => b.outstanding - a.outstanding),
  };
}

async function breakdownOf(
  inventory: InventoryReads,
  caIds: readonly string[],
  dimension: BrokenDownBy,
  at: EpochMs,
): Promise<Breakdown> {
  const { values, exact } = await rankValues(inventory, caIds, dimension, at, headlineValuesMax);
  if (values.length < headlineValuesMax && exact) return { values, total: values.length, exact };
  const counted = await inventory.countValues(caIds, dimension, valuesCountedMax);
  return { values, total: Math.max(counted.count, values.length), exact: exact && counted.exact };
}
