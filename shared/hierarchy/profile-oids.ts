/** What a profile says by names, as object identifiers: made once a profile, the same objects each time. */
import { extendedKeyUsageOid, extensionOid } from './extension-names.ts';
import type { Profile } from './model.ts';

interface ProfileOids {
  /** Of `extendedKeyUsage`, in its order. */
  readonly purposes: readonly string[];
  /** Of `requestedExtensions.drop`. */
  readonly dropped: ReadonlySet<string>;
}

const made = new WeakMap<Profile, ProfileOids>();

export function oidsOfProfile(profile: Profile): ProfileOids {
  let known = made.get(profile);
  if (known === undefined) {
    known = {
      purposes: profile.extendedKeyUsage.map(extendedKeyUsageOid),
      dropped: new Set(profile.requestedExtensions.drop.map((entry) => extensionOid(entry) ?? entry)),
    };
    made.set(profile, known);
  }
  return known;
}
