/**
 * Signing with a key on a PKCS #11 token: CloudHSM in production, SoftHSM in development. Knows one key and one PIN, of
 * the issuance tier. The certificate is there when `submit` answers; `collect` has nothing to wait for.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ClusterDescription, KeyOrigin } from '../../custody/key-description.ts';
import type { OwnerValidation } from '../../custody/owner-validations.ts';
import { SealwrightError } from '../../issuance/errors.ts';
import type { Clock, SigningBackend, SubmitOutcome } from '../../issuance/ports.ts';
import type { PreparedIssuance } from '../../lints/prepared-issuance.ts';
import { assembleCertificate } from '../../pki/certificate-builder.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import type { CaSigningAlgorithm } from '../../pki/signature-algorithm.ts';
import { type TbsIntent, tbsIntentOf } from '../held-key/tbs-intent.ts';
import { type BoundKey, bindKey, describeKey } from './describe-key.ts';
import { parseReference } from './reference.ts';
import { failureOf, Pkcs11Failure } from './return-values.ts';
import { storeOriginOf } from './store-origin.ts';
import { openToken, type Session, type Token, type TokenOptions } from './token.ts';

export interface Pkcs11BackendOptions {
  readonly library: TokenOptions['library'];
  /** `ref` as the provisioner answered it; `spkiSha256` of the CA's certificate: no other key signs. */
  readonly authority: {
    readonly caId: string;
    readonly ref: string;
    readonly spkiSha256: string;
    readonly signingAlgorithm: CaSigningAlgorithm;
  };
  readonly readPin: TokenOptions['readPin'];
  readonly clock: Clock;
  /** The cluster behind the library, where its provider can be asked: whose validation holds. A rejection is no evidence. */
  readonly describeCluster?: () => Promise<ClusterDescription>;
  /** Validations of HSMs by the hierarchy's owner. */
  readonly validations?: readonly OwnerValidation[];
  readonly sessionsMax?: number;
  readonly openLibrary?: TokenOptions['openLibrary'];
}

export interface Pkcs11Backend extends SigningBackend {
  /** Ends its sessions. Calls under way end as they would. */
  close(): void;
}

/** Before a message is tried again by its queue, when the token is busy. */
const busyRetryMs = 1_000;
/** Failures in a row, of messages that are not themselves at fault, after which the rest of a batch is not tried. */
const failuresInARowMax = 3;
/** Synchronous signatures between two turns of the event loop: about 2 ms. */
const signaturesATurn = 32;

interface Backend {
  readonly options: Pkcs11BackendOptions;
  readonly keyLabel: string;
  readonly token: Token;
  /** The key as it was found last, with handles that are good for one generation of sessions. */
  key: { readonly generation: number; readonly bound: BoundKey } | undefined;
  /** Where the token's store comes from; looked up now and then, since it is told and stops nothing. */
  origin: { readonly at: EpochMs; readonly value: KeyOrigin | undefined } | undefined;
}

const originAgeMsMax = 45_000;

/** A SigningBackend for one CA. Opens nothing before it is used; what is missing then is `unavailable`, and asked for again. */
export function createPkcs11Backend(options: Pkcs11BackendOptions): Pkcs11Backend {
  const { tokenLabel, keyLabel } = parseReference(options.authority.ref);
  const { library, readPin, sessionsMax, openLibrary } = options;
  const token = openToken({
    library,
    tokenLabel,
    readPin,
    ...(sessionsMax === undefined ? {} : { sessionsMax }),
    ...(openLibrary === undefined ? {} : { openLibrary }),
  });
  const backend: Backend = { options, keyLabel, token, key: undefined, origin: undefined };
  return {
    describeKey: () => readEvidence(backend),
    // A few calls and one signature a batch, so that no batch is signed on the word of an earlier one.
    evidenceAgeMsMax: 0,
    async submit(batch) {
      const intents = batch.map((prepared) => tbsIntentOf(prepared, options.authority.caId));
      return submitBatch(backend, batch, intents);
    },
    signCrl: (tbsDer) => signCrl(backend, tbsDer),
    async collect(tickets) {
      return tickets.map(({ issuanceId }) => {
        const message = 'a PKCS #11 token answers at once and gives no tickets';
        return { kind: 'failed', issuanceId, code: 'ticket-unknown', message };
      });
    },
    close: () => token.close(),
  };
}

async function readEvidence(backend: Backend) {
  const { options, keyLabel, token } = backend;
  const cluster = await options.describeCluster?.();
  const origin = originOf(backend, options.clock());
  const read = () =>
    token.withSession(async (session) => {
      backend.key = undefined;
      const found = await bindKey(session, keyLabel, options.authority.signingAlgorithm);
      if (found !== undefined && 'publicKey' in found) remember(backend, session, found);
      return describeKey(session, found, { cluster, origin, validations: options.validations ?? [] }, options.clock());
    });
  try {
    return await withRevival(read);
  } catch (error) {
    if (!(error instanceof Pkcs11Failure)) throw error;
    throw new SealwrightError('backend-unavailable', { message: `${error.code}: ${error.message}`, cause: error });
  }
}

function originOf(backend: Backend, now: EpochMs): KeyOrigin | undefined {
  const ageMs = now - (backend.origin?.at ?? Number.NEGATIVE_INFINITY);
  if (backend.origin === undefined || ageMs < 0 || ageMs >= originAgeMsMax)
    backend.origin = { at: now, value: storeOriginOf(backend.options.library) };
  return backend.origin.value;
}

/** Once more on new sessions where that may mend it: after a process was frozen, or a module restarted. */
async function withRevival<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof Pkcs11Failure) || (error.kind !== 'session' && error.kind !== 'device')) throw error;
    return await call();
  }
}

function remember(backend: Backend, session: Session, bound: BoundKey): void {
  if (bound.publicKey.sha256 !== backend.options.authority.spkiSha256) return;
  backend.key = { generation: session.generation, bound };
}

/** The CA's own key, looked for once a generation of sessions. Throws Pkcs11Failure when another key is in its place. */
async function openKey(backend: Backend, session: Session): Promise<BoundKey> {
  if (backend.key?.generation === session.generation) return backend.key.bound;
  const found = await bindKey(session, backend.keyLabel, backend.options.authority.signingAlgorithm);
  if (found === undefined)
    throw new Pkcs11Failure('absent', 'key-missing', `there is no key with the label ${backend.keyLabel}`);
  if (!('publicKey' in found)) {
    throw new Pkcs11Failure(
      'absent',
      'key-unbound',
      `the private key ${backend.keyLabel} is not that of its public object`,
    );
  }
  if (found.publicKey.sha256 !== backend.options.authority.spkiSha256) {
    throw new Pkcs11Failure(
      'absent',
      'key-changed',
      `the key ${backend.keyLabel} is not the one that the CA's certificate names`,
    );
  }
  remember(backend, session, found);
  return found;
}

/** Stops a batch early: what is left gets the outcome of the failure, unsigned. */
interface Run {
  next: number;
  failuresInARow: number;
  stoppedBy: Pkcs11Failure | undefined;
}

async function submitBatch(
  backend: Backend,
  batch: readonly PreparedIssuance[],
  intents: readonly TbsIntent[],
): Promise<readonly SubmitOutcome[]> {
  if (batch.length === 0) return [];
  const outcomes = new Array<SubmitOutcome>(batch.length);
  const run: Run = { next: 0, failuresInARow: 0, stoppedBy: undefined };
  const worker = async () => {
    for (let signed = 1; run.next < batch.length; signed += 1) {
      const index = run.next++;
      const { issuanceId } = batch[index]!;
      if (run.stoppedBy !== undefined) outcomes[index] = outcomeOf(issuanceId, run.stoppedBy);
      else outcomes[index] = await submitOne(backend, issuanceId, intents[index]!, run);
      if (signed % signaturesATurn === 0) await nextTurn();
    }
  };
  let concurrency = 1;
  try {
    concurrency = await withRevival(() =>
      backend.token.withSession(async (s) => (await openKey(backend, s)).signer.concurrency),
    );
  } catch (error) {
    if (!(error instanceof Pkcs11Failure)) throw error;
    run.stoppedBy = error;
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, batch.length) }, worker));
  return outcomes;
}

async function signCrl(backend: Backend, tbsDer: Uint8Array): Promise<Uint8Array> {
  const { signingAlgorithm } = backend.options.authority;
  try {
    const signature = await withRevival(() =>
      backend.token.withSession(async (session) => {
        const { handles, signer } = await openKey(backend, session);
        return await signer.sign(session, handles.privateKey, tbsDer);
      }),
    );
    return assembleCertificate(tbsDer, signingAlgorithm, signature);
  } catch (error) {
    const { code, message } = failureOf(error);
    throw new SealwrightError('backend-unavailable', { message: `${code}: ${message}`, cause: error });
  }
}

async function submitOne(backend: Backend, issuanceId: string, intent: TbsIntent, run: Run): Promise<SubmitOutcome> {
  const { signingAlgorithm } = backend.options.authority;
  if (intent.signingAlgorithm !== signingAlgorithm) {
    const message = `the intent is for ${intent.signingAlgorithm}, the CA signs with ${signingAlgorithm}`;
    return { kind: 'refused', issuanceId, code: 'signing-algorithm', message };
  }
  try {
    const signature = await withRevival(() =>
      backend.token.withSession(async (session) => {
        const { handles, signer } = await openKey(backend, session);
        return await signer.sign(session, handles.privateKey, intent.tbsDer);
      }),
    );
    run.failuresInARow = 0;
    return {
      kind: 'signed',
      issuanceId,
      certificateDer: assembleCertificate(intent.tbsDer, signingAlgorithm, signature),
    };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.kind !== 'message') {
      run.failuresInARow += 1;
      const lasting = failure.kind === 'device' || failure.kind === 'pin' || failure.kind === 'absent';
      if (lasting || run.failuresInARow >= failuresInARowMax) run.stoppedBy ??= failure;
    }
    return outcomeOf(issuanceId, failure);
  }
}

function outcomeOf(issuanceId: string, { kind, code, message }: Pkcs11Failure): SubmitOutcome {
  switch (kind) {
    case 'message':
      return { kind: 'refused', issuanceId, code, message };
    case 'busy':
    case 'session':
      return { kind: 'retry', issuanceId, code, message, retryAfterMs: busyRetryMs };
    case 'device':
    case 'pin':
    case 'absent':
      return { kind: 'unavailable', issuanceId, code, message };
  }
}
