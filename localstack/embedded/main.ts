/**
 * `npm start`: brings up the embedded stack on this machine, enrols a sample fleet or a folder of requests over HTTP, says
 * what came of it, and goes on serving until Ctrl-C.
 */
import { enableCompileCache } from 'node:module';
import { parseStartOptions, type StartOptions, startUsage } from './options.ts';

enableCompileCache();

const parsed = parseStartOptions(process.argv.slice(2));
switch (parsed.kind) {
  case 'help':
    process.stdout.write(startUsage);
    break;
  case 'usage':
    process.stderr.write(`${parsed.faults.join('\n')}\n\n${startUsage}`);
    process.exitCode = 2;
    break;
  case 'options':
    process.exitCode = await start(parsed.options);
    break;
}
// What is left open, such as the channel to the bootstrap, must not keep the process.
process.exit();

/** Exit status 0 only when nothing failed and nothing was unexpected. */
async function start(options: StartOptions): Promise<number> {
  const { runStart } = await import('./start.ts');
  try {
    return await runStart(options);
  } catch (cause) {
    const { code, message, stack } = cause as {
      readonly code?: unknown;
      readonly message?: string;
      readonly stack?: string;
    };
    // An error with a code of ours says what to do; any other is a fault of ours, and its stack helps to mend it.
    process.stderr.write(`sealwright: ${typeof code === 'string' ? message : stack}\n`);
    return 1;
  }
}
