/**
 * Signatures on threads of their own, in batches, for a process whose main thread has more to do than its processor can. The
 * thread pool does the same work, but each call of it costs the caller: a key in PEM is read on the calling thread, and each piece
 * of work is handed over by itself (22 µs a verification; here 4). What takes long enough that several processors are worth more
 * than a cheap handing over stays with the pool: P-384 and P-521, signatures with RSA keys, what is large, what is too much.
 *
 * The threads decide nothing: what can be judged without arithmetic is judged before (`createVerifySignature`). Whatever they do
 * not do, because they have not started yet, have ended, or cannot, the pool does, and answers for the errors.
 */
import type { KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { SubjectPublicKey } from '../../pki/public-key.ts';
import type { SignatureAlgorithm } from '../../pki/signature-algorithm.ts';
import { createVerifySignature, type VerifySignature, verifyOnPool } from '../../pki/verify-signature.ts';
import { type Sign, signHere, signOnPool } from '../software/sign.ts';
import { type Job, jobBytes, pssSaltBytesMax, type VerifyJob } from './jobs.ts';
import { startThread, type Thread } from './thread.ts';

export interface CryptoThreads {
  /** As `verifySignature`. */
  readonly verify: VerifySignature;
  /** As `signOnPool`. */
  readonly sign: Sign;
  /** Whether all threads take work now. */
  areRunning(): boolean;
  /** Ends the threads. What is under way then and what comes later is done by the pool. */
  close(): Promise<void>;
}

export interface CryptoThreadsOptions {
  /** Told each time a thread ends by itself or cannot be started. */
  readonly onEnd: (cause: Error) => void;
  /**
   * Two where there are processors for them: while requests wait for each other (for their COMMIT), all of them come to be verified
   * at once, and the main thread has nothing to do meanwhile.
   */
  readonly count?: number;
  /** After one has ended, the next starts no earlier. */
  readonly restartMsMin?: number;
  /** What a thread runs. */
  readonly entry?: URL;
}

const restartMsMinDefault = 10_000;
const threadsMax = 2;
/** Fewer go to one thread, in one message. */
const jobsTogetherMin = 4;

/** Starts the threads at the first use; until they run, and for some seconds after one has ended, the pool does all or its part. */
export function createCryptoThreads(options: CryptoThreadsOptions): CryptoThreads {
  const { count = Math.min(threadsMax, availableParallelism()) } = options;
  const slots = Array.from({ length: count }, () => createSlot(options));
  let last: Thread | undefined;

  /** The thread that had the last job, until another has so much less to do that it is worth a message of its own. */
  function takerOf(job: Job): Thread | undefined {
    const bytes = jobBytes(job);
    let taker: Thread | undefined;
    for (const slot of slots) {
      const thread = slot.current();
      if (thread?.takes(bytes) !== true) continue;
      if (taker === undefined || loadOf(thread, last) < loadOf(taker, last)) taker = thread;
    }
    last = taker;
    return taker;
  }

  const compute: VerifySignature = (algorithm, publicKey, message, signature) => {
    const onPool = () => verifyOnPool(algorithm, publicKey, message, signature);
    const job = verifyJob(algorithm, publicKey, message, signature);
    const taker = job && takerOf(job);
    if (job === undefined || taker === undefined) return onPool();
    return new Promise((resolve) => {
      taker.do(job, (answer) => resolve(answer.kind === 'verified' ? answer.verified : onPool()));
    });
  };

  return {
    verify: createVerifySignature(compute),
    sign(hash, message, key) {
      const onPool = () => signOnPool(hash, message, key);
      const taker = isQuickToSign(key) ? takerOf({ kind: 'sign', hash, key: 0, message }) : undefined;
      if (taker === undefined) return onPool();
      return new Promise((resolve) => {
        taker.doUnlessAlone(
          { kind: 'sign', hash, key: taker.numberOf(key), message },
          (answer) => resolve(answer.kind === 'signed' ? answer.signature : onPool()),
          () => resolve(signHere(hash, message, key)),
        );
      });
    },
    areRunning: () => slots.every((slot) => slot.current()?.takes(0) === true),
    close: async () => void (await Promise.all(slots.map((slot) => slot.close()))),
  };
}

const loadOf = (thread: Thread, last: Thread | undefined) => thread.load() + (thread === last ? 0 : jobsTogetherMin);

/** A thread, and the next one where it has ended. */
function createSlot(options: CryptoThreadsOptions) {
  const { entry = new URL('worker.ts', import.meta.url), onEnd: report, restartMsMin = restartMsMinDefault } = options;
  let thread: Thread | undefined;
  let notBefore = Number.NEGATIVE_INFINITY;
  let isClosed = false;

  function onEnd(cause: Error): void {
    thread = undefined;
    notBefore = performance.now() + restartMsMin;
    report(cause);
  }

  return {
    current(): Thread | undefined {
      if (thread !== undefined || isClosed || performance.now() < notBefore) return thread;
      try {
        thread = startThread({ entry, onEnd });
      } catch (cause) {
        onEnd(cause as Error);
      }
      return thread;
    },
    async close(): Promise<void> {
      isClosed = true;
      await thread?.close();
      thread = undefined;
    },
  };
}

function verifyJob(
  algorithm: SignatureAlgorithm,
  { der, info }: SubjectPublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): VerifyJob | undefined {
  if (info.kind === 'ec' && info.curve !== 'P-256') return undefined;
  const pssSaltBytes = algorithm.kind === 'rsa-pss' ? algorithm.saltBytes : undefined;
  if (pssSaltBytes !== undefined && pssSaltBytes > pssSaltBytesMax) return undefined;
  const hash = 'hash' in algorithm ? algorithm.hash : null;
  return { kind: 'verify', hash, pssSaltBytes, keyDer: der, message, signature };
}

function isQuickToSign({ asymmetricKeyDetails, asymmetricKeyType, type }: KeyObject): boolean {
  return type === 'private' && asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1';
}
