import { rfc3339 } from '../../shared/adapters/aws-lambda/http-response.ts';
import type { BlastRadius, Breakdown, BrokenDownBy, Subject } from '../../shared/inventory/blast-radius.ts';
import type { Issuable } from '../../shared/inventory/issuable.ts';
import type { RotationEstimate } from '../../shared/inventory/rotation.ts';
import type { Recount } from '../../shared/issuance/recount.ts';
import type { EpochMs } from '../../shared/pki/epoch.ts';

const time = (at: EpochMs | undefined) => (at === undefined ? null : rfc3339(at));

/** The JSON of a blast radius: members that do not apply to the subject are null. */
export function presentBlastRadius({ subject, asOf, issued, issuable, reach, rotation }: BlastRadius) {
  const { by, byAuthority, unsettled, exposureCurve, lastNotAfter, exact, nextEdge, ...figures } = issued;
  return {
    ...presentSubject(subject),
    asOf: rfc3339(asOf),
    exact,
    nextEdge: time(nextEdge),
    issued: {
      ...figures,
      by: presentBreakdowns(by, byAuthority),
      unsettled: unsettled ?? null,
      exposureCurve: exposureCurve.map(({ at, outstanding }) => ({ at: rfc3339(at), outstanding })),
      lastNotAfter: time(lastNotAfter),
    },
    issuable: issuable === undefined ? null : presentIssuable(issuable),
    reach: reach === undefined ? null : { ...reach, until: rfc3339(reach.until) },
    rotation: rotation === undefined ? null : presentRotation(rotation),
  };
}

function presentSubject(subject: Subject) {
  if (subject.kind !== 'authority') return { subject };
  const { id, tier, generation, keyId, includes, below } = subject;
  return { authority: { id, tier, generation, keyId: keyId ?? null, includes, below } };
}

function presentBreakdowns(
  by: Readonly<Partial<Record<BrokenDownBy, Breakdown>>>,
  byAuthority: Breakdown['values'],
): Readonly<Record<string, unknown>> {
  const { owner, fleet, profile, keyType, credential } = by;
  const values = (breakdown: Breakdown | undefined) => breakdown?.values ?? [];
  const totals = (name: string, breakdown: Breakdown | undefined) =>
    breakdown === undefined
      ? {}
      : {
          [`${name}sTotal`]: breakdown.total,
          [`${name}sOmitted`]: breakdown.total - breakdown.values.length,
        };
  const all = [owner, fleet, profile, keyType, credential].filter((one) => one !== undefined);
  return {
    authority: byAuthority,
    owner: values(owner),
    fleet: values(fleet),
    profile: values(profile),
    keyType: values(keyType),
    credential: values(credential),
    ...totals('owner', owner),
    ...totals('fleet', fleet),
    ...totals('profile', profile),
    ...totals('keyType', keyType),
    ...totals('credential', credential),
    exact: all.every(({ exact }) => exact),
  };
}

function presentIssuable(issuable: Issuable) {
  return { ...issuable, until: rfc3339(issuable.until), pathLen: issuable.pathLen ?? null };
}

function presentRotation(rotation: RotationEstimate) {
  const { successor, revokePerSecond, revokedAfterSeconds, replacedAfterSeconds } = rotation;
  return {
    ...rotation,
    successor: successor ?? null,
    revokePerSecond: revokePerSecond ?? null,
    revokedAfterSeconds: revokedAfterSeconds ?? null,
    replacedAfterSeconds: {
      '50': replacedAfterSeconds['50'] ?? null,
      '95': replacedAfterSeconds['95'] ?? null,
      '100': replacedAfterSeconds['100'] ?? null,
    },
  };
}

export function presentRecount({ id, startedAt, done, about, endedAt, result, failed }: Recount) {
  const bucket = (one: { readonly bucketStart: EpochMs; readonly bucketMs: number }) => ({
    bucketStart: rfc3339(one.bucketStart),
    bucketSeconds: one.bucketMs / 1000,
  });
  return {
    id,
    status: endedAt === undefined ? 'running' : failed ? 'failed' : 'done',
    startedAt: rfc3339(startedAt),
    endedAt: time(endedAt),
    certificatesCounted: result?.certificates ?? done,
    issuancesAbout: about,
    counters: result?.counters ?? null,
    equal: result?.equal ?? null,
    consistent: result?.consistent ?? null,
    differing: result?.differing ?? null,
    differences: (result?.differences ?? []).map(({ caId, dimension, value, counted, recounted, ...cell }) => ({
      authority: caId,
      dimension,
      value,
      ...bucket(cell),
      counted,
      recounted,
    })),
    sumDifferences: (result?.sumDifferences ?? []).map(({ caId, ...rest }) => ({ authority: caId, ...rest })),
  };
}
