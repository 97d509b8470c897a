import { rfc3339 } from '../../shared/adapters/aws-lambda/http-response.ts';
import type { ClusterDescription, KeyDescription, KeyOrigin } from '../../shared/custody/key-description.ts';
import type { AuthorityCustody, CustodyReport, ReportedValidation } from '../../shared/issuance/report-custody.ts';

/** A report as JSON: what is not known is null, and the member beside it says why. */
export function presentReport({ asOf, authorities, comparison, stage }: CustodyReport) {
  return { asOf: rfc3339(asOf), stage, authorities: authorities.map(present), comparison };
}

function present(custody: AuthorityCustody) {
  const { authority, cost, findings, gap, generation, key, location, notAfter, outstanding, place, practice } = custody;
  const { backend, id, keyAlgorithm, mode, parent, subject, tier } = authority;
  return {
    id,
    tier,
    parent: parent ?? null,
    generation,
    backend,
    mode: mode ?? null,
    subject,
    keyAlgorithm,
    notAfter: notAfter === undefined ? null : rfc3339(notAfter),
    outstanding,
    model: authority.custody.model,
    requirement: authority.custody,
    status: custody.status,
    unknownBecause: gap ?? null,
    findings,
    location: location ?? null,
    place: place ?? null,
    evidence: key === undefined ? null : presentEvidence(key, custody.evidenceAgeMs ?? 0),
    validation: custody.validation === undefined ? null : presentValidation(custody.validation),
    canSign: practice?.canSign ?? null,
    quorum: practice?.quorum ?? null,
    backup: practice?.backup ?? null,
    failureMode: practice?.failureMode ?? null,
    cost: {
      currency: 'USD',
      perMonth: Math.round(cost.usdPerMonth * 100) / 100,
      emulated: cost.emulated,
      sharedBy: cost.sharedBy,
      lines: cost.lines.map(({ evidence, usdPerMonth, what }) => ({
        what,
        perMonth: Math.round(usdPerMonth * 100) / 100,
        price: evidence,
      })),
      pricesAsOf: cost.pricesAsOf ?? null,
    },
  };
}

const levels = ['none', 1, 2, 3, 4] as const;

function presentEvidence(key: KeyDescription, ageMs: number) {
  const { attestation, attributes, cluster, keyAlgorithm, keyId, module, origin, readAt, securityLevel } = key;
  return {
    source: key.source,
    kind: kinds[key.source],
    readAt: rfc3339(readAt),
    ageSeconds: Math.floor(ageMs / 1_000),
    keyId,
    keyAlgorithm,
    keyStatus: key.status,
    securityLevel: levels[securityLevel],
    attributes: attributes ?? null,
    module: module ?? null,
    providerStatement: attestation ?? null,
    cluster: cluster === undefined ? null : presentCluster(cluster),
    origin: presentOrigin(origin),
  };
}

const kinds: Readonly<Record<KeyDescription['source'], string>> = {
  module: 'module-reported',
  provider: 'provider-attested',
  emulator: 'none: an emulator stands in',
  process: 'none: a file',
};

function presentOrigin(origin: KeyOrigin | undefined) {
  if (origin === undefined) return null;
  const { backupId, kind, knownBy, restoredAt } = origin;
  return {
    kind,
    knownBy,
    backupId: backupId ?? null,
    restoredAt: restoredAt === undefined ? null : rfc3339(restoredAt),
  };
}

function presentCluster(cluster: ClusterDescription) {
  const { backupCount, backupRetentionDays, clusterId, foreignServers, hsmType, hsms, latestBackup, mode } = cluster;
  return {
    source: cluster.source,
    clusterId,
    state: cluster.state,
    hsmType,
    mode,
    hsms,
    foreignServers: foreignServers ?? null,
    sourceBackupId: cluster.sourceBackupId ?? null,
    backups: backupCount ?? null,
    backupRetentionDays: backupRetentionDays ?? null,
    latestBackup: latestBackup === undefined ? null : { ...latestBackup, createdAt: rfc3339(latestBackup.createdAt) },
    readAt: rfc3339(cluster.readAt),
  };
}

function presentValidation(validation: ReportedValidation) {
  const { basis, certificateNumber, cmvpStatus, historicalSince, source, standard, statusAsOf } = validation;
  return {
    standard: standard ?? null,
    certificateNumber: certificateNumber ?? null,
    status: cmvpStatus,
    historicalSince: historicalSince ?? null,
    statusAsOf: statusAsOf ?? null,
    source: source ?? null,
    basis,
  };
}
