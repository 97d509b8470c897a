import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { type Answer, decodeAnswers, encodeJobs, type Job, jobBytes, type ThreadMessage } from './jobs.ts';

/** One thread, from its start to its end. */
export interface Thread {
  /** Whether it takes one more job of so many bytes: it has started, and not too much waits for it. */
  takes(bytes: number): boolean;
  /** Jobs that wait for it or are under way. */
  load(): number;
  /** Calls `settle` once: with `not-done` also when the thread ends first. Only what it takes. */
  do(job: Job, settle: (answer: Answer) => void): void;
  /** The same, or calls `alone` where a job turns out to be the only one: handing it over would cost as much as doing it. */
  doUnlessAlone(job: Job, settle: (answer: Answer) => void, alone: () => void): void;
  /** The number under which the thread has a key to sign with. */
  numberOf(key: KeyObject): number;
  /** Ends it, and settles what is under way. */
  close(): Promise<void>;
}

export interface ThreadOptions {
  readonly entry: URL;
  /** It has ended by itself, and everything that was under way is settled. */
  readonly onEnd: (cause: Error) => void;
}

interface Task {
  readonly job: Job;
  readonly settle: (answer: Answer) => void;
  readonly alone: (() => void) | undefined;
}

/** A job of more would keep the small ones waiting. */
export const jobBytesMax = 65_536;
/** What waits beyond this is better done by more than one thread. */
const waitingMax = 256;
/** Of one message, so that the first of it waits for a few milliseconds of others at most. */
const messageJobsMax = 64;
const messageBytesMax = 1_048_576;
/** While the thread works at one, the next is there already. */
const messagesUnderWayMax = 2;
/** A process signs with the keys of a few CAs, and with one a family for what is linted. */
const signingKeysMax = 16;
/** What it holds of JavaScript is small; the messages are outside of it. */
const resourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 };

/**
 * Starts the thread. What is asked in one turn of the event loop goes over in one message, and while messages are under way more
 * is gathered: batches grow with the load, and a lone job waits for the end of its turn and no timer. Throws what `Worker` throws.
 */
export function startThread({ entry, onEnd }: ThreadOptions): Thread {
  // Neither the arguments nor the environment of the process: what preloads something there is meant for the process.
  const worker = new Worker(entry, { name: 'cryptography', execArgv: [], env: {}, resourceLimits });
  let state: 'starting' | 'ready' | 'ended' = 'starting';
  let waiting: Task[] = [];
  let scheduled = false;
  const underWay: (readonly Task[])[] = [];
  let tasksUnderWay = 0;
  const keys = new Map<KeyObject, number>();
  let keysEver = 0;

  const tell = (message: ThreadMessage) =>
    worker.postMessage(message, message.kind === 'jobs' ? [message.bytes.buffer] : []);

  function take(task: Task): void {
    waiting.push(task);
    schedule();
  }

  function schedule(): void {
    if (scheduled || waiting.length === 0 || underWay.length >= messagesUnderWayMax) return;
    scheduled = true;
    setImmediate(flush);
  }

  function flush(): void {
    scheduled = false;
    const alone = underWay.length === 0 && waiting.length === 1 ? waiting[0]!.alone : undefined;
    if (alone !== undefined) {
      waiting = [];
      alone();
      return;
    }
    while (state === 'ready' && waiting.length > 0 && underWay.length < messagesUnderWayMax) {
      const count = countOfNext(waiting);
      const tasks = waiting.slice(0, count);
      waiting = waiting.slice(count);
      // Nobody's process ends while somebody waits for an answer, and none stays for an idle thread.
      if (underWay.push(tasks) === 1) worker.ref();
      tasksUnderWay += tasks.length;
      tell({ kind: 'jobs', bytes: encodeJobs(tasks.map(({ job }) => job)) });
    }
  }

  function answered(bytes: Uint8Array): void {
    const answers = decodeAnswers(bytes);
    const tasks = underWay[0];
    if (tasks?.length !== answers.length) throw new Error('the thread answered other than it was asked');
    underWay.shift();
    tasksUnderWay -= tasks.length;
    if (underWay.length === 0) worker.unref();
    for (const [index, { settle }] of tasks.entries()) settle(answers[index]!);
    schedule();
  }

  function end(): void {
    state = 'ended';
    const left = [...underWay.flat(), ...waiting];
    underWay.length = 0;
    tasksUnderWay = 0;
    waiting = [];
    for (const { settle } of left) settle({ kind: 'not-done' });
  }

  function fail(cause: unknown): void {
    if (state === 'ended') return;
    end();
    // A thread that failed to answer may still run.
    void worker.terminate();
    onEnd(cause instanceof Error ? cause : new Error(String(cause)));
  }

  worker.unref();
  worker.on('message', (message: 'ready' | Uint8Array) => {
    if (state === 'ended') return;
    if (message === 'ready') {
      state = 'ready';
      return;
    }
    try {
      answered(message);
    } catch (cause) {
      fail(cause);
    }
  });
  worker.on('messageerror', fail);
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`the thread exited with ${code}`)));

  return {
    takes: (bytes) => state === 'ready' && waiting.length < waitingMax && bytes <= jobBytesMax,
    load: () => waiting.length + tasksUnderWay,
    do: (job, settle) => take({ job, settle, alone: undefined }),
    doUnlessAlone: (job, settle, alone) => take({ job, settle, alone }),
    numberOf(key) {
      const known = keys.get(key);
      if (known !== undefined) return known;
      const oldest = keys.keys().next().value;
      if (oldest !== undefined && keys.size >= signingKeysMax) {
        // A job that names it and is not done yet is done elsewhere.
        tell({ kind: 'forget', key: keys.get(oldest)! });
        keys.delete(oldest);
      }
      keysEver += 1;
      keys.set(key, keysEver);
      tell({ kind: 'key', key: keysEver, privateKey: key });
      return keysEver;
    },
    async close() {
      end();
      await worker.terminate();
    },
  };
}

function countOfNext(waiting: readonly Task[]): number {
  let bytes = 0;
  let count = 0;
  for (const { job } of waiting) {
    bytes += jobBytes(job);
    if (count === messageJobsMax || (count > 0 && bytes > messageBytesMax)) break;
    count += 1;
  }
  return count;
}
