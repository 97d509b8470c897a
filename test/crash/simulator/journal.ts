/** What the simulated CAs have signed, written down outside the product, and what was found wrong on the spot. */
import type { EpochMs } from '../../../shared/pki/epoch.ts';
import type { Look } from './store.ts';

/** A TBSCertificate that the simulated HSM signed. */
export interface HsmSignature {
  readonly at: EpochMs;
  readonly serial: string;
  readonly tbsSha256: string;
}

/** A certificate at the simulated ACM PCA. */
export interface PcaCertificate {
  readonly at: EpochMs;
  readonly arn: string;
  readonly serial: string;
  readonly token: string | undefined;
  readonly csrSha256: string;
  readonly templateArn: string;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  readonly subject: string;
  /** Undefined when the issuance failed after its ARN was given. */
  readonly der: Uint8Array | undefined;
  readonly fingerprint: string | undefined;
  readonly readyAt: EpochMs;
}

export interface Journal {
  readonly signatures: HsmSignature[];
  readonly certificates: PcaCertificate[];
  readonly violations: string[];
  /** A violation when the ledger holds no intent with this mark, at the moment of the signature. */
  requireIntent(field: 'tbsSha256' | 'idempotencyToken', value: string | undefined): void;
}

export function createJournal({ intents }: Look): Journal {
  const violations: string[] = [];
  return {
    signatures: [],
    certificates: [],
    violations,
    requireIntent(field, value) {
      if (intents().some((intent) => intent[field] === value)) return;
      violations.push('signed-without-intent: a signature was made for which the ledger holds no intent');
    },
  };
}
