/** The custody models side by side, and an HSM beside a software key store, with the figures of one hierarchy. */
import { hsmCountMin } from '../custody/evaluate-cluster.ts';
import type { CustodyModel } from '../custody/key-description.ts';
import type { Hierarchy } from '../hierarchy/hierarchy.ts';
import { costUsd, type PriceList } from '../inventory/prices.ts';
import { hoursPerMonth } from './cost-of-custody.ts';
import type { AuthorityCustody } from './report-custody.ts';

export interface ComparisonRow {
  readonly aspect: string;
  readonly values: readonly string[];
}

export interface CustodyComparison {
  /** Columns: software, self-managed-hsm, managed-ca. */
  readonly models: { readonly columns: readonly CustodyModel[]; readonly rows: readonly ComparisonRow[] };
  /** Columns: HSM, software key store. */
  readonly keyStores: { readonly columns: readonly string[]; readonly rows: readonly ComparisonRow[] };
}

/** IssueCertificate a second and account; P-256 signatures a second of two hsm2m.medium (AWS's own figures). */
const acmPcaIssuePerSecond = 25;
const hsmSignPerSecond = 3_000;

const models = ['software', 'self-managed-hsm', 'managed-ca'] as const satisfies readonly CustodyModel[];

export function compareCustody(
  hierarchy: Hierarchy,
  authorities: readonly AuthorityCustody[],
  prices: PriceList,
): CustodyComparison {
  return {
    models: { columns: models, rows: modelRows(hierarchy, authorities, prices) },
    keyStores: { columns: ['HSM', 'software key store'], rows: keyStoreRows(authorities) },
  };
}

function modelRows(
  hierarchy: Hierarchy,
  authorities: readonly AuthorityCustody[],
  prices: PriceList,
): readonly ComparisonRow[] {
  const outstanding = outstandingLeaves(authorities);
  const usedBy = models.map(
    (model) =>
      authorities
        .filter(({ authority }) => authority.custody.model === model)
        .map(({ authority }) => authority.id)
        .join(', ') || 'none',
  );
  const caMonth = costUsd(prices, 'acm-pca-general-purpose-ca-month', 1);
  const cluster = costUsd(prices, 'cloudhsm-hsm-hour', hsmCountMin * hoursPerMonth);
  const count = hierarchy.authorities.length;
  const row = (aspect: string, ...values: readonly string[]): ComparisonRow => ({ aspect, values });
  return [
    row('CAs of this hierarchy', ...usedBy),
    row('allowed in stage prod', 'no', 'yes, at level 3 or higher', 'yes, at level 3 or higher'),
    row(
      'evidence',
      'none: a file',
      "module-reported: attributes, and the key's fingerprint by a signature, before every batch",
      "provider-attested: the provider's word, once a minute",
    ),
    row('level and standard', 'none', '3, FIPS 140-3 (hsm2m.medium, FIPS mode)', '3, FIPS 140-2 (historical)'),
    row(
      'who can sign',
      'whoever reads the file',
      'a crypto user with its password',
      'a principal with IssueCertificate',
    ),
    row('people agree first (m of n)', 'no', 'yes, per key: for a ceremony', 'no'),
    row('a signature behind our back is seen', 'no', 'no: only our journal lists signatures', 'yes: the audit report'),
    row('backup', 'a copy is the key', 'by the HSM, restorable by the account', "the provider's, not restorable by us"),
    row('the key can be taken along', 'yes', 'no; a backup to another cluster', 'no'),
    row(
      'all outstanding reissued in',
      'limited by the pipeline',
      `${duration(outstanding / hsmSignPerSecond)} (${hsmSignPerSecond}/s, 2 HSMs)`,
      `${duration(outstanding / acmPcaIssuePerSecond)} (${acmPcaIssuePerSecond}/s, default quota)`,
    ),
    row(
      `month, for these ${count} CAs`,
      'USD 0',
      `USD ${usd(cluster)}: ${hsmCountMin} HSMs, however many CAs`,
      `USD ${usd(count * caMonth)}, and a price for each certificate`,
    ),
  ];
}

function keyStoreRows(authorities: readonly AuthorityCustody[]): readonly ComparisonRow[] {
  const issuing = authorities.filter(
    ({ authority, notAfter }) => authority.tier === 'issuance' && notAfter !== undefined,
  );
  const outstanding = outstandingLeaves(authorities);
  const until = issuing.map(({ authority, notAfter }) => `${authority.id} ${day(notAfter)}`).join(', ') || 'no CA yet';
  const row = (aspect: string, hsm: string, software: string): ComparisonRow => ({ aspect, values: [hsm, software] });
  return [
    row('a stolen disk or backup holds', 'nothing that signs', 'the key'),
    row(
      'a thief inside the process has',
      'signatures, while inside and logged in; each is at our HSM',
      'the key, for ever and anywhere',
    ),
    row('what a thief can mint lasts', 'until thrown out, and the PIN changed', `to the end of the CA: ${until}`),
    row(
      'after a theft',
      'change the PIN; judge what was signed meanwhile',
      `a new generation of each CA; ${outstanding} certificates replaced`,
    ),
    row('that it was not copied is shown by', 'NEVER_EXTRACTABLE, LOCAL, and the list of backups', 'nothing'),
    row('destroying it is', 'C_DestroyObject, and the end of its backups', 'not to be shown: a copy may exist'),
    row('it stops when', 'module, cluster or network fail', 'the disk fails'),
  ];
}

function outstandingLeaves(authorities: readonly AuthorityCustody[]): number {
  return authorities
    .filter(({ authority }) => authority.tier === 'issuance')
    .reduce((sum, { outstanding }) => sum + outstanding, 0);
}

function day(at: number | undefined): string {
  return at === undefined ? '' : new Date(at).toISOString().slice(0, 10);
}

function usd(amount: number): string {
  return amount.toFixed(2).replace(/\B(?=(\d{3})+\.)/g, ',');
}

/** Seconds, for people. */
function duration(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  if (seconds < 7_200) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
