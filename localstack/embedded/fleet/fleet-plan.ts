import type { FleetProfile } from './fleet-result.ts';

/** One device before it has a key. */
export interface PlannedDevice {
  readonly profile: string;
  readonly keyType: KeyType;
  readonly nameKind: 'dns' | 'uri';
  readonly name: string;
}

export const keyTypes = ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-3072', 'RSA-4096'] as const;
export type KeyType = (typeof keyTypes)[number];

/** Shares of a fleet's keys: what devices mostly carry. A type of weight 0 is used only where a profile takes no other. */
const keyWeights: Readonly<Record<KeyType, number>> = {
  'P-256': 6,
  'P-384': 1,
  'P-521': 0,
  Ed25519: 2,
  'RSA-2048': 1,
  'RSA-3072': 0,
  'RSA-4096': 0,
};

export interface FleetPlan {
  readonly devices: readonly PlannedDevice[];
  readonly notes: readonly string[];
}

export interface FleetPlanOptions {
  readonly devices: number;
  readonly profiles: readonly FleetProfile[];
  /** Enrols with this profile alone. */
  readonly profileOnly?: string;
  /** Makes the names unique to the run: letters, digits and hyphens. */
  readonly runId: string;
  /** `fleet.example`: DNS names are one label below it, SPIFFE ids in this trust domain. */
  readonly domain: string;
}

/**
 * Spreads devices evenly over the backends that are ready, and evenly over the profiles of each: with the sample
 * hierarchy half on `device`, a quarter each on `service` and `svid`. Profiles that are not ready are named in `notes`.
 */
export function planFleet(options: FleetPlanOptions): FleetPlan {
  const asked = options.profiles.filter(
    (profile) => options.profileOnly === undefined || profile.name === options.profileOnly,
  );
  const usable = asked.filter((profile) => profile.ready && mixOf(profile.keys).length > 0);
  const notes = [
    ...(asked.length === 0
      ? [`no CA of this hierarchy serves the profile ${options.profileOnly ?? 'of a device'}`]
      : []),
    ...asked
      .filter((profile) => !profile.ready)
      .map(
        (profile) => `profile ${profile.name} is left out: its CA ${profile.caId} (${profile.backend}) is not ready`,
      ),
    ...asked
      .filter((profile) => profile.ready && mixOf(profile.keys).length === 0)
      .map((profile) => `profile ${profile.name} is left out: the fleet cannot make keys of its types`),
  ];
  const backends = [...new Set(usable.map((profile) => profile.backend))];
  if (backends.length === 0) return { devices: [], notes };
  const made = new Map<string, number>();
  const devices = Array.from({ length: options.devices }, (_, index): PlannedDevice => {
    // Round robin over backends, then over the profiles of one: no backend waits while another works.
    const mine = usable.filter((profile) => profile.backend === backends[index % backends.length]);
    const profile = mine[Math.floor(index / backends.length) % mine.length]!;
    const nth = made.get(profile.name) ?? 0;
    made.set(profile.name, nth + 1);
    const mix = mixOf(profile.keys);
    return {
      profile: profile.name,
      keyType: mix[nth % mix.length]!,
      ...(profile.names === 'dns'
        ? { nameKind: 'dns', name: `d-${options.runId}-${index + 1}.${options.domain}` }
        : { nameKind: 'uri', name: `spiffe://${options.domain}/run/${options.runId}/${index + 1}` }),
    };
  });
  return { devices, notes };
}

/** The cycle of key types for a profile: each type as often as its weight, rare ones spread between the common ones. */
function mixOf(allowed: readonly string[]): readonly KeyType[] {
  const usable = keyTypes.filter((type) => allowed.includes(type));
  const weighted = usable.filter((type) => keyWeights[type] > 0);
  if (weighted.length === 0) return usable.slice(0, 1);
  const places = weighted.flatMap((type) =>
    Array.from({ length: keyWeights[type] }, (_, n) => ({ type, place: (n + 0.5) / keyWeights[type] })),
  );
  return places.sort((a, b) => a.place - b.place).map(({ type }) => type);
}
