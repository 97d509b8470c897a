/** The command: `npx sealwright COMMAND`. Everything it needs of the process is handed over here. */
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
  now: Date.now,
  monotonic: () => performance.now(),
  sleep: (ms) => sleep(ms),
});
