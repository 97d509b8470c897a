/** Bytes drawn at once: a draw costs as much for sixteen bytes as for some thousand. */
const poolBytes = 4_096;

/** Random bytes out of a pool, each handed out once; more than the pool has are drawn by themselves. */
export function createRandomPool(draw: (bytes: number) => Uint8Array): (bytes: number) => Uint8Array {
  let pool: Uint8Array = new Uint8Array(0);
  let at = 0;
  return (bytes) => {
    if (bytes > poolBytes) return draw(bytes);
    if (at + bytes > pool.length) {
      pool = draw(poolBytes);
      at = 0;
    }
    const taken = new Uint8Array(pool.subarray(at, at + bytes));
    // What was handed out is not left lying here.
    pool.fill(0, at, at + bytes);
    at += bytes;
    return taken;
  };
}
