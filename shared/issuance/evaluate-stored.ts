import { durationMs, findProfile, type Hierarchy } from '../hierarchy/hierarchy.ts';
import { evaluateRequest, type PolicyDecision, type PolicyViolation } from '../hierarchy/policy.ts';
import type { CertificationRequest } from '../pki/certification-request.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { MalformedError } from '../pki/malformed.ts';
import type { AuthorityDirectory } from './authority-directory.ts';
import type { IssuanceRecord } from './issuance-record.ts';
import type { RequestReader } from './request-reader.ts';

export interface EvaluateStoredPorts {
  readonly hierarchy: Hierarchy;
  readonly authorities: AuthorityDirectory;
  readonly requests: RequestReader;
}

export interface StoredEvaluation {
  readonly request: CertificationRequest;
  readonly decision: PolicyDecision;
}

/**
 * Derives the decision on a stored request anew: nothing narrow crosses a queue. Parses, verifies possession, evaluates
 * against the policy of now and the scope recorded with the request. Throws `MalformedError` when the ledger's bytes
 * are no valid request any more: a broken invariant, which belongs in the dead-letter queue.
 */
export async function evaluateStored(
  { authorities, hierarchy, requests }: EvaluateStoredPorts,
  record: IssuanceRecord,
  at: EpochMs,
): Promise<StoredEvaluation> {
  const read = requests.read(record.csrDer);
  const { request } = read;
  const profile = findProfile(hierarchy, record.profile);
  if (profile === undefined) return { request, decision: { kind: 'deny', violations: [profileGone(record.profile)] } };
  if (!(await requests.provesPossession(read)))
    throw new MalformedError('possession-not-proven', 'a stored request no longer verifies');
  // What is approved is approved under one generation, and drains under it while another takes over.
  const issuer =
    record.state === 'approved'
      ? await authorities.generation(record.caId, record.generation)
      : await authorities.newest(record.caId);
  return { request, decision: evaluateRequest(hierarchy, profile, request, record.scope, at, issuer?.notAfter) };
}

function profileGone(profile: string): PolicyViolation {
  return {
    code: 'profile-not-in-scope',
    field: 'profile',
    message: `the hierarchy has no profile ${profile} any more`,
    reference: 'hierarchy.profiles',
  };
}

/** True when an unsigned issuance is past half its lifetime: what it would get is hardly worth having. */
export function isLapsed(hierarchy: Hierarchy, record: IssuanceRecord, at: EpochMs): boolean {
  const profile = findProfile(hierarchy, record.profile);
  return profile !== undefined && at - record.receivedAt > durationMs(profile.validity) / 2;
}
