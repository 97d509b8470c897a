import { type CustodyDecision, type CustodyFinding, evaluateCustody } from '../custody/custody.ts';
import type { KeyDescription } from '../custody/key-description.ts';
import type { Hierarchy } from '../hierarchy/hierarchy.ts';
import { findAuthority } from '../hierarchy/hierarchy.ts';
import type { EpochMs } from '../pki/epoch.ts';
import type { IssuingAuthority } from './authority-directory.ts';
import { generationOf } from './generation.ts';
import type { Clock, SigningBackend } from './ports.ts';

/**
 * Evidence is read again before a batch when it is as old as this, well inside what custody policy accepts (60 s): where a
 * backend does not ask for more.
 */
const evidenceAgeMsMaxDefault = 50_000;

export type CustodyVerdict =
  | { readonly kind: 'holds'; readonly advice: readonly CustodyFinding[] }
  /** The CA stops; its messages stay on their queue. */
  | { readonly kind: 'stopped'; readonly findings: readonly CustodyFinding[] }
  /** The module or provider did not answer. */
  | { readonly kind: 'unknown'; readonly cause: unknown };

export interface CustodyGate {
  check(issuer: IssuingAuthority, backend: SigningBackend): Promise<CustodyVerdict>;
}

/** Asks where a key lives before a batch is signed with it, and remembers the answer for a short while. */
export function createCustodyGate(hierarchy: Hierarchy, clock: Clock): CustodyGate {
  const evidence = new Map<string, { readonly readAt: EpochMs; readonly key: Promise<KeyDescription> }>();

  async function read(cacheKey: string, backend: SigningBackend): Promise<KeyDescription> {
    const known = evidence.get(cacheKey);
    const now = clock();
    const { evidenceAgeMsMax = evidenceAgeMsMaxDefault } = backend;
    if (known !== undefined && now - known.readAt < evidenceAgeMsMax && now >= known.readAt) return known.key;
    const key = backend.describeKey();
    evidence.set(cacheKey, { readAt: now, key });
    try {
      return await key;
    } catch (cause) {
      evidence.delete(cacheKey);
      throw cause;
    }
  }

  return {
    async check(issuer, backend) {
      const described = findAuthority(hierarchy, issuer.caId);
      if (described === undefined)
        return { kind: 'unknown', cause: new Error(`the hierarchy has no CA ${issuer.caId}`) };
      const authority = generationOf(described, issuer);
      const cacheKey = `${issuer.caId}#${issuer.generation}`;
      const expected = { spkiSha256: issuer.spkiSha256, keyAlgorithm: authority.keyAlgorithm };
      const look = async () =>
        evaluateCustody(authority.custody, expected, await read(cacheKey, backend), hierarchy.stage, clock());
      let decision: CustodyDecision;
      try {
        decision = await look();
        // What was old when it came, as after the process was frozen while it was read, says nothing against the key: asked once more.
        if (decision.findings.some(({ code }) => code === 'evidence-stale')) {
          evidence.delete(cacheKey);
          decision = await look();
        }
      } catch (cause) {
        return { kind: 'unknown', cause };
      }
      const { ok, findings } = decision;
      if (ok) return { kind: 'holds', advice: findings };
      // A key that was found wanting is looked at afresh the next time, so that a repair takes effect at once.
      evidence.delete(cacheKey);
      return { kind: 'stopped', findings };
    },
  };
}
