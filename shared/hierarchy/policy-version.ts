import { sha256Hex } from '../pki/hash.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Authority, Profile } from './model.ts';

/** 16 hex digits of the SHA-256 of authorities and profiles in canonical JSON, sorted by id and name: order and comments of the file do not count. */
export function policyVersion(authorities: readonly Authority[], profiles: readonly Profile[]): string {
  const content = {
    authorities: authorities.toSorted((a, b) => compare(a.id, b.id)),
    profiles: profiles.toSorted((a, b) => compare(a.name, b.name)),
  };
  return sha256Hex(Buffer.from(canonicalJson(content), 'utf8')).slice(0, 16);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
