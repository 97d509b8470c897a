/** CPU of this process, all threads, for each call; garbage collection is in it. */
export interface Measurement {
  readonly calls: number;
  readonly cpuUs: number;
}

/** Runs `act` for each item, `concurrency` at a time, and answers what a call cost, with the answers in order. */
export async function measure<In, Out>(
  items: readonly In[],
  concurrency: number,
  act: (item: In) => Out | Promise<Out>,
): Promise<{ readonly measurement: Measurement; readonly answers: readonly Out[] }> {
  const answers: Out[] = new Array(items.length);
  let next = 0;
  const loop = async () => {
    while (next < items.length) {
      const index = next++;
      answers[index] = await act(items[index]!);
    }
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, loop));
  const { user, system } = process.cpuUsage(before);
  return { measurement: { calls: items.length, cpuUs: (user + system) / Math.max(1, items.length) }, answers };
}

/** The first part of the items fills caches and has the code compiled; the second is measured. Answers are of both. */
export async function measureWarm<In, Out>(
  items: readonly In[],
  warmUp: number,
  concurrency: number,
  act: (item: In) => Out | Promise<Out>,
): Promise<{ readonly measurement: Measurement; readonly answers: readonly Out[] }> {
  const warm = await measure(items.slice(0, warmUp), concurrency, act);
  const { answers, measurement } = await measure(items.slice(warmUp), concurrency, act);
  return { measurement, answers: [...warm.answers, ...answers] };
}
