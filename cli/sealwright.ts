/** The command: `npx sealwright COMMAND`. Everything it needs of the process is handed over here. */
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailure } from './command.ts';
import { main } from './main.ts';

async function readStdin(bytesMax: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    bytes += (chunk as Buffer).byteLength;
    if (bytes > bytesMax)
      throw new CommandFailure('input-too-long', `standard input holds more than ${bytesMax} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

let reader: Interface | undefined;
let lines: AsyncIterator<string> | undefined;

/** One reader for all questions: lines that came before their question are not lost. */
async function readLine(question: string, write: (text: string) => void): Promise<string | undefined> {
  write(question);
  reader ??= createInterface({ input: process.stdin, terminal: false });
  lines ??= reader[Symbol.asyncIterator]();
  const { done, value } = await lines.next();
  if (process.stdin.isTTY !== true) write('\n');
  return done === true ? undefined : value;
}

// A reader that stops early (`| head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await main(process.argv.slice(2), {
  environment: process.env,
  workingDirectory: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  readStdin,
  readLine,
  now: Date.now,
  monotonic: () => performance.now(),
  sleep: (ms) => sleep(ms),
});
reader?.close();
