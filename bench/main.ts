/** `npm run bench -- [COMMAND] [OPTIONS]`: what is measured is one module a command. */

import { undoWhenInterrupted } from './interruption.ts';

/** Runs a command; answers the exit status. */
type Command = { readonly run: (args: readonly string[]) => Promise<number> };

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  backlog: () => import('./backlog.ts'),
  baseline: () => import('./baseline.ts'),
  'blast-radius': () => import('./blast-radius.ts'),
  bundles: () => import('./bundles.ts'),
  cost: () => import('./cost.ts'),
  export: () => import('./export.ts'),
  growth: () => import('./growth.ts'),
  peers: () => import('./peers.ts'),
  pacing: () => import('./pacing.ts'),
  profile: () => import('./profile.ts'),
  'slow-disk': () => import('./slow-disk.ts'),
  soak: () => import('./soak.ts'),
};

undoWhenInterrupted();
// Who reads only the beginning of it has seen enough; what was started is still ended, and what was written removed.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
});
const [first = '', ...rest] = process.argv.slice(2);
const named = first !== '' && !first.startsWith('-');
const name = named ? first : 'baseline';
const load = Object.hasOwn(commands, name) ? commands[name] : undefined;

if (load === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(commands).join('|')} [OPTIONS]\n`);
  process.exitCode = 2;
} else {
  try {
    process.exitCode = await (await load()).run(named ? rest : process.argv.slice(2));
  } catch (cause) {
    process.stderr.write(`bench: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
    process.exitCode = 1;
  }
}
// The channel to the bootstrap would keep the process.
process.removeAllListeners('disconnect');
if (process.connected) process.disconnect();
