import type { EnrolmentScope } from '../hierarchy/policy.ts';
import type { EnrolmentCredential } from './issuance-record.ts';

/** What a credential allows, as policy reads it. */
export function scopeOf(credential: EnrolmentCredential): EnrolmentScope {
  return { profiles: credential.profiles, names: credential.names };
}
