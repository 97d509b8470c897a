/** Prepared issuances for tests of what stands behind linting: the ledger, the backends. */
import { createThrowawaySignatures } from '../../shared/adapters/software/throwaway.ts';
import { type Intent, lintAndPrepare, type PreparedIssuance } from '../../shared/lints/prepared-issuance.ts';
import * as der from '../../shared/pki/der/writer.ts';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { oids } from '../../shared/pki/oids.ts';
import {
  against,
  dnsName,
  type Leaf,
  leafKey,
  tbsOf,
  testTime,
  tlsLeaf,
  validityOf,
  withoutExtension,
} from './make-certificate.ts';

export interface PreparedOptions {
  /** Lower-case hex of 16 bytes, the first below 80; a new one each time unless given. */
  readonly serial?: string;
  /** `tbs` unless given. */
  readonly kind?: Intent['kind'];
  readonly at?: EpochMs;
}

const throwaway = createThrowawaySignatures()('SHA256WITHECDSA');
let serials = 0;

/** A serial that no other call of this process has answered: lower-case hex, 16 bytes. */
export function newSerial(): string {
  serials += 1;
  return `41${serials.toString(16).padStart(30, '0')}`;
}

/** A linted intent for `issuanceId` under `caId`, not redeemed. */
export function makePrepared(issuanceId: string, caId: string, options: PreparedOptions = {}): PreparedIssuance {
  const { serial = newSerial(), kind = 'tbs', at = testTime } = options;
  const { lifetimeMsMax } = tlsLeaf.against;
  const notBefore = testTime;
  const notAfter = testTime + lifetimeMsMax;
  const dated: Leaf = {
    ...tlsLeaf,
    serial: der.integerBytes(new Uint8Array(Buffer.from(serial, 'hex'))),
    validity: validityOf(notBefore, notAfter),
  };
  const leaf =
    kind === 'tbs' ? dated : against(withoutExtension(dated, oids.crlDistributionPoints), { crlExpected: false });
  const lintTbs = tbsOf(leaf);
  const common = { notBefore, notAfter, signingAlgorithm: 'SHA256WITHECDSA', at } as const;
  const intent: Intent =
    kind === 'tbs'
      ? { kind, tbsDer: lintTbs, serial, ...common }
      : {
          kind,
          templateArn:
            'arn:aws:acm-pca:::template/BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough/V1',
          commonName: dnsName,
          names: [{ kind: 'dns', value: dnsName }],
          sanCritical: false,
          keyUsage: leaf.against.keyUsage,
          extendedKeyUsage: leaf.against.extendedKeyUsage,
          spkiSha256: leafKey.publicKey.sha256,
          idempotencyToken: `token-${serial.slice(-12)}`,
          ...common,
        };
  const csrDer = Uint8Array.of(0x30, 0);
  const candidate = {
    issuanceId,
    caId,
    csrDer,
    intent,
    lintTbs,
    subject: leaf.against,
    algorithm: 'SHA256WITHECDSA' as const,
  };
  const outcome = lintAndPrepare(candidate, throwaway);
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.findings));
  return outcome.prepared;
}
