/** Calls in virtual time: each takes a while, and each may meet the fault that the schedule has for it. */
import { type Decision, type FaultKind, type Faults, labelOf, type Role, type Target } from './faults.ts';
import type { Kernel } from './kernel.ts';
import { type Process, type Work, WorldError } from './processes.ts';
import type { Random } from './random.ts';

export interface CallOptions {
  /** A part of the effect, where a call has several. */
  readonly partly?: () => Promise<unknown>;
  /** What a failed call is rejected with; `tookEffect` says whether it may have happened. */
  readonly error?: (tookEffect: boolean) => Error;
  /** The client gives up after this long, whatever becomes of the call. */
  readonly waitMsMax?: number;
}

export interface Calls {
  /** Makes a call with whatever fault the schedule has for it. Never answers a process that is gone. */
  make<T>(process: Process, role: Role, call: string, effect: () => Promise<T>, options?: CallOptions): Promise<T>;
}

export interface CallsParts {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly faults: Faults;
  readonly latencyMsMax: number;
  readonly trace: (text: string) => void;
  /** Told of a fault that was aimed, when it happens, and whose work it hit. */
  readonly onTarget: (target: Target, role: Role, work: readonly Work[]) => void;
}

/** One call under way. */
interface Call<T> {
  readonly process: Process;
  readonly name: string;
  readonly effect: () => Promise<T>;
  readonly options: CallOptions;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** How late an answer may come, in milliseconds: seconds, up to a visibility timeout, past a token's life, and beyond. */
const lateMs: readonly (readonly [number, number])[] = [
  [1_000, 28_000],
  [30_000, 185_000],
  [185_000, 310_000],
  [310_000, 700_000],
];
/** What a caller has given up may still be on its way for so long: less than the minute that a token's life leaves for it. */
const onItsWayMsMax = 55_000;

export function createCalls(parts: CallsParts): Calls {
  return {
    make(process, role, call, effect, options = {}) {
      if (!process.isAlive) return new Promise(() => undefined);
      const label = labelOf({ role, call });
      const decision = parts.faults.at(label);
      if (decision?.target !== undefined) {
        const work = [...process.work].filter((one) => one.role === role);
        parts.onTarget(decision.target, role, work);
      }
      return new Promise((resolve, reject) => {
        const one = {
          process,
          name: `${process.name} ${label}`,
          effect,
          options,
          resolve: (value: Awaited<ReturnType<typeof effect>>) => {
            if (process.isAlive) resolve(value);
          },
          reject: (error: unknown) => {
            if (process.isAlive) reject(error);
          },
        };
        if (decision === undefined) sound(parts, one);
        else faulty(parts, one, decision);
      });
    },
  };
}

function sound<T>({ kernel, random, latencyMsMax, trace }: CallsParts, call: Call<T>): void {
  const latency = () => random.between(1, latencyMsMax);
  kernel.after(latency(), async () => {
    // A call that was on its way when its caller ended may still arrive.
    if (!call.process.isAlive && random.chance(0.5)) return;
    try {
      const value = await call.effect();
      trace(`${call.name}${kindsOf(value)}`);
      if (random.chance(0.3)) kernel.after(latency(), () => call.resolve(value));
      else call.resolve(value);
    } catch (error) {
      trace(`${call.name}: ${String(error)}`);
      call.reject(error);
    }
  });
}

/** What a call answered, where that is a kind or several. */
function kindsOf(value: unknown): string {
  const kinds = [value].flat().flatMap((one) => (one as { readonly kind?: string } | undefined)?.kind ?? []);
  return kinds.length === 0 ? '' : ` → ${kinds.join(' ')}`;
}

function faulty<T>(parts: CallsParts, call: Call<T>, decision: Decision): void {
  const { kernel, random, latencyMsMax, trace } = parts;
  const { process } = call;
  const latencyMs = random.between(1, latencyMsMax);
  switch (process.isImmortal ? survived(decision.fault) : decision.fault) {
    case 'fails':
      kernel.after(latencyMs, () => {
        trace(`${call.name}  *** fails, without effect`);
        call.reject(errorOf(call, false));
      });
      return;
    case 'lost':
      loseAnswer(parts, call, latencyMs);
      return;
    case 'late':
      answerLate(parts, call, latencyMs);
      return;
    case 'dies before':
      trace(`${call.name}  *** the process ends before it`);
      process.die();
      return;
    case 'dies after':
      kernel.after(latencyMs, async () => {
        trace(`${call.name}  *** the process ends after it`);
        await withoutAnswer(parts, call.name, call.effect);
        process.die();
      });
  }
}

/** What it is to a caller that cannot end. */
function survived(fault: FaultKind): FaultKind {
  if (fault === 'dies before') return 'fails';
  return fault === 'dies after' ? 'lost' : fault;
}

function errorOf({ options }: Pick<Call<unknown>, 'options'>, tookEffect: boolean): Error {
  return options.error?.(tookEffect) ?? new WorldError(tookEffect ? 'the answer was lost' : 'no connection');
}

async function withoutAnswer({ trace }: CallsParts, name: string, effect: () => Promise<unknown>): Promise<void> {
  try {
    await effect();
  } catch (error) {
    trace(`${name}  *** and was refused: ${String(error)}`);
  }
}

/** It takes effect, whole or in part, at once or when its caller has given it up already. */
function loseAnswer<T>(parts: CallsParts, call: Call<T>, latencyMs: number): void {
  const { kernel, random, trace } = parts;
  const { partly } = call.options;
  const isInPart = partly !== undefined && random.chance(0.5);
  const effect = isInPart ? partly : call.effect;
  const laterMs = random.chance(0.25) ? random.between(1, onItsWayMsMax) : 0;
  kernel.after(latencyMs, async () => {
    const what = isInPart ? 'its effect, in part,' : 'its effect';
    trace(`${call.name}  *** answer lost, ${what} ${laterMs === 0 ? 'at once' : `${laterMs} ms later`}`);
    if (laterMs === 0) await withoutAnswer(parts, call.name, effect);
    else {
      kernel.after(
        laterMs,
        () => {
          trace(`${call.name}  *** takes effect`);
          return withoutAnswer(parts, call.name, effect);
        },
        'owed',
      );
    }
    call.reject(errorOf(call, true));
  });
}

/** It takes effect early or late, and its answer comes late, or not at all to a client that waits no longer. */
function answerLate<T>(parts: CallsParts, call: Call<T>, latencyMs: number): void {
  const { kernel, random, trace } = parts;
  const { waitMsMax } = call.options;
  const [min, max] = random.pick(lateMs);
  const delayMs = random.between(min, max);
  const givesUp = waitMsMax !== undefined && delayMs > waitMsMax;
  const arrivesMs = givesUp ? Math.min(delayMs, onItsWayMsMax) : delayMs;
  const effectMs = random.chance(0.5) ? latencyMs : arrivesMs;
  trace(`${call.name}  *** ${delayMs} ms late, its effect after ${effectMs} ms`);
  if (givesUp) kernel.after(waitMsMax, () => call.reject(errorOf(call, true)));
  const arrive = async () => {
    // What is later than a call can be on its way has not left its process yet.
    if (!call.process.isAlive && effectMs > onItsWayMsMax) return;
    trace(`${call.name}  *** takes effect`);
    const answer = await call.effect().then(
      (value) => () => call.resolve(value),
      (error: unknown) => () => call.reject(error),
    );
    if (!givesUp) kernel.after(delayMs - effectMs, answer, 'owed');
  };
  kernel.after(effectMs, arrive, 'owed');
}
