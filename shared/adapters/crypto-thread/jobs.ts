/**
 * What is told to the thread and what it answers: many jobs in one buffer, which is transferred. A structured clone of the same
 * as objects costs the sender several times as much.
 */
import type { KeyObject } from 'node:crypto';
import type { HashName } from '../../pki/signature-algorithm.ts';

/** A signature to verify, of what `verifySignature` has judged but for the arithmetic. */
export interface VerifyJob {
  readonly kind: 'verify';
  /** `null`: the algorithm hashes by itself (Ed25519). */
  readonly hash: HashName | null;
  /** Of RSASSA-PSS alone. */
  readonly pssSaltBytes: number | undefined;
  /** SubjectPublicKeyInfo. */
  readonly keyDer: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** A signature to make with a key that the thread was given under this number. */
export interface SignJob {
  readonly kind: 'sign';
  readonly hash: HashName;
  readonly key: number;
  readonly message: Uint8Array;
}

export type Job = VerifyJob | SignJob;

/** `not-done`: the thread could not, and whoever asks does it otherwise. */
export type Answer =
  | { readonly kind: 'verified'; readonly verified: boolean }
  | { readonly kind: 'signed'; readonly signature: Uint8Array }
  | { readonly kind: 'not-done' };

/** To the thread; each key before the first job that names it. From it: `'ready'`, then the answers to each message of jobs. */
export type ThreadMessage =
  | { readonly kind: 'jobs'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'key'; readonly key: number; readonly privateKey: KeyObject }
  | { readonly kind: 'forget'; readonly key: number };

/** Kind, hash, salt (two bytes), key (bytes, or number), bytes of the message, bytes of the signature. */
const jobHeaderBytes = 16;
/** Kind, bytes of the signature (two bytes). */
const answerHeaderBytes = 3;
const hashes: readonly (HashName | null)[] = [null, 'md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'];
const kinds = { verify: 1, sign: 2 } as const;
const answers = { false: 0, true: 1, signed: 2, notDone: 3 } as const;
const noSalt = 0xffff;

/** A longer salt has no place in a job; no key that is worked with has room for one. */
export const pssSaltBytesMax = noSalt - 1;

export function jobBytes(job: Job): number {
  const own = jobHeaderBytes + job.message.length;
  return job.kind === 'verify' ? own + job.keyDer.length + job.signature.length : own;
}

/** A buffer of its own, to be transferred. */
export function encodeJobs(jobs: readonly Job[]): Uint8Array<ArrayBuffer> {
  let total = 0;
  for (const job of jobs) total += jobBytes(job);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (part: Uint8Array) => {
    bytes.set(part, at);
    at += part.length;
  };
  for (const job of jobs) {
    const isVerify = job.kind === 'verify';
    view.setUint8(at, kinds[job.kind]);
    view.setUint8(at + 1, hashes.indexOf(job.hash));
    view.setUint16(at + 2, (isVerify ? job.pssSaltBytes : undefined) ?? noSalt);
    view.setUint32(at + 4, isVerify ? job.keyDer.length : job.key);
    view.setUint32(at + 8, job.message.length);
    view.setUint32(at + 12, isVerify ? job.signature.length : 0);
    at += jobHeaderBytes;
    if (isVerify) put(job.keyDer);
    put(job.message);
    if (isVerify) put(job.signature);
  }
  return bytes;
}

/** The jobs of a buffer, whose bytes they share. */
export function decodeJobs(bytes: Uint8Array): readonly Job[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const jobs: Job[] = [];
  let at = 0;
  const take = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const isVerify = view.getUint8(at) === kinds.verify;
    const hash = hashes[view.getUint8(at + 1)] ?? null;
    const salt = view.getUint16(at + 2);
    const key = view.getUint32(at + 4);
    const messageBytes = view.getUint32(at + 8);
    const signatureBytes = view.getUint32(at + 12);
    at += jobHeaderBytes;
    if (isVerify) {
      const keyDer = take(key);
      const message = take(messageBytes);
      const pssSaltBytes = salt === noSalt ? undefined : salt;
      jobs.push({ kind: 'verify', hash, pssSaltBytes, keyDer, message, signature: take(signatureBytes) });
    } else {
      jobs.push({ kind: 'sign', hash: hash!, key, message: take(messageBytes) });
    }
  }
  return jobs;
}

/** A buffer of its own, to be transferred. */
export function encodeAnswers(all: readonly Answer[]): Uint8Array<ArrayBuffer> {
  let total = 0;
  for (const answer of all) total += answerHeaderBytes + (answer.kind === 'signed' ? answer.signature.length : 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const answer of all) {
    view.setUint8(at, answerCode(answer));
    const signature = answer.kind === 'signed' ? answer.signature : undefined;
    view.setUint16(at + 1, signature?.length ?? 0);
    at += answerHeaderBytes;
    if (signature === undefined) continue;
    bytes.set(signature, at);
    at += signature.length;
  }
  return bytes;
}

function answerCode(answer: Answer): number {
  if (answer.kind === 'signed') return answers.signed;
  if (answer.kind === 'not-done') return answers.notDone;
  return answer.verified ? answers.true : answers.false;
}

/** The answers of a buffer, in the order of their jobs; signatures are copies. Throws for one that is not whole. */
export function decodeAnswers(bytes: Uint8Array): readonly Answer[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const all: Answer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const code = view.getUint8(at);
    const end = at + answerHeaderBytes + view.getUint16(at + 1);
    if (end > bytes.length) throw new RangeError('an answer of the thread ends early');
    if (code === answers.signed) all.push({ kind: 'signed', signature: bytes.slice(at + answerHeaderBytes, end) });
    else if (code === answers.true || code === answers.false) all.push(verdicts[code]);
    else all.push(notDone);
    at = end;
  }
  return all;
}

const notDone: Answer = { kind: 'not-done' };
const verdicts: readonly [Answer, Answer] = [
  { kind: 'verified', verified: false },
  { kind: 'verified', verified: true },
];
