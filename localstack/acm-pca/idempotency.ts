/**
 * Idempotency tokens of CreateCertificateAuthority and IssueCertificate: honoured for five minutes from the first call. What
 * the service answers to the same token with other parameters is not documented; here the first call's ARN, whatever the
 * other parameters are, so that a caller that reuses a token for another CSR gets another subject's certificate and notices.
 */
import type { EpochMs } from '../../shared/pki/epoch.ts';

export const idempotencyWindowMs = 300_000;

export interface IdempotencyWindow {
  /**
   * The ARN that the first call with this key answered, or what `first` answers. Calls at the same time wait for the same
   * answer; a call that fails leaves nothing behind.
   */
  once(key: string, now: EpochMs, first: () => Promise<string>): Promise<string>;
  /** Puts back what a restart has to know. */
  restore(key: string, at: EpochMs, arn: string): void;
}

/** Keys are kept in memory for the length of the window. */
export function createIdempotencyWindow(): IdempotencyWindow {
  const known = new Map<string, { readonly at: EpochMs; readonly answer: Promise<string> }>();

  function dropExpired(now: EpochMs): void {
    // Insertion order is time order, so the expired ones come first.
    for (const [key, { at }] of known) {
      if (now - at < idempotencyWindowMs) return;
      known.delete(key);
    }
  }

  async function once(key: string, now: EpochMs, first: () => Promise<string>): Promise<string> {
    dropExpired(now);
    const earlier = known.get(key);
    if (earlier !== undefined && now - earlier.at < idempotencyWindowMs) return earlier.answer;
    const entry = { at: now, answer: first() };
    known.delete(key);
    known.set(key, entry);
    try {
      return await entry.answer;
    } catch (error) {
      if (known.get(key) === entry) known.delete(key);
      throw error;
    }
  }

  function restore(key: string, at: EpochMs, arn: string): void {
    known.set(key, { at, answer: Promise.resolve(arn) });
  }

  return { once, restore };
}
