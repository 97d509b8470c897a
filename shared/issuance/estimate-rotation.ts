import type { Hierarchy } from '../hierarchy/hierarchy.ts';
import { sampledDevicesMax } from '../inventory/contacts.ts';
import type { PriceList } from '../inventory/prices.ts';
import {
  estimateRotation,
  type RotatedFleet,
  type RotationEstimate,
  type RotationGroup,
} from '../inventory/rotation.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { IssuingAuthority } from './authority-directory.ts';
import { certificatePrices } from './certificate-prices.ts';
import type { InventoryReads, SampledFleet } from './inventory-ports.ts';
import { rankValues } from './rank-values.ts';

/** What a backend issues a second, and how that is known. */
export interface IssueRate {
  readonly perSecond: number;
  readonly basis: string;
}

export interface RotationPorts {
  readonly hierarchy: Hierarchy;
  readonly inventory: InventoryReads;
  readonly prices: PriceList;
  /** Of the backend of this CA, as it is now. */
  readonly issueRate: (caId: string) => Promise<IssueRate>;
}

/** Whose certificates are to be replaced. */
export type RotatedSubject =
  | { readonly kind: 'authorities'; readonly caIds: readonly string[]; readonly signer: IssuingAuthority | undefined }
  | { readonly kind: 'owner' | 'fleet' | 'credential'; readonly value: string; readonly caIds: readonly string[] };

/** Devices that an estimate reads the contacts of, over all fleets. More would make it steadier, and a headline slower. */
export const devicesReadMax = 4_096;
const fleetsMax = 64;
/** RevokeCertificate of ACM PCA, a second: not adjustable (https://docs.aws.amazon.com/general/latest/gr/pca.html). */
export const revokePerSecond = 20;

type Outstanding = readonly { readonly value: string; readonly outstanding: number }[];

/** The estimate for a subject whose outstanding certificates, by CA, are known. */
export type EstimateRotation = (
  subject: RotatedSubject,
  byAuthority: Outstanding,
  at: EpochMs,
) => Promise<RotationEstimate | undefined>;

/** Subjects whose estimates are remembered. */
const rememberedMax = 256;

/**
 * Estimates that are remembered for `ageMsMax`: what devices did in past months is the same a minute later, and reading it costs
 * more than all of the headline's counters.
 */
export function rememberEstimates(ports: RotationPorts, ageMsMax = 60_000): EstimateRotation {
  const kept = new Map<string, { readonly at: EpochMs; readonly estimate: Promise<RotationEstimate | undefined> }>();
  return (subject, byAuthority, at) => {
    const key = JSON.stringify(subject.kind === 'authorities' ? subject.caIds : [subject.kind, subject.value]);
    const known = kept.get(key);
    if (known !== undefined && at >= known.at && at - known.at <= ageMsMax) return known.estimate;
    const estimate = estimateFor(ports, subject, byAuthority, at);
    if (kept.size >= rememberedMax) kept.clear();
    kept.set(key, { at, estimate });
    estimate.catch(() => kept.delete(key));
    return estimate;
  };
}

/** Undefined when nothing is outstanding: then nothing is to be replaced. */
export async function estimateFor(
  ports: RotationPorts,
  subject: RotatedSubject,
  byAuthority: Outstanding,
  at: EpochMs,
): Promise<RotationEstimate | undefined> {
  const outstanding = byAuthority.reduce((sum, one) => sum + one.outstanding, 0);
  if (outstanding === 0) return undefined;
  const samples = await samplesOf(ports, subject, byAuthority, at);
  const prices = certificatePrices(ports.prices);
  const groups: RotationGroup[] = [];
  const assumptions: string[] = [];
  for (const { value: caId } of byAuthority) {
    const fleets = samples.get(caId) ?? [];
    const authority = ports.hierarchy.authorities.find(({ id }) => id === caId);
    const { perSecond, basis } = await ports.issueRate(caId);
    assumptions.push(`${caId} issues ${Math.round(perSecond * 10) / 10}/s: ${basis}`);
    const mode = authority?.backend === 'acm-pca' ? (authority.mode ?? 'GENERAL_PURPOSE') : undefined;
    groups.push({
      backend: caId,
      issuePerSecond: perSecond,
      fleets,
      certificatesUsd: (count) => (mode === undefined ? 0 : prices.certificatesUsd(mode, count)),
    });
  }
  const seen = groups.flatMap(({ fleets }) => fleets).reduce((sum, fleet) => sum + fleet.outstanding, 0);
  const isPca = byAuthority.some(
    ({ value }) => ports.hierarchy.authorities.find(({ id }) => id === value)?.backend === 'acm-pca',
  );
  const estimate = estimateRotation({
    at,
    groups,
    outstandingElsewhere: Math.max(0, outstanding - seen),
    revokePerSecond: isPca ? revokePerSecond : undefined,
    pricesAsOf: prices.asOf,
    assumptions,
  });
  return { ...estimate, successor: subject.kind === 'authorities' ? successorOf(subject.signer) : undefined };
}

/** A later generation that stands ready, as `id#generation`. */
function successorOf(signer: IssuingAuthority | undefined): string | undefined {
  return signer === undefined || signer.generation < 2 ? undefined : `${signer.caId}#${signer.generation}`;
}

type Samples = ReadonlyMap<string, readonly RotatedFleet[]>;

async function samplesOf(
  ports: RotationPorts,
  subject: RotatedSubject,
  byAuthority: Outstanding,
  at: EpochMs,
): Promise<Samples> {
  if (subject.kind === 'authorities') return ofAuthorities(ports, subject.caIds, at);
  if (subject.kind === 'fleet') {
    const countMax = Math.min(sampledDevicesMax, Math.floor(devicesReadMax / Math.max(1, byAuthority.length)));
    const found = new Map<string, readonly RotatedFleet[]>();
    for (const { value: caId, outstanding } of byAuthority)
      found.set(caId, [await fleetOf(ports, caId, subject.value, outstanding, countMax)]);
    return found;
  }
  const by =
    subject.kind === 'owner'
      ? ({ kind: 'owner', owner: subject.value } as const)
      : ({ kind: 'credential', credentialId: subject.value } as const);
  return shared(await ports.inventory.contacts(by, devicesReadMax), byAuthority);
}

/** Of one owner or credential the sums are known by CA alone: its fleets share them by the devices they stand for. */
function shared(sampled: readonly SampledFleet[], byAuthority: Outstanding): Samples {
  const weightOf = ({ devices, oneIn }: SampledFleet) => devices.length * oneIn;
  return new Map(
    byAuthority.map(({ value: caId, outstanding }) => {
      const own = sampled.filter((fleet) => fleet.caId === caId);
      const whole = own.reduce((sum, fleet) => sum + weightOf(fleet), 0);
      const fleets = own.map((fleet) => ({
        name: fleet.fleet,
        outstanding: (outstanding * weightOf(fleet)) / whole,
        devices: fleet.devices,
        complete: false,
      }));
      return [caId, fleets];
    }),
  );
}

async function ofAuthorities(ports: RotationPorts, caIds: readonly string[], at: EpochMs): Promise<Samples> {
  const ranked = new Map<string, Awaited<ReturnType<typeof rankValues>>['values']>();
  const each = Math.max(1, Math.floor(fleetsMax / Math.max(1, caIds.length)));
  for (const caId of caIds) ranked.set(caId, (await rankValues(ports.inventory, [caId], 'fleet', at, each)).values);
  const count = [...ranked.values()].reduce((sum, values) => sum + values.length, 0);
  const countMax = Math.min(sampledDevicesMax, Math.max(64, Math.floor(devicesReadMax / Math.max(1, count))));
  const found = new Map<string, readonly RotatedFleet[]>();
  for (const [caId, values] of ranked)
    found.set(
      caId,
      await Promise.all(values.map(({ value, outstanding }) => fleetOf(ports, caId, value, outstanding, countMax))),
    );
  return found;
}

async function fleetOf(
  { inventory }: RotationPorts,
  caId: string,
  fleet: string,
  outstanding: number,
  countMax: number,
): Promise<RotatedFleet> {
  const [sampled] = await inventory.contacts({ kind: 'fleet', caId, fleet }, countMax);
  const devices = sampled?.devices ?? [];
  return { name: fleet, outstanding, devices, complete: sampled?.oneIn === 1 && devices.length < countMax };
}
