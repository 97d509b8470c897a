/**
 * What AWS charges: one dated list, which the bill of a deployment, the cost of a million certificates and the cost of a
 * rotation are computed from. `prices.json` is the list that comes with the project; an owner with other prices, or in another
 * Region, hands in their own, of the same form.
 */
import published from './prices.json' with { type: 'json' };

/** Every price that there has to be in a list. */
export const priceIds = [
  'api-gateway-http-request',
  'lambda-request',
  'lambda-arm64-gb-second',
  'sqs-standard-request',
  'dynamodb-write-request-unit',
  'dynamodb-read-request-unit',
  'dynamodb-provisioned-write-unit-hour',
  'dynamodb-provisioned-read-unit-hour',
  'dynamodb-storage-gb-month',
  'dynamodb-point-in-time-recovery-gb-month',
  'cloudwatch-logs-ingested-gb',
  'cloudwatch-logs-stored-gb-month',
  'cloudwatch-metric-month',
  'cloudwatch-alarm-month',
  'cloudwatch-dashboard-month',
  'kms-key-month',
  'kms-request',
  's3-storage-gb-month',
  's3-put-request',
  's3-get-request',
  'secrets-manager-secret-month',
  'secrets-manager-request',
  'nat-gateway-hour',
  'nat-gateway-gb',
  'interface-endpoint-hour',
  'interface-endpoint-gb',
  'data-transfer-out-gb',
  'route53-hosted-zone-month',
  'ecr-storage-gb-month',
  'cloudhsm-hsm-hour',
  'acm-pca-general-purpose-ca-month',
  'acm-pca-short-lived-ca-month',
  'acm-pca-general-purpose-certificate',
  'acm-pca-short-lived-certificate',
] as const;

export type PriceId = (typeof priceIds)[number];

/** How a figure is known: read on the vendor's own page, on another's page that cites it, or not confirmed at all. */
export type PriceEvidence = 'vendor' | 'secondary' | 'unconfirmed';

/** Price of the units of a month up to and with `upTo`; of all that remain, when that is not said. */
export interface PriceTier {
  readonly upTo?: number;
  /** For `per` units. */
  readonly usd: number;
}

export interface Price {
  readonly unit: string;
  /** So many units cost a tier's `usd`. */
  readonly per: number;
  /** In ascending order; the last one has no end. */
  readonly tiers: readonly PriceTier[];
  /** Page of the vendor that states it today. */
  readonly source: string;
  readonly evidence: PriceEvidence;
  /** Date, YYYY-MM-DD. */
  readonly asOf: string;
  readonly note?: string;
}

export interface PriceList {
  readonly currency: 'USD';
  /** Region of AWS that the prices hold for. */
  readonly region: string;
  readonly prices: Readonly<Record<PriceId, Price>>;
}

export type PriceListReading =
  | { readonly ok: true; readonly list: PriceList }
  | { readonly ok: false; readonly faults: readonly string[] };

type Members = Readonly<Record<string, unknown>>;

const textCharactersMax = 300;
const tiersMax = 10;
const date = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;
const evidences: readonly unknown[] = ['vendor', 'secondary', 'unconfirmed'] satisfies readonly PriceEvidence[];

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= textCharactersMax;
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function tierFaults(tiers: unknown): readonly string[] {
  if (!Array.isArray(tiers) || tiers.length === 0 || tiers.length > tiersMax) {
    return [`tiers: a list of 1 to ${tiersMax} tiers`];
  }
  let before = 0;
  return tiers.flatMap((tier: unknown, index) => {
    const at = `tiers[${index}]`;
    if (!isObject(tier) || !isAmount(tier.usd)) return [`${at}.usd: an amount, not negative`];
    const isLast = index === tiers.length - 1;
    if (isLast) return tier.upTo === undefined ? [] : [`${at}.upTo: not of the last tier`];
    if (!isAmount(tier.upTo) || tier.upTo <= before) return [`${at}.upTo: more than that of the tier before`];
    before = tier.upTo;
    return [];
  });
}

function priceFaults(price: unknown): readonly string[] {
  if (!isObject(price)) return ['is missing'];
  const { unit, per, tiers, source, evidence, asOf, note } = price;
  return [
    ...(isText(unit) ? [] : ['unit: a text']),
    ...(isAmount(per) && per > 0 ? [] : ['per: a number above 0']),
    ...tierFaults(tiers),
    ...(isText(source) && String(source).startsWith('https://') ? [] : ['source: an https address']),
    ...(evidences.includes(evidence) ? [] : [`evidence: ${evidences.join(', ')}`]),
    ...(typeof asOf === 'string' && date.test(asOf) ? [] : ['asOf: a date, YYYY-MM-DD']),
    ...(note === undefined || isText(note) ? [] : ['note: a text']),
  ];
}

/** Parsed JSON → price list, or every fault it has. Total. A price that no line of ours uses is a fault too: it may be a misspelling. */
export function readPriceList(value: unknown): PriceListReading {
  if (!isObject(value)) return { ok: false, faults: ['a price list is a JSON object'] };
  const { currency, region, prices } = value;
  const given = isObject(prices) ? prices : {};
  const known: readonly string[] = priceIds;
  const faults = [
    ...(currency === 'USD' ? [] : ['currency: USD']),
    ...(isText(region) ? [] : ['region: a text']),
    ...(isObject(prices) ? [] : ['prices: an object']),
    ...priceIds.flatMap((id) =>
      priceFaults(Object.hasOwn(given, id) ? given[id] : undefined).map((f) => `${id}: ${f}`),
    ),
    ...Object.keys(given).flatMap((id) => (known.includes(id) ? [] : [`${id.slice(0, 80)}: no such price`])),
  ];
  return faults.length > 0 ? { ok: false, faults } : { ok: true, list: value as unknown as PriceList };
}

function readPublished(): PriceList {
  const reading = readPriceList(published);
  if (!reading.ok) throw new Error(`prices.json: ${reading.faults.join('; ')}`);
  return reading.list;
}

/** The list that comes with the project. */
export const publishedPrices: PriceList = readPublished();

/** USD for `quantity` units of one month, tier by tier. RangeError for a quantity that is negative or not finite. */
export function costUsd(list: PriceList, id: PriceId, quantity: number): number {
  if (!isAmount(quantity)) throw new RangeError(`${id}: a quantity of ${quantity}`);
  const { per, tiers } = list.prices[id];
  let cost = 0;
  let before = 0;
  for (const { upTo = Number.POSITIVE_INFINITY, usd } of tiers) {
    cost += (Math.max(0, Math.min(quantity, upTo) - before) / per) * usd;
    before = upTo;
  }
  return cost;
}

/** Date of the oldest of these prices: what a cost computed from them is as of. */
export function pricesAsOf(list: PriceList, ids: readonly PriceId[] = priceIds): string {
  return ids.map((id) => list.prices[id].asOf).reduce((oldest, asOf) => (asOf < oldest ? asOf : oldest));
}
