/**
 * Signatures on one thread of their own, in batches, for a process whose main thread has more to do than its processor can. The
 * thread pool does the same work, but each call of it costs the caller: a key in PEM is read on the calling thread, and each piece
 * of work is handed over by itself (22 µs a verification; here 4). What takes long enough that several processors are worth more
 * than a cheap handing over stays with the pool: P-384 and P-521, signatures with RSA keys, what is large, what is too much.
 *
 * The thread decides nothing: what can be judged without arithmetic is judged before (`createVerifySignature`). Whatever it does
 * not do, because it has not started yet, has ended, or cannot, the pool does, and answers for the errors.
 */
import type { KeyObject } from 'node:crypto';
import type { SubjectPublicKey } from '../../pki/public-key.ts';
import type { SignatureAlgorithm } from '../../pki/signature-algorithm.ts';
import { createVerifySignature, type VerifySignature, verifyOnPool } from '../../pki/verify-signature.ts';
import { type Sign, signHere, signOnPool } from '../software/sign.ts';
import { type Job, jobBytes, pssSaltBytesMax, type VerifyJob } from './jobs.ts';
import { startThread, type Thread } from './thread.ts';

export interface CryptoThread {
  /** As `verifySignature`. */
  readonly verify: VerifySignature;
  /** As `signOnPool`. */
  readonly sign: Sign;
  /** Whether the thread takes work now. */
  isRunning(): boolean;
  /** Ends the thread. What is under way then and what comes later is done by the pool. */
  close(): Promise<void>;
}

export interface CryptoThreadOptions {
  /** Told each time the thread ends by itself or cannot be started. */
  readonly onEnd: (cause: Error) => void;
  /** After one has ended, the next starts no earlier. */
  readonly restartMsMin?: number;
  /** What the thread runs. */
  readonly entry?: URL;
}

const restartMsMinDefault = 10_000;

/** Starts the thread at the first use; until it runs, and for some seconds after one has ended, the pool does all. */
export function createCryptoThread(options: CryptoThreadOptions): CryptoThread {
  const { entry = new URL('worker.ts', import.meta.url), onEnd: report, restartMsMin = restartMsMinDefault } = options;
  let thread: Thread | undefined;
  let notBefore = Number.NEGATIVE_INFINITY;
  let isClosed = false;

  function onEnd(cause: Error): void {
    thread = undefined;
    notBefore = performance.now() + restartMsMin;
    report(cause);
  }

  function current(): Thread | undefined {
    if (thread !== undefined || isClosed || performance.now() < notBefore) return thread;
    try {
      thread = startThread({ entry, onEnd });
    } catch (cause) {
      onEnd(cause as Error);
    }
    return thread;
  }

  function takerOf(job: Job): Thread | undefined {
    const found = current();
    return found?.takes(jobBytes(job)) ? found : undefined;
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
    isRunning: () => thread?.takes(0) === true,
    async close() {
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
