/**
 * Signing with a CA key in a file: the dev stage only. The same port and the same promises as a token, and evidence that
 * says what it is worth: `source: process`, security level 0.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KeyDescription } from '../../custody/key-description.ts';
import type { Stage } from '../../hierarchy/hierarchy.ts';
import { SealwrightError } from '../../issuance/errors.ts';
import type { Clock, SigningBackend, SubmitOutcome } from '../../issuance/ports.ts';
import { assembleCertificate } from '../../pki/certificate-builder.ts';
import type { CaSigningAlgorithm } from '../../pki/signature-algorithm.ts';
import { caKeyAlgorithmOf } from '../held-key/key-algorithm.ts';
import { type TbsIntent, tbsIntentOf } from '../held-key/tbs-intent.ts';
import {
  assertDevelopment,
  KeyFileError,
  keyFilePath,
  keyFileReader,
  type SoftwareKey,
  signWithKeyFile,
} from './key-file.ts';
import type { Sign } from './sign.ts';

export interface SoftwareBackendOptions {
  readonly stage: Stage;
  /** Where the provisioner keeps its key files. */
  readonly folder: string;
  /** `ref` as the provisioner answered it; `spkiSha256` of the CA's certificate: no other key signs. */
  readonly authority: {
    readonly caId: string;
    readonly ref: string;
    readonly spkiSha256: string;
    readonly signingAlgorithm: CaSigningAlgorithm;
  };
  readonly clock: Clock;
  /** Signs off the calling thread, where that has more to do. */
  readonly sign?: Sign;
}

/** Of those that are made on the calling thread. */
const signaturesATurn = 32;

/** A SigningBackend for one CA. Throws outside the dev stage. */
export function createSoftwareBackend(options: SoftwareBackendOptions): SigningBackend {
  const { authority, clock, folder, sign, stage } = options;
  assertDevelopment(stage);
  const read = keyFileReader(keyFilePath(folder, authority.ref));
  return {
    async describeKey() {
      return describe(read, clock());
    },
    async submit(batch) {
      const intents = batch.map((prepared) => ({
        issuanceId: prepared.issuanceId,
        intent: tbsIntentOf(prepared, authority.caId),
      }));
      const key = openKey(read, authority.spkiSha256);
      if ('code' in key) return batch.map(({ issuanceId }) => ({ kind: 'unavailable', issuanceId, ...key }));
      const signed = ({ issuanceId, intent }: (typeof intents)[number]) =>
        submitOne(key, authority.signingAlgorithm, issuanceId, intent, sign);
      // All in one turn: they go over together.
      if (sign !== undefined) return Promise.all(intents.map(signed));
      const outcomes: SubmitOutcome[] = [];
      for (const one of intents) {
        outcomes.push(await signed(one));
        if (outcomes.length % signaturesATurn === 0) await nextTurn();
      }
      return outcomes;
    },
    async signCrl(tbsDer) {
      const key = openKey(read, authority.spkiSha256);
      if ('code' in key) throw new SealwrightError('backend-unavailable', { message: `${key.code}: ${key.message}` });
      const signature = await signWithKeyFile(key, authority.signingAlgorithm, tbsDer, sign);
      return assembleCertificate(tbsDer, authority.signingAlgorithm, signature);
    },
    async collect(tickets) {
      const message = 'a key file answers at once and gives no tickets';
      return tickets.map(({ issuanceId }) => ({ kind: 'failed', issuanceId, code: 'ticket-unknown', message }));
    },
  };
}

/** Read again for each batch: a file that was replaced or opened to others stops the next one. */
function openKey(
  read: () => SoftwareKey,
  spkiSha256: string,
): SoftwareKey | { readonly code: string; readonly message: string } {
  try {
    const key = read();
    if (key.publicKey.sha256 === spkiSha256) return key;
    return { code: 'key-changed', message: "the key file holds another key than the CA's certificate names" };
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    return { code: error.code, message: error.message };
  }
}

async function submitOne(
  key: SoftwareKey,
  algorithm: CaSigningAlgorithm,
  issuanceId: string,
  intent: TbsIntent,
  sign: Sign | undefined,
): Promise<SubmitOutcome> {
  if (intent.signingAlgorithm !== algorithm) {
    const message = `the intent is for ${intent.signingAlgorithm}, the CA signs with ${algorithm}`;
    return { kind: 'refused', issuanceId, code: 'signing-algorithm', message };
  }
  const signature = await signWithKeyFile(key, algorithm, intent.tbsDer, sign);
  return { kind: 'signed', issuanceId, certificateDer: assembleCertificate(intent.tbsDer, algorithm, signature) };
}

function describe(read: () => SoftwareKey, readAt: number): KeyDescription {
  const evidence = { source: 'process', model: 'software', securityLevel: 0, cmvpStatus: 'unknown', readAt } as const;
  try {
    const { publicKey } = read();
    return {
      ...evidence,
      keyId: `sha256:${publicKey.sha256}`,
      spkiSha256: publicKey.sha256,
      keyAlgorithm: caKeyAlgorithmOf(publicKey),
      status: 'usable',
    };
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    const status = error.code === 'key-missing' ? 'gone' : 'disabled';
    return { ...evidence, keyId: 'sha256:', spkiSha256: '', keyAlgorithm: '', status };
  }
}
