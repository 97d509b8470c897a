import type { BenchState } from '../bench-state.ts';
import { loadPart } from '../bench-state.ts';
import { startClient } from '../client.ts';
import { withUndo } from '../interruption.ts';
import type { MeasuredService } from '../service.ts';

/** What a load without an end has come to so far. */
export interface SoakProgress {
  certificates: number;
  others: number;
  verified: number;
  readonly faults: Record<string, number>;
}

export interface SoakLoad {
  readonly connections: number;
  /** Certificates a second; undefined for as many as there are. */
  readonly rate: number | undefined;
  readonly minutes: number;
}

/** Some seconds of load at once; at a rate, what is left of them is waited for. */
const partSeconds = 10;
/** Requests of a first part, before it is known how many there are to be. */
const firstCount = 200;

/** Two clients in turn, so that one makes requests and verifies answers while the other sends. */
export async function soak(
  service: MeasuredService,
  state: BenchState,
  { connections, minutes, rate }: SoakLoad,
  progress: SoakProgress,
): Promise<void> {
  const endsAt = performance.now() + minutes * 60_000;
  const [first, second] = [startClient(), startClient()];
  let number = 0;
  const loop = async (client: typeof first): Promise<void> => {
    let perSecond = firstCount / partSeconds / 1.5;
    while (performance.now() < endsAt) {
      number += 1;
      const startedAt = performance.now();
      const count = Math.ceil(rate === undefined ? perSecond * partSeconds * 1.5 : (rate * partSeconds) / 2);
      const part = { tag: `soak-${number}`, count, connections, seconds: partSeconds };
      const { answered, certificates, faults, seconds, verified } = await loadPart(client, service, state, part);
      perSecond = Math.max(1, answered / seconds);
      progress.certificates += certificates;
      progress.others += answered - certificates;
      progress.verified += verified;
      for (const [fault, times] of Object.entries(faults))
        progress.faults[fault] = (progress.faults[fault] ?? 0) + times;
      const left = Math.min(startedAt + partSeconds * 1_000, endsAt) - performance.now();
      if (rate !== undefined && left > 0) await new Promise((resolve) => setTimeout(resolve, left));
    }
  };
  await withUndo(first.stop, () => withUndo(second.stop, () => Promise.all([loop(first), loop(second)])));
}
