import { main } from '../../cli/main.ts';

/** Runs a command line of `sealwright` in this process, with the wall clock and no environment. */
export async function runCli(argv: readonly string[], workingDirectory: string) {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) => ({
    write: (text: string) => {
      written[name] += text;
    },
  });
  const status = await main(argv, {
    environment: {},
    workingDirectory,
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    readStdin: async () => new Uint8Array(),
    now: Date.now,
    monotonic: () => performance.now(),
    sleep: async () => undefined,
  });
  return { status, ...written };
}
