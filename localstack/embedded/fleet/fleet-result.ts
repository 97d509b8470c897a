/** What a run of the fleet, or of a folder of requests, came to. */

export type Outcome = 'issued' | 'rejected' | 'failed';
export type Expectation = 'issued' | 'refused' | 'malformed';

/** One request and what became of it. Texts may be an answer's own: make them printable before showing them. */
export interface ResultRow {
  /** Device name or file name. */
  readonly subject: string;
  readonly profile: string;
  readonly outcome: Outcome;
  /** Last HTTP status; 0 when no answer came. */
  readonly status: number;
  /** `code` of the problem document, or why it failed. */
  readonly code: string;
  /** Every reason: a violation as `code: message`, else the detail of the problem. */
  readonly reasons: readonly string[];
  readonly expected?: Expectation;
  readonly unexpected: boolean;
  readonly verified: boolean;
  /** From the POST to the certificate in hand; absent when none came. */
  readonly latencyMs?: number;
  readonly issuanceId?: string;
  readonly note?: string;
}

/** Percentiles by nearest rank in milliseconds; null when nothing was issued. */
export interface Latency {
  readonly p50: number | null;
  readonly p99: number | null;
}

export interface ProfileTally {
  readonly profile: string;
  /** CA behind the profile and its backend; '' when unknown. */
  readonly caId: string;
  readonly backend: string;
  readonly submitted: number;
  readonly issued: number;
  readonly rejected: number;
  readonly failed: number;
  readonly unexpected: number;
  readonly verified: number;
  readonly latencyMs: Latency;
}

export interface FleetResult {
  readonly kind: 'fleet' | 'csr-directory';
  readonly submitted: number;
  /** Certificates in hand whose chain, key and names were verified. */
  readonly issued: number;
  /** Answered 4xx with a code. */
  readonly rejected: number;
  /** Neither; a certificate that does not verify is here too. */
  readonly failed: number;
  /** Not what the manifest expects; a fleet expects a certificate for every device. */
  readonly unexpected: number;
  readonly verified: number;
  /** From the first POST to the last answer. */
  readonly seconds: number;
  readonly certificatesPerSecond: number;
  readonly latencyMs: Latency;
  readonly tallies: readonly ProfileTally[];
  /** Every row of a folder; of a fleet those that were not issued, at most `rowsMax`. */
  readonly rows: readonly ResultRow[];
  /** What a person should know besides: profiles left out and why. */
  readonly notes: readonly string[];
}

export const rowsMax = 1_000;

/** Where a profile's certificates come from; `ready` is false while its backend is not there. */
export interface FleetProfile {
  readonly name: string;
  readonly caId: string;
  readonly backend: string;
  readonly ready: boolean;
  /** Key types in the hierarchy's words: `P-256`, `RSA-2048`, `Ed25519`. */
  readonly keys: readonly string[];
  /** The kind of name a sample device asks for. */
  readonly names: 'dns' | 'spiffe';
}

interface HierarchyLike {
  readonly authorities: readonly {
    readonly id: string;
    readonly backend: string;
    readonly profiles: readonly string[];
  }[];
  readonly profiles: readonly {
    readonly name: string;
    readonly keys: readonly string[];
    readonly names: { readonly dns?: unknown; readonly spiffe?: unknown };
  }[];
}

/** Profiles of a hierarchy as the fleet needs them: those of a CA, that take a DNS name or a SPIFFE id. */
export function fleetProfilesOf(hierarchy: HierarchyLike, isReady: (caId: string) => boolean): readonly FleetProfile[] {
  return hierarchy.profiles.flatMap((profile): readonly FleetProfile[] => {
    const authority = hierarchy.authorities.find((candidate) => candidate.profiles.includes(profile.name));
    const names = profile.names.dns !== undefined ? 'dns' : profile.names.spiffe !== undefined ? 'spiffe' : undefined;
    if (authority === undefined || names === undefined) return [];
    const { id: caId, backend } = authority;
    return [{ name: profile.name, caId, backend, ready: isReady(caId), keys: profile.keys, names }];
  });
}

/** Nearest rank: the smallest value with at least that share at or below it. */
export function latencyOf(valuesMs: readonly number[]): Latency {
  const sorted = [...valuesMs].sort((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const round = (value: number | undefined) => (value === undefined ? null : Math.round(value * 10) / 10);
  return { p50: round(rank(0.5)), p99: round(rank(0.99)) };
}

/** Counts rows. `profiles` gives each profile its CA; a profile without one is counted with ''. */
export function summarize(
  kind: FleetResult['kind'],
  rows: readonly ResultRow[],
  profiles: readonly FleetProfile[],
  elapsedMs: number,
  notes: readonly string[],
): FleetResult {
  const names = [...new Set([...profiles.map((p) => p.name), ...rows.map((r) => r.profile)])];
  const tallies = names.map((name) => {
    const profile = profiles.find((candidate) => candidate.name === name);
    const mine = rows.filter((row) => row.profile === name);
    return { profile: name, caId: profile?.caId ?? '', backend: profile?.backend ?? '', ...count(mine) };
  });
  const totals = count(rows);
  const seconds = Math.round(elapsedMs) / 1000;
  const kept = kind === 'fleet' ? rows.filter((row) => row.outcome !== 'issued' || row.unexpected) : rows;
  return {
    kind,
    ...totals,
    seconds,
    certificatesPerSecond: elapsedMs > 0 ? Math.round((totals.issued / elapsedMs) * 10_000) / 10 : 0,
    tallies: tallies.filter((tally) => tally.submitted > 0),
    rows: kind === 'fleet' ? kept.slice(0, rowsMax) : kept,
    notes,
  };
}

function count(rows: readonly ResultRow[]): Omit<ProfileTally, 'profile' | 'caId' | 'backend'> {
  const of = (outcome: Outcome) => rows.filter((row) => row.outcome === outcome).length;
  return {
    submitted: rows.length,
    issued: of('issued'),
    rejected: of('rejected'),
    failed: of('failed'),
    unexpected: rows.filter((row) => row.unexpected).length,
    verified: rows.filter((row) => row.verified).length,
    latencyMs: latencyOf(
      rows.flatMap((row) => (row.outcome === 'issued' && row.latencyMs !== undefined ? [row.latencyMs] : [])),
    ),
  };
}

/** True when nothing failed and nothing was unexpected: exit status 0. */
export function fleetSucceeded(result: FleetResult): boolean {
  return result.failed === 0 && result.unexpected === 0;
}

/** A CA as `GET /v1/authorities` shows it, as far as a report needs it. */
export interface ReportedAuthority {
  readonly id: string;
  readonly tier: string;
  readonly backend: string;
  readonly custodyModel: string;
  readonly outstanding: number;
}

/** The object that `npm start -- --json` prints as its last line. */
export function fleetReport(result: FleetResult, authorities: readonly ReportedAuthority[], url: string) {
  const { submitted, issued, rejected, failed, unexpected, seconds, certificatesPerSecond, latencyMs, verified } =
    result;
  return {
    submitted,
    issued,
    rejected,
    failed,
    unexpected,
    seconds,
    certificatesPerSecond,
    latencyMs,
    verified,
    authorities: authorities.map(({ id, tier, backend, custodyModel, outstanding }) => ({
      id,
      tier,
      backend,
      custodyModel,
      outstanding,
    })),
    url,
  };
}
