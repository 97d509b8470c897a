/**
 * The thread's own side: does the jobs of a message one after the other and answers them in one. Keys to sign with it has as they
 * were given to it, by reference; it writes to no log.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { encodePem } from '../../pki/pem.ts';
import { isOpenSslError, verifyInput } from '../../pki/verify-signature.ts';
import { type Answer, decodeJobs, encodeAnswers, type Job, type ThreadMessage, type VerifyJob } from './jobs.ts';

const signingKeys = new Map<number, KeyObject>();
/**
 * Keys that verified lately, the last one used at the end. A key is read from PEM where it is used the first time, which costs half
 * of what an import does, and imported the second time: a CA's verifies many leaves.
 */
const verifyingKeys = new Map<string, KeyObject | undefined>();
const verifyingKeysMax = 256;

function verifyingKey(der: Uint8Array): KeyObject | string {
  const text = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('latin1');
  const isKnown = verifyingKeys.has(text);
  const pem = () => encodePem('PUBLIC KEY', der);
  const key = isKnown ? (verifyingKeys.get(text) ?? createPublicKey(pem())) : undefined;
  if (isKnown) verifyingKeys.delete(text);
  else if (verifyingKeys.size >= verifyingKeysMax) verifyingKeys.delete(verifyingKeys.keys().next().value!);
  verifyingKeys.set(text, key);
  return key ?? pem();
}

function isVerified({ hash, keyDer, message, pssSaltBytes, signature }: VerifyJob): boolean {
  try {
    return verify(hash, message, verifyInput(verifyingKey(keyDer), pssSaltBytes), signature);
  } catch (error) {
    if (isOpenSslError(error)) return false;
    throw error;
  }
}

function answer(job: Job): Answer {
  try {
    if (job.kind === 'verify') return { kind: 'verified', verified: isVerified(job) };
    const key = signingKeys.get(job.key);
    return key === undefined ? { kind: 'not-done' } : { kind: 'signed', signature: sign(job.hash, job.message, key) };
  } catch {
    // Asked again on the pool, where the error is told to whoever wants the signature.
    return { kind: 'not-done' };
  }
}

const port = parentPort!;
port.on('message', (message: ThreadMessage) => {
  switch (message.kind) {
    case 'key':
      signingKeys.set(message.key, message.privateKey);
      return;
    case 'forget':
      signingKeys.delete(message.key);
      return;
    case 'jobs': {
      const bytes = encodeAnswers(decodeJobs(message.bytes).map(answer));
      port.postMessage(bytes, [bytes.buffer]);
      return;
    }
    default:
      message satisfies never;
  }
});
port.postMessage('ready');
