/** Runs `work` over items, at most `concurrency` at a time; results in the order of the items. The first rejection ends it. */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T, index: number) => Promise<R>,
  onDone?: (done: number) => void,
): Promise<readonly R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let done = 0;
  let broken = false;
  const worker = async () => {
    while (!broken && next < items.length) {
      const index = next;
      next += 1;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        broken = true;
        throw error;
      }
      done += 1;
      onDone?.(done);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(concurrency, items.length)) }, worker));
  return results;
}
