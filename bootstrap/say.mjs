/**
 * What the bootstrap tells a person. All of it goes to stderr: stdout belongs to the command that follows, whose last
 * line may be JSON.
 */

/** A set-up that cannot go on; `message` says what is wrong and what to type. */
export class SetupError extends Error {}

/** @param {string} line */
export function say(line) {
  process.stderr.write(`sealwright: ${line}\n`);
}

/**
 * Shows that something long is under way: a line that counts seconds on a terminal, one plain line elsewhere.
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function during(what, work) {
  if (process.stderr.isTTY !== true) {
    say(what);
    return await work();
  }
  const startedAt = Date.now();
  const draw = () => {
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    process.stderr.write(`\r\x1b[2Ksealwright: ${what} … ${seconds} s`);
  };
  draw();
  const timer = setInterval(draw, 1000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    process.stderr.write('\r\x1b[2K');
  }
}
