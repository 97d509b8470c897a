/** What it costs to keep a CA key where it is, and to sign with it, for a month. */
import { hsmCountMin } from '../custody/evaluate-cluster.ts';
import type { KeyDescription } from '../custody/key-description.ts';
import { durationMs } from '../hierarchy/duration.ts';
import { type Authority, findProfile, type Hierarchy } from '../hierarchy/hierarchy.ts';
import { outstandingAt } from '../inventory/outstanding.ts';
import { costUsd, type PriceId, type PriceList, pricesAsOf } from '../inventory/prices.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { CounterRow } from './ports.ts';

/** The month that AWS computes monthly prices by. */
export const hoursPerMonth = 730;
const monthMs = hoursPerMonth * 3_600_000;
/** A device renews when this share of the lifetime is over. */
const renewalShare = 2 / 3;

export interface CostLine {
  readonly what: string;
  readonly usdPerMonth: number;
  /** How the price is known: on the vendor's page, elsewhere, or not confirmed. */
  readonly evidence: 'vendor' | 'secondary' | 'unconfirmed';
}

export interface CustodyCost {
  /** As at AWS; an emulator and a file cost nothing themselves. */
  readonly usdPerMonth: number;
  readonly lines: readonly CostLine[];
  /** True when what stands here stands in for what is priced. */
  readonly emulated: boolean;
  /** CAs that share the cluster, whose price stands with each of them; 1 where nothing is shared. */
  readonly sharedBy: number;
  readonly pricesAsOf: string | undefined;
}

/** Certificates a month that keep the outstanding ones renewed, by profile. */
export function certificatesPerMonth(hierarchy: Hierarchy, counters: readonly CounterRow[], at: EpochMs): number {
  const byProfile = new Map<string, CounterRow[]>();
  for (const row of counters) {
    if (row.dimension !== 'profile') continue;
    byProfile.set(row.value, [...(byProfile.get(row.value) ?? []), row]);
  }
  let perMonth = 0;
  for (const [name, rows] of byProfile) {
    const profile = findProfile(hierarchy, name);
    if (profile === undefined) continue;
    perMonth += (outstandingAt(rows, at) * monthMs) / (durationMs(profile.validity) * renewalShare);
  }
  return perMonth;
}

export function costOfCustody(
  prices: PriceList,
  authority: Authority,
  key: KeyDescription | undefined,
  perMonth: number,
  casOnCluster: number,
): CustodyCost {
  const emulated = key !== undefined && key.source !== 'module' && key.source !== 'provider';
  const lines: CostLine[] = [];
  const ids: PriceId[] = [];
  const add = (what: string, id: PriceId, quantity: number) => {
    ids.push(id);
    lines.push({ what, usdPerMonth: costUsd(prices, id, quantity), evidence: prices.prices[id].evidence });
  };
  if (authority.backend === 'acm-pca') {
    const short = authority.mode === 'SHORT_LIVED_CERTIFICATE';
    add('the CA', short ? 'acm-pca-short-lived-ca-month' : 'acm-pca-general-purpose-ca-month', 1);
    if (authority.tier === 'issuance') {
      const id = short ? 'acm-pca-short-lived-certificate' : 'acm-pca-general-purpose-certificate';
      add(`${Math.ceil(perMonth)} certificates, renewing what is outstanding`, id, Math.ceil(perMonth));
    }
  }
  if (authority.backend === 'pkcs11') {
    const hsms = key?.cluster === undefined ? hsmCountMin : key.cluster.hsms.length;
    add(`${hsms} HSMs`, 'cloudhsm-hsm-hour', hsms * hoursPerMonth);
  }
  return {
    usdPerMonth: lines.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0),
    lines,
    emulated,
    sharedBy: authority.backend === 'pkcs11' ? casOnCluster : 1,
    pricesAsOf: ids.length === 0 ? undefined : pricesAsOf(prices, ids),
  };
}
