/** Processes that calls are made from, and that may end between any two of them. */
import type { Role } from './faults.ts';
import type { Kernel } from './kernel.ts';

/** Memory that is lost when the process ends. */
export interface Process {
  readonly name: string;
  readonly isAlive: boolean;
  readonly isImmortal: boolean;
  /** Made at first use, as a module's state is. */
  module<T>(key: string, make: () => T): T;
  /** What is under way in it. */
  readonly work: Set<Work>;
  /** Told at once when it has ended already. */
  onDeath(told: () => void): void;
  die(): void;
}

/** One invocation of a function, or one POST. */
export interface Work {
  readonly role: Role;
  readonly issuanceIds: readonly string[];
  /** Position of the client's request in the schedule. */
  readonly client?: number;
}

/** What goes wrong with the world: never the product's own mistake. */
export class WorldError extends Error {
  constructor(message: string, name = 'WorldError') {
    // Its stack would say nothing, and many are made.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = name;
  }
}

/** `isImmortal`: what Lambda runs for us. */
export function createProcess(name: string, isImmortal = false): Process {
  const modules = new Map<string, unknown>();
  const told: (() => void)[] = [];
  let isAlive = true;
  return {
    name,
    isImmortal,
    get isAlive() {
      return isAlive;
    },
    work: new Set(),
    module<T>(key: string, make: () => T): T {
      if (!modules.has(key)) modules.set(key, make());
      return modules.get(key) as T;
    },
    onDeath(one) {
      if (isAlive) told.push(one);
      else one();
    },
    die() {
      if (!isAlive || isImmortal) return;
      isAlive = false;
      for (const one of told) one();
    },
  };
}

/**
 * Runs work in a process. Rejects when the process ends meanwhile; with a `timeoutMs` it is ended when the work takes
 * longer, as Lambda does it.
 */
export function runWork<T>(
  kernel: Kernel,
  process: Process,
  work: Work,
  timeoutMs: number | undefined,
  run: () => Promise<T>,
): Promise<T> {
  process.work.add(work);
  return new Promise<T>((resolve, reject) => {
    let isOver = false;
    const over = (settle: () => void) => {
      isOver = true;
      process.work.delete(work);
      settle();
    };
    const answer = run();
    process.onDeath(() => over(() => reject(new WorldError('the process ended'))));
    answer.then(
      (value) => over(() => resolve(value)),
      (cause: unknown) => over(() => reject(cause)),
    );
    if (timeoutMs === undefined) return;
    kernel.after(timeoutMs, () => {
      if (!isOver) process.die();
    });
  });
}
