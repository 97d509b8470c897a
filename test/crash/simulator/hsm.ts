/** A token in virtual time: signs a TBSCertificate byte for byte, and writes down that it did. Each C_Sign is a call. */
import { sign } from 'node:crypto';
import { tbsIntentOf } from '../../../shared/adapters/held-key/tbs-intent.ts';
import type { KeyDescription } from '../../../shared/custody/key-description.ts';
import type { SigningBackend, SubmitOutcome } from '../../../shared/issuance/ports.ts';
import type { PreparedIssuance } from '../../../shared/lints/prepared-issuance.ts';
import { assembleCertificate } from '../../../shared/pki/certificate-builder.ts';
import { sha256Hex } from '../../../shared/pki/hash.ts';
import type { Calls } from './calls.ts';
import type { Journal } from './journal.ts';
import type { Kernel } from './kernel.ts';
import type { CaKey } from './material.ts';
import { type Process, WorldError } from './processes.ts';
import type { Random } from './random.ts';

export interface HsmParts {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly calls: Calls;
  readonly key: CaKey;
  readonly journal: Journal;
  /** C_Sign answers CKR_FUNCTION_FAILED this many times before it works. */
  readonly busyCalls: number;
}

const attributes = {
  token: true,
  sensitive: true,
  extractable: false,
  neverExtractable: true,
  alwaysSensitive: true,
  local: true,
  sign: true,
};

const busy = 'CKR_FUNCTION_FAILED';

/** The backend as one process holds it. */
export function createHsm(parts: HsmParts): (process: Process) => SigningBackend {
  const { kernel, random, calls, key, journal } = parts;
  const { caId, spkiSha256 } = key.installed;
  let busyCalls = parts.busyCalls;

  function signNow(tbsDer: Uint8Array, serial: string): Uint8Array {
    if (busyCalls > 0) {
      busyCalls -= 1;
      throw new WorldError('the token is busy', busy);
    }
    const tbsSha256 = sha256Hex(tbsDer);
    journal.requireIntent('tbsSha256', tbsSha256);
    journal.signatures.push({ at: kernel.now, serial, tbsSha256 });
    return sign('sha256', tbsDer, key.privateKey);
  }

  async function submitOne(process: Process, prepared: PreparedIssuance): Promise<SubmitOutcome> {
    const { issuanceId } = prepared;
    const { tbsDer, serial, signingAlgorithm } = tbsIntentOf(prepared, caId);
    try {
      const signature = await calls.make(process, 'sign-hsm', 'C_Sign', async () => signNow(tbsDer, serial), {
        error: () => new WorldError('the call failed and may have signed', random.pick([busy, 'CKR_DEVICE_ERROR'])),
      });
      return { kind: 'signed', issuanceId, certificateDer: assembleCertificate(tbsDer, signingAlgorithm, signature) };
    } catch (error) {
      if (!(error instanceof WorldError)) throw error;
      const { name: code, message } = error;
      if (code === busy) return { kind: 'retry', issuanceId, code, message, retryAfterMs: 1_000 };
      return { kind: 'unavailable', issuanceId, code, message };
    }
  }

  const describe = (): KeyDescription => ({
    source: 'emulator',
    model: 'self-managed-hsm',
    keyId: `sha256:${spkiSha256}`,
    spkiSha256,
    keyAlgorithm: 'EC_prime256v1',
    attributes,
    securityLevel: 0,
    cmvpStatus: 'unknown',
    status: 'usable',
    readAt: kernel.now,
  });

  return (process) => ({
    describeKey: () => calls.make(process, 'sign-hsm', 'C_GetAttributeValue', async () => describe()),
    submit: (batch) => Promise.all(batch.map((prepared) => submitOne(process, prepared))),
    async collect(tickets) {
      const message = 'a token answers at once and gives no tickets';
      return tickets.map(({ issuanceId }) => ({ kind: 'failed', issuanceId, code: 'ticket-unknown', message }));
    },
  });
}
