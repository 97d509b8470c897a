import type { Draft, DraftAuthority, DraftProfile } from './draft.ts';
import type { Finding, HierarchyFaultCode } from './fault.ts';

/** One rule of the hierarchy: one code, the clause it rests on, and a check that reports every breach of it. */
export interface HierarchyRule {
  readonly code: HierarchyFaultCode;
  readonly reference: string;
  readonly check: (draft: Draft) => readonly Finding[];
}

/** A rule that looks at one authority at a time. */
export function eachAuthority(
  check: (authority: DraftAuthority, draft: Draft) => Finding | readonly Finding[] | undefined,
): (draft: Draft) => readonly Finding[] {
  return (draft) => draft.authorities.flatMap((authority) => check(authority, draft) ?? []);
}

/** A rule that looks at one profile at a time. */
export function eachProfile(
  check: (profile: DraftProfile, draft: Draft) => Finding | readonly Finding[] | undefined,
): (draft: Draft) => readonly Finding[] {
  return (draft) => draft.profiles.flatMap((profile) => check(profile, draft) ?? []);
}
