import { constants, createHash, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { type CryptoThreads, createCryptoThreads } from '../../shared/adapters/crypto-thread/crypto-threads.ts';
import type { Answer, Job } from '../../shared/adapters/crypto-thread/jobs.ts';
import { jobBytesMax, startThread, type Thread } from '../../shared/adapters/crypto-thread/thread.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { verifyPossession } from '../../shared/pki/possession.ts';
import { parseSubjectPublicKey, type SubjectPublicKey } from '../../shared/pki/public-key.ts';
import type { SignatureAlgorithm } from '../../shared/pki/signature-algorithm.ts';
import { verifySignature } from '../../shared/pki/verify-signature.ts';
import { sampleDer, sampleManifest, spkiOf } from '../support/certification-requests.ts';
import { runningCryptoThreads } from '../support/crypto-threads.ts';

const workerFile = new URL('../../shared/adapters/crypto-thread/worker.ts', import.meta.url);
const jobsFile = new URL('../../shared/adapters/crypto-thread/jobs.ts', import.meta.url);

const folder = mkdtempSync(join(tmpdir(), 'sealwright thread '));
const closing: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The file of a thread. */
function entryOf(text: string): URL {
  const file = join(folder, `${createHash('sha256').update(text).digest('hex')}.mjs`);
  writeFileSync(file, text);
  return pathToFileURL(file);
}

/** A thread that answers each message of jobs by `expression` over `jobs`; `count` is the number of the message, from 1. */
function threadThat(expression: string): URL {
  return entryOf(`
    import { parentPort } from 'node:worker_threads';
    import { decodeJobs, encodeAnswers } from '${jobsFile.href}';
    let count = 0;
    parentPort.on('message', ({ kind, bytes }) => {
      if (kind !== 'jobs') return;
      const jobs = decodeJobs(bytes);
      count += 1;
      parentPort.postMessage(encodeAnswers(${expression}));
    });
    parentPort.postMessage('ready');`);
}

/** The real thread, running, and how many jobs it has had since. */
async function watched(): Promise<{ readonly thread: CryptoThreads; readonly jobs: () => number }> {
  const channel = new BroadcastChannel('jobs of the thread');
  closing.push(() => channel.close());
  let jobs = 0;
  channel.onmessage = ({ data }) => {
    jobs += data as number;
  };
  const entry = entryOf(`
    import { BroadcastChannel, parentPort } from 'node:worker_threads';
    import { decodeJobs } from '${jobsFile.href}';
    const channel = new BroadcastChannel('jobs of the thread');
    parentPort.on('message', ({ kind, bytes }) => kind === 'jobs' && channel.postMessage(decodeJobs(bytes).length));
    import('${workerFile.href}');`);
  const thread = await runningCryptoThreads({ entry });
  closing.push(() => thread.close());
  return { thread, jobs: () => jobs };
}
const approving = "jobs.map(() => ({ kind: 'verified', verified: true }))";

function open(options: Partial<Parameters<typeof createCryptoThreads>[0]> = {}) {
  const ends: Error[] = [];
  const thread = createCryptoThreads({ onEnd: (cause) => ends.push(cause), count: 1, ...options });
  closing.push(() => thread.close());
  return { thread, ends };
}

async function started(entry = workerFile): Promise<{ readonly thread: Thread; readonly ends: readonly Error[] }> {
  const ends: Error[] = [];
  const thread = startThread({ entry, onEnd: (cause) => ends.push(cause) });
  closing.push(() => thread.close());
  await vi.waitFor(() => expect(thread.takes(0)).toBe(true), 10_000);
  return { thread, ends };
}

const settled = (thread: Thread, job: Job) => new Promise<Answer>((resolve) => thread.do(job, resolve));

interface Kind {
  readonly name: string;
  readonly algorithm: SignatureAlgorithm;
  readonly publicKey: SubjectPublicKey;
  readonly privateKey: KeyObject;
  readonly sign: (message: Uint8Array, key: KeyObject) => Uint8Array;
}

function kindsOfKeys(): readonly Kind[] {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const kind = (
    name: string,
    { privateKey, publicKey }: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
    algorithm: SignatureAlgorithm,
    how: Kind['sign'],
  ): Kind => ({ name, algorithm, publicKey: parseSubjectPublicKey(spkiOf(publicKey)), privateKey, sign: how });
  return [
    ...(['P-256', 'P-384', 'P-521'] as const).flatMap((namedCurve) =>
      (['sha256', 'sha384', 'sha512'] as const).map((hash) =>
        kind(`${namedCurve} ${hash}`, generateKeyPairSync('ec', { namedCurve }), { kind: 'ecdsa', hash }, (m, key) =>
          sign(hash, m, key),
        ),
      ),
    ),
    kind('Ed25519', generateKeyPairSync('ed25519'), { kind: 'ed25519' }, (m, key) => sign(null, m, key)),
    kind('PKCS #1', rsa, { kind: 'rsa-pkcs1', hash: 'sha256' }, (m, key) => sign('sha256', m, key)),
    kind('PSS', rsa, { kind: 'rsa-pss', hash: 'sha256', saltBytes: 32 }, (m, key) =>
      sign('sha256', m, { key, ...pss }),
    ),
  ];
}
const kinds = kindsOfKeys();
const p256 = kinds[0]!;
const message = Buffer.from('a certification request');
const flipped = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

/** Each is asked twice: the second time the thread has imported the key. */
type Question = readonly [SignatureAlgorithm, SubjectPublicKey, Uint8Array, Uint8Array];

function questionsOf(kind: Kind): readonly Question[] {
  const other = kinds.find(
    ({ algorithm, publicKey }) => algorithm.kind === kind.algorithm.kind && publicKey !== kind.publicKey,
  );
  const signature = kind.sign(message, kind.privateKey);
  const large = Buffer.alloc(jobBytesMax, 7);
  const one: readonly Question[] = [
    [kind.algorithm, kind.publicKey, message, signature],
    [kind.algorithm, kind.publicKey, large, kind.sign(large, kind.privateKey)],
    [kind.algorithm, kind.publicKey, Buffer.alloc(0), kind.sign(Buffer.alloc(0), kind.privateKey)],
    [kind.algorithm, kind.publicKey, flipped(message, 3), signature],
    [kind.algorithm, kind.publicKey, message, flipped(signature, signature.length - 1)],
    [kind.algorithm, kind.publicKey, message, signature.subarray(1)],
    [kind.algorithm, kind.publicKey, message, Buffer.alloc(0)],
    [kind.algorithm, (other ?? p256).publicKey, message, signature],
    [{ kind: 'rsa-pss', hash: 'sha256', saltBytes: 20 }, kind.publicKey, message, signature],
    [{ kind: 'rsa-pss', hash: 'sha256', saltBytes: 2 ** 30 }, kind.publicKey, message, signature],
    [{ kind: 'rsa-pkcs1', hash: 'sha1' }, kind.publicKey, message, signature],
    [{ kind: 'ecdsa', hash: 'sha512' }, kind.publicKey, message, signature],
    [{ kind: 'unknown', oid: '1.2.3' }, kind.publicKey, message, signature],
  ];
  return [...one, ...one];
}

const signature = p256.sign(message, p256.privateKey);
const ask = (thread: CryptoThreads, text: Uint8Array = message) =>
  thread.verify(p256.algorithm, p256.publicKey, text, signature);

/** A thread that says yes to everything. */
async function approvingThread(): Promise<CryptoThreads> {
  const thread = await runningCryptoThreads({ entry: threadThat(approving) });
  closing.push(() => thread.close());
  return thread;
}

describe('verification on a thread', () => {
  it.each(kinds)('answers as on the pool, for $name', async (kind) => {
    const { jobs, thread } = await watched();
    const questions = questionsOf(kind);
    const expected = await Promise.all(questions.map((question) => verifySignature(...question)));
    expect(expected.slice(0, 3)).toEqual([true, true, true]);
    expect(await Promise.all(questions.map((question) => thread.verify(...question)))).toEqual(expected);
    const isQuick = kind.publicKey.info.kind !== 'ec' || kind.publicKey.keyType === 'P-256';
    if (isQuick) await vi.waitFor(() => expect(jobs()).toBeGreaterThan(6));
  });

  it('answers as on the pool, for requests of real tools', async () => {
    const { jobs, thread } = await watched();
    for (const { file } of sampleManifest.filter((sample) => sample.expect !== 'malformed')) {
      const request = parseCertificationRequest(sampleDer(file));
      expect(await verifyPossession(request, thread.verify), file).toBe(await verifyPossession(request));
    }
    await vi.waitFor(() => expect(jobs()).toBeGreaterThan(6));
  });

  it('says no for a key that OpenSSL cannot read, the first time and the second', async () => {
    const { jobs, thread } = await watched();
    const publicKey = { ...p256.publicKey, der: flipped(p256.publicKey.der, p256.publicKey.der.length - 1) };
    for (let time = 0; time < 2; time++) {
      expect(await verifySignature(p256.algorithm, publicKey, message, signature)).toBe(false);
      expect(await thread.verify(p256.algorithm, publicKey, message, signature)).toBe(false);
    }
    await vi.waitFor(() => expect(jobs()).toBe(2));
  });

  it('judges by itself all that needs no arithmetic, whatever the thread would say', async () => {
    const thread = await approvingThread();
    const zero = flipped(signature, 0);
    expect(await thread.verify(p256.algorithm, p256.publicKey, message, zero)).toBe(false);
    expect(await thread.verify({ kind: 'ecdsa', hash: 'sha1' }, p256.publicKey, message, signature)).toBe(false);
    expect(await thread.verify({ kind: 'ed25519' }, p256.publicKey, message, signature)).toBe(false);
  });

  it.each(['P-384 sha256', 'P-521 sha512'])('leaves to the pool what takes long: %s', async (name) => {
    const thread = await approvingThread();
    const { algorithm, privateKey, publicKey, ...kind } = kinds.find((one) => one.name === name)!;
    const theirs = kind.sign(message, privateKey);
    expect(await thread.verify(algorithm, publicKey, flipped(message, 1), theirs)).toBe(false);
  });

  it('leaves to the pool what is large', async () => {
    const thread = await approvingThread();
    const large = Buffer.alloc(jobBytesMax, 1);
    expect(await ask(thread, large)).toBe(false);
    expect(await ask(thread, large.subarray(1_000))).toBe(true);
  });

  it('leaves to the pool what is too much', async () => {
    const thread = await approvingThread();
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => ask(thread, flipped(message, 1))));
    expect(answers.filter((answer) => answer)).toHaveLength(256);
  });
});

describe('signing on a thread', () => {
  it('signs with a P-256 key, and what it signs verifies', async () => {
    const { thread } = await started();
    for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
      const job = { kind: 'sign', hash, key: thread.numberOf(p256.privateKey), message } as const;
      const answer = await settled(thread, job);
      expect(answer.kind === 'signed' && verify(hash, message, p256.privateKey, answer.signature)).toBe(true);
    }
  });

  it('signs with no key but the one that is named, and not with one that it was told to forget', async () => {
    const { thread } = await started();
    const first = thread.numberOf(p256.privateKey);
    expect(thread.numberOf(p256.privateKey)).toBe(first);
    const others = Array.from({ length: 16 }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    for (const other of others) {
      const answer = await settled(thread, { kind: 'sign', hash: 'sha256', key: thread.numberOf(other), message });
      expect(answer.kind === 'signed' && verify('sha256', message, other, answer.signature)).toBe(true);
    }
    expect(await settled(thread, { kind: 'sign', hash: 'sha256', key: first, message })).toEqual({ kind: 'not-done' });
    expect(thread.numberOf(p256.privateKey)).not.toBe(first);
  });

  it('makes a signature that is the only one where it is asked for, and more of them on the thread', async () => {
    const { jobs, thread } = await watched();
    const one = () => thread.sign('sha256', message, p256.privateKey);
    for (const made of [await one(), await one()]) expect(verify('sha256', message, p256.privateKey, made)).toBe(true);
    await Promise.all([one(), one()]);
    await vi.waitFor(() => expect(jobs()).toBe(2));
  });

  const signing = ['P-256 sha256', 'P-384 sha256', 'PKCS #1', 'Ed25519'];
  it.each(kinds.filter(({ name }) => signing.includes(name)))(
    'answers as the pool, for $name',
    async ({ privateKey, publicKey }) => {
      const { jobs, thread } = await watched();
      if (privateKey.asymmetricKeyType === 'ed25519') {
        await expect(thread.sign('sha256', message, privateKey)).rejects.toThrow();
        return;
      }
      const signatures = await Promise.all(
        Array.from({ length: 100 }, () => thread.sign('sha256', message, privateKey)),
      );
      for (const one of signatures) expect(verify('sha256', message, privateKey, one)).toBe(true);
      await vi.waitFor(() => expect(jobs()).toBe(publicKey.keyType === 'P-256' ? 100 : 0));
    },
  );
});

describe('a thread', () => {
  const verifyJob = {
    kind: 'verify',
    hash: 'sha256',
    pssSaltBytes: undefined,
    keyDer: p256.publicKey.der,
    message,
    signature,
  } as const;

  it('takes what is asked in one turn as one message, and gathers while two are under way', async () => {
    const { thread } = await started(threadThat("jobs.map(() => ({ kind: 'signed', signature: Buffer.of(count) }))"));
    const numbers: number[] = [];
    const ask = () =>
      thread.do(verifyJob, (answer) => numbers.push(answer.kind === 'signed' ? answer.signature[0]! : 0));
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    for (let count = 0; count < 5; count++) ask();
    await turn();
    for (let count = 0; count < 7; count++) ask();
    await turn();
    expect(numbers.length).toBeLessThanOrEqual(12);
    await vi.waitFor(() => expect(numbers).toHaveLength(12));
    expect(numbers).toEqual([...Array(5).fill(1), ...Array(7).fill(2)]);
  });

  it('takes at most 64 jobs and a mebibyte a message', async () => {
    const { thread } = await started(threadThat("jobs.map(() => ({ kind: 'signed', signature: Buffer.of(count) }))"));
    const ask = (job: Job) => settled(thread, job).then((one) => (one.kind === 'signed' ? one.signature[0]! : 0));
    const small = await Promise.all(Array.from({ length: 130 }, () => ask(verifyJob)));
    expect(small).toEqual([...Array(64).fill(1), ...Array(64).fill(2), 3, 3]);
    const large = { ...verifyJob, message: Buffer.alloc(60_000) };
    const numbers = await Promise.all(Array.from({ length: 20 }, () => ask(large)));
    expect(numbers).toEqual([...Array(17).fill(4), ...Array(3).fill(5)]);
  });

  it.each([
    ['exits', '(process.exit(3), [])', 'exited with 3'],
    ['throws', "(() => { throw new Error('broken') })()", 'broken'],
    ['answers too few', 'jobs.slice(1).map(() => ({ kind: "verified", verified: true }))', 'other than it was asked'],
    ['answers too many', `[...${approving}, ...${approving}]`, 'other than it was asked'],
  ])('that %s settles everything as not done, once, and is reported', async (_what, expression, reason) => {
    const { ends, thread } = await started(threadThat(expression));
    const answers = await Promise.all(Array.from({ length: 200 }, () => settled(thread, verifyJob)));
    expect(answers).toEqual(Array(200).fill({ kind: 'not-done' }));
    expect(thread.takes(0)).toBe(false);
    await vi.waitFor(() => expect(ends).toHaveLength(1));
    expect(ends[0]!.message).toContain(reason);
  });

  it('that is closed under load settles everything, and is not reported', async () => {
    const { ends, thread } = await started();
    const all = Promise.all(Array.from({ length: 200 }, () => settled(thread, verifyJob)));
    await new Promise((resolve) => setImmediate(resolve));
    await thread.close();
    const answers = await all;
    expect(answers).toHaveLength(200);
    expect(answers.at(-1)).toEqual({ kind: 'not-done' });
    expect(ends).toEqual([]);
  });
});

describe('two threads', () => {
  /** Says yes to everything, and which of the threads did. */
  const counting = () =>
    entryOf(`
    import { BroadcastChannel, parentPort, threadId } from 'node:worker_threads';
    import { decodeJobs, encodeAnswers } from '${jobsFile.href}';
    const channel = new BroadcastChannel('jobs of two threads');
    parentPort.on('message', ({ kind, bytes }) => {
      if (kind !== 'jobs') return;
      const { length } = decodeJobs(bytes);
      channel.postMessage([threadId, length]);
      parentPort.postMessage(encodeAnswers(Array(length).fill({ kind: 'verified', verified: true })));
    });
    parentPort.postMessage('ready');`);

  async function countedJobs(count: number): Promise<readonly number[]> {
    const channel = new BroadcastChannel('jobs of two threads');
    const byThread = new Map<number, number>();
    channel.onmessage = ({ data }) => {
      const [id, jobs] = data as [number, number];
      byThread.set(id, (byThread.get(id) ?? 0) + jobs);
    };
    closing.push(() => channel.close());
    const threads = await runningCryptoThreads({ count: 2, entry: counting() });
    closing.push(() => threads.close());
    const answers = await Promise.all(Array.from({ length: count }, () => ask(threads, flipped(message, 1))));
    expect(answers).toEqual(Array(count).fill(true));
    await vi.waitFor(() => expect([...byThread.values()].reduce((sum, jobs) => sum + jobs, 0)).toBe(count));
    return [...byThread.values()].sort((one, other) => one - other);
  }

  it('share what comes at once, in parts that are worth a message', async () => {
    const [less, more] = await countedJobs(24);
    expect(less! + more!).toBe(24);
    expect(more! - less!).toBeLessThanOrEqual(4);
  });

  it('leave what is few to one of them', async () => {
    expect(await countedJobs(3)).toEqual([3]);
  });
});

describe('when the thread is not there, the pool', () => {
  const yes = (thread: CryptoThreads) => ask(thread);
  const no = (thread: CryptoThreads) => ask(thread, flipped(message, 1));

  it('does what a dying thread had under way, and the next thread what comes after', async () => {
    const { ends, thread } = open({ entry: threadThat('(process.exit(1), [])'), restartMsMin: 0 });
    while (ends.length < 3) {
      const answers = await Promise.all([yes(thread), no(thread), thread.sign('sha256', message, p256.privateKey)]);
      expect(answers.slice(0, 2)).toEqual([true, false]);
      expect(verify('sha256', message, p256.privateKey, answers[2])).toBe(true);
    }
    expect(ends.map(({ message: text }) => text)).toEqual(Array(3).fill('the thread exited with 1'));
  });

  it('does all until the next may be started', async () => {
    const { ends, thread } = open({ entry: threadThat('(process.exit(1), [])'), restartMsMin: 3_600_000 });
    while (ends.length === 0) expect(await yes(thread)).toBe(true);
    for (let count = 0; count < 100; count++) expect([await yes(thread), await no(thread)]).toEqual([true, false]);
    expect(ends).toHaveLength(1);
  });

  it('does all when none can be started', async () => {
    const { ends, thread } = open({ entry: pathToFileURL(join(folder, 'nowhere.mjs')) });
    while (ends.length === 0) expect([await yes(thread), await no(thread)]).toEqual([true, false]);
    expect([await yes(thread), await no(thread)]).toEqual([true, false]);
  });

  it('does what is under way at the end, and what comes later', async () => {
    const { thread } = await watched();
    const all = Promise.all(Array.from({ length: 300 }, (_, index) => (index % 2 === 0 ? yes(thread) : no(thread))));
    await thread.close();
    expect(await all).toEqual(Array.from({ length: 300 }, (_, index) => index % 2 === 0));
    expect([await yes(thread), await no(thread)]).toEqual([true, false]);
  });
});
