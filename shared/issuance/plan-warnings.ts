/** What will happen by itself, with its date: told while there is time to bring up the next generation. */
import { type Authority, durationMs, type Hierarchy } from '../hierarchy/hierarchy.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { InstalledAuthority } from './issuance-record.ts';
import { lastIssuance } from './last-issuance.ts';
import type { PlannedAuthority } from './plan-hierarchy.ts';

export type PlanWarningCode =
  /** Issuance of a profile will stop, since its leaves would outlive the CA; or has stopped. */
  | 'issuance-stops'
  | 'issuance-stopped'
  /** The certificate of a CA will end within the year; or has ended. */
  | 'authority-ends'
  | 'authority-ended'
  /** A CA made below this one from that day on would be cut short. */
  | 'children-shortened'
  /** A CA that is about to be made is. */
  | 'validity-shortened'
  /** An older generation, whose certificates live on. */
  | 'draining'
  /** Installed, and not in the file. */
  | 'not-in-hierarchy';

export interface PlanWarning {
  readonly code: PlanWarningCode;
  readonly caId: string;
  readonly generation: number;
  /** The day of it. */
  readonly at: EpochMs;
  readonly message: string;
}

const dayMs = 86_400_000;
/** Half a year: the time that ordering an HSM, calling witnesses together and a change freeze take, twice over. */
export const issuanceStopNoticeMs = 183 * dayMs;
export const authorityEndNoticeMs = 365 * dayMs;

export function planWarnings(
  hierarchy: Hierarchy,
  planned: readonly PlannedAuthority[],
  installed: readonly InstalledAuthority[],
  at: EpochMs,
): readonly PlanWarning[] {
  const warnings: PlanWarning[] = [];
  for (const authority of hierarchy.authorities) {
    const plan = planned.find(({ caId }) => caId === authority.id);
    if (plan === undefined || plan.action === 'wait' || plan.action === 'refused') continue;
    warnings.push(...endWarnings(hierarchy, authority, plan, at));
    if (authority.tier === 'issuance') warnings.push(...issuanceWarnings(hierarchy, authority, plan, at));
    else warnings.push(...childWarnings(hierarchy, authority, plan, at));
  }
  return [...warnings, ...olderWarnings(hierarchy, installed, at)];
}

function day(at: EpochMs): string {
  return new Date(at).toISOString().slice(0, 10);
}

function inDays(ms: number): string {
  const days = Math.floor(ms / dayMs);
  return days === 1 ? 'in 1 day' : `in ${days} days`;
}

function issuanceWarnings(
  hierarchy: Hierarchy,
  authority: Authority,
  { caId, generation, notAfter }: PlannedAuthority,
  at: EpochMs,
): readonly PlanWarning[] {
  const next = `write generation: ${authority.generation + 1} and apply`;
  return hierarchy.profiles.flatMap((profile): PlanWarning[] => {
    if (!authority.profiles.includes(profile.name)) return [];
    const stopsAt = lastIssuance(profile.validity, notAfter);
    if (stopsAt - at > issuanceStopNoticeMs) return [];
    const leaf = `a ${profile.name} of ${profile.validity.text}`;
    if (stopsAt < at) {
      const message = `issues no ${profile.name} since ${day(stopsAt)}: ${leaf} would outlive it; ${next}`;
      return [{ code: 'issuance-stopped', caId, generation, at: stopsAt, message }];
    }
    const message = `issues no ${profile.name} from ${day(stopsAt)} on, ${inDays(stopsAt - at)}: ${leaf} would outlive it; ${next}`;
    return [{ code: 'issuance-stops', caId, generation, at: stopsAt, message }];
  });
}

function endWarnings(
  hierarchy: Hierarchy,
  authority: Authority,
  { caId, generation, notAfter, shortened, signedBy }: PlannedAuthority,
  at: EpochMs,
): readonly PlanWarning[] {
  const warnings: PlanWarning[] = [];
  const below = hierarchy.authorities.some(({ parent }) => parent === caId) ? ', and every CA below with it' : '';
  if (notAfter <= at) {
    const message = `has ended on ${day(notAfter)}${below}`;
    warnings.push({ code: 'authority-ended', caId, generation, at: notAfter, message });
  } else if (notAfter - at <= authorityEndNoticeMs) {
    const message = `ends on ${day(notAfter)}, ${inDays(notAfter - at)}${below}`;
    warnings.push({ code: 'authority-ends', caId, generation, at: notAfter, message });
  }
  if (shortened) {
    const message = `will end on ${day(notAfter)} with its issuer ${signedBy ?? ''}, before the ${authority.validity.text} of the file are over`;
    warnings.push({ code: 'validity-shortened', caId, generation, at: notAfter, message });
  }
  return warnings;
}

/** A child is always made later than its parent: from some day on none has all of its validity any more. */
function childWarnings(
  hierarchy: Hierarchy,
  authority: Authority,
  { caId, generation, notAfter }: PlannedAuthority,
  at: EpochMs,
): readonly PlanWarning[] {
  const children = hierarchy.authorities.filter(({ parent }) => parent === authority.id);
  const longest = children.toSorted((a, b) => durationMs(b.validity) - durationMs(a.validity))[0];
  if (longest === undefined || notAfter <= at) return [];
  const shortFrom = lastIssuance(longest.validity, notAfter);
  // Where a child may have the validity of its parent, it is shortened from the first day on: the file's advice says so.
  if (shortFrom - at > issuanceStopNoticeMs || durationMs(longest.validity) >= durationMs(authority.validity))
    return [];
  const since = shortFrom < at ? `since ${day(shortFrom)}` : `from ${day(shortFrom)} on`;
  const message = `cannot sign a ${longest.id} of ${longest.validity.text} in full ${since}: write generation: ${authority.generation + 1} of ${caId} before`;
  return [{ code: 'children-shortened', caId, generation, at: shortFrom, message }];
}

/** Nothing is deleted here, by nobody's mistake: a CA whose certificates live on has to sign CRLs until the last has ended. */
function olderWarnings(
  hierarchy: Hierarchy,
  installed: readonly InstalledAuthority[],
  at: EpochMs,
): readonly PlanWarning[] {
  return installed.flatMap((entry): PlanWarning[] => {
    const { caId, generation, notAfter } = entry;
    const described = hierarchy.authorities.find(({ id }) => id === caId);
    if (described !== undefined && described.generation <= generation) return [];
    const over = notAfter <= at;
    const when = over ? `has ended on ${day(notAfter)}` : `ends on ${day(notAfter)}`;
    const removal = `${over ? 'it can be deleted' : 'keep it until then: it signs CRLs'}; to delete: ${howToDelete(entry)}`;
    if (described === undefined)
      return [
        {
          code: 'not-in-hierarchy',
          caId,
          generation,
          at: notAfter,
          message: `is not in the file and ${when}; ${removal}`,
        },
      ];
    const newer = installed.some((other) => other.caId === caId && other.generation > generation);
    const drains = newer ? 'drains' : `issues until generation ${described.generation} is there`;
    return [{ code: 'draining', caId, generation, at: notAfter, message: `${drains}, and ${when}; ${removal}` }];
  });
}

/** What a person types: this program deletes no CA and no key. */
export function howToDelete({ backend, backendRef }: InstalledAuthority): string {
  switch (backend) {
    case 'acm-pca':
      return `aws acm-pca update-certificate-authority --status DISABLED --certificate-authority-arn ${backendRef}, then delete-certificate-authority`;
    case 'pkcs11':
      return `destroy ${backendRef} with the tool of the module (pkcs11-tool --delete-object), in a ceremony`;
    case 'software':
      return `remove the key file ${backendRef} from the state folder`;
  }
}
