/** Where the key of each CA lives, by evidence read now, and what follows from that. */

import { type CmvpModule, type CustodyFinding, cmvpModules, evaluateCustody } from '../custody/custody.ts';
import {
  backupOfCluster,
  type KeyPlace,
  type KeyPractice,
  keyPractices,
  placeOfKey,
} from '../custody/custody-practice.ts';
import type { KeyDescription } from '../custody/key-description.ts';
import type { Authority, Hierarchy } from '../hierarchy/hierarchy.ts';
import type { PriceList } from '../inventory/prices.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import { type CustodyComparison, compareCustody } from './compare-custody.ts';
import { type CustodyCost, certificatesPerMonth, costOfCustody } from './cost-of-custody.ts';
import { assertNever } from './errors.ts';
import { outstandingOf } from './outstanding-of.ts';
import type { Clock, IssuanceLedger, SigningBackend } from './ports.ts';

export interface ReportCustodyPorts {
  readonly hierarchy: Hierarchy;
  readonly authorities: AuthorityDirectory;
  readonly ledger: Pick<IssuanceLedger, 'counters'>;
  /** Who can be asked about the key of a CA here; undefined when nobody can. */
  readonly evidenceOf: (issuer: IssuingAuthority) => Pick<SigningBackend, 'describeKey'> | undefined;
  readonly prices: PriceList;
  readonly clock: Clock;
}

/** Why there is no evidence of a key. `not-installed`: there is no CA yet; `not-readable-here`: its module or PIN is elsewhere. */
export type EvidenceGap = 'not-installed' | 'not-readable-here' | 'no-answer';

/** The validation of the module. What is not there has a reason. */
export interface ReportedValidation {
  readonly standard: string | undefined;
  readonly certificateNumber: string | undefined;
  readonly cmvpStatus: KeyDescription['cmvpStatus'];
  readonly historicalSince: string | undefined;
  readonly statusAsOf: string | undefined;
  readonly source: string | undefined;
  /** Who says so: the module's type by its provider, or the provider's word alone. */
  readonly basis: string;
}

export interface AuthorityCustody {
  readonly authority: Authority;
  readonly generation: number;
  readonly notAfter: EpochMs | undefined;
  /** A CA key that is as demanded `holds`. */
  readonly status: 'holds' | 'stopped' | 'unknown' | 'absent';
  readonly gap: EvidenceGap | undefined;
  readonly findings: readonly CustodyFinding[];
  /** Where the key is, as the registry finds it; undefined when there is none. */
  readonly location: string | undefined;
  readonly place: KeyPlace | undefined;
  readonly key: KeyDescription | undefined;
  readonly evidenceAgeMs: number | undefined;
  readonly validation: ReportedValidation | undefined;
  readonly practice: KeyPractice | undefined;
  readonly cost: CustodyCost;
  readonly outstanding: number;
}

export interface CustodyReport {
  readonly asOf: EpochMs;
  readonly stage: Hierarchy['stage'];
  readonly authorities: readonly AuthorityCustody[];
  readonly comparison: CustodyComparison;
}

/** Reads the evidence of every CA afresh. A CA whose evidence cannot be had is reported, never left out. */
export async function reportCustody(ports: ReportCustodyPorts): Promise<CustodyReport> {
  const { authorities: directory, clock, hierarchy, ledger, prices } = ports;
  const read = await Promise.all(hierarchy.authorities.map((authority) => readEvidence(ports, authority)));
  const now = clock();
  const clusterCas = read.filter(({ authority }) => authority.backend === 'pkcs11').length;
  const authorities = await Promise.all(
    read.map(async (one): Promise<AuthorityCustody> => {
      const { authority, key } = one;
      const installed = await directory.newest(authority.id);
      const counters = installed === undefined ? [] : await ledger.counters(authority.id);
      const perMonth = certificatesPerMonth(hierarchy, counters, now);
      return {
        ...one,
        evidenceAgeMs: key === undefined ? undefined : Math.max(0, now - key.readAt),
        cost: costOfCustody(prices, authority, key, perMonth, clusterCas),
        outstanding: outstandingOf(hierarchy, authority, counters, now),
      };
    }),
  );
  return { asOf: now, stage: hierarchy.stage, authorities, comparison: compareCustody(hierarchy, authorities, prices) };
}

type Evidence = Omit<AuthorityCustody, 'evidenceAgeMs' | 'cost' | 'outstanding'>;

async function readEvidence(ports: ReportCustodyPorts, authority: Authority): Promise<Evidence> {
  const { authorities, clock, evidenceOf, hierarchy } = ports;
  const issuer = await authorities.newest(authority.id);
  const without = (status: 'unknown' | 'absent', gap: EvidenceGap): Evidence => ({
    authority,
    generation: issuer?.generation ?? authority.generation,
    notAfter: issuer?.notAfter,
    status,
    gap,
    findings: [],
    location: issuer?.backendRef,
    place: undefined,
    key: undefined,
    validation: undefined,
    practice: undefined,
  });
  if (issuer === undefined) return without('absent', 'not-installed');
  const source = evidenceOf(issuer);
  if (source === undefined) return without('unknown', 'not-readable-here');
  let key: KeyDescription;
  try {
    key = await source.describeKey();
  } catch {
    return without('unknown', 'no-answer');
  }
  const expected = { spkiSha256: issuer.spkiSha256, keyAlgorithm: authority.keyAlgorithm };
  const { ok, findings } = evaluateCustody(authority.custody, expected, key, hierarchy.stage, clock());
  const place = placeOfKey(key);
  return {
    authority,
    generation: issuer.generation,
    notAfter: issuer.notAfter,
    status: ok ? 'holds' : 'stopped',
    gap: undefined,
    findings,
    location: issuer.backendRef,
    place,
    key,
    validation: validationOf(key, place),
    practice: practiceOf(authority, key, place),
  };
}

function practiceOf(authority: Authority, key: KeyDescription, place: KeyPlace): KeyPractice {
  const practice = keyPractices[place];
  const { signQuorum } = authority.custody;
  return {
    ...practice,
    // PKCS #11 has no attribute for it: what is reported is what the hierarchy demands, and it is said to be that.
    ...(signQuorum === undefined
      ? {}
      : { quorum: `${signQuorum} people approve each signature, by the hierarchy; the module does not report it` }),
    ...(key.cluster === undefined ? {} : { backup: backupOfCluster(key.cluster) }),
  };
}

function validationOf(key: KeyDescription, place: KeyPlace): ReportedValidation {
  const { certificateNumber, cmvpStatus = 'unknown', standard } = key;
  const record = cmvpRecordOf(key, place);
  return {
    standard,
    certificateNumber,
    cmvpStatus,
    historicalSince: cmvpStatus === 'historical' ? record?.historicalSince : undefined,
    statusAsOf: key.validatedBy?.statusAsOf ?? record?.statusAsOf,
    source: key.validatedBy?.source ?? record?.source,
    basis: basisOf(key, place),
  };
}

/** The entry of the validation list that a key's fields come from. */
function cmvpRecordOf(key: KeyDescription, place: KeyPlace): CmvpModule | undefined {
  if (place === 'acm-pca') return key.standard === undefined ? undefined : cmvpModules['acm-pca'];
  if (place !== 'cloudhsm' || key.securityLevel === 0) return undefined;
  return Object.values(cmvpModules).find(({ id }) => id === key.cluster?.hsmType);
}

function basisOf(key: KeyDescription, place: KeyPlace): string {
  switch (place) {
    case 'acm-pca':
      return `provider-attested: ${key.attestation ?? 'nothing said'}; which module and certificate is not disclosed`;
    case 'acm-pca-emulator':
    case 'softhsm':
      return 'none: an emulator stands in, and proves nothing whatever it claims';
    case 'file':
      return 'none: a file has no module that could be validated';
    case 'hsm':
      return key.validatedBy === undefined
        ? 'none: nothing is known of the validation of this module'
        : `the owner's entry in the hierarchy (modules), looked up by the owner on ${key.validatedBy.statusAsOf}`;
    case 'cloudhsm':
      return key.securityLevel === 0
        ? 'none: the type of HSM or the mode of the cluster is not one that a validation is known for'
        : `looked up by HSM type ${key.cluster?.hsmType ?? ''}, in FIPS mode by the provider's word`;
    default:
      return assertNever(place);
  }
}
