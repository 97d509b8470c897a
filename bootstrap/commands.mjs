import { constants } from 'node:os';
import { join } from 'node:path';
import { launch } from './launch.mjs';
import { prepare } from './prepare.mjs';
import { root } from './project.mjs';
import { endRunning } from './run-quietly.mjs';
import { SetupError, say } from './say.mjs';

/**
 * `service`: stops when the bootstrap is gone. `inProject`: its paths are the project's, not the caller's.
 * @type {Record<string, { entry: readonly string[], wantsHsm: boolean, service: boolean, inProject: boolean }>}
 */
const commands = {
  start: { entry: ['localstack/embedded/main.ts'], wantsHsm: true, service: true, inProject: true },
  dev: { entry: ['localstack/dev/main.ts'], wantsHsm: true, service: true, inProject: true },
  test: { entry: ['node_modules/vitest/vitest.mjs', 'run'], wantsHsm: true, service: false, inProject: true },
  'test:slow': {
    entry: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.slow.config.ts'],
    wantsHsm: true,
    service: false,
    inProject: true,
  },
  'test:aws': { entry: ['localstack/emulators/main.ts'], wantsHsm: true, service: true, inProject: true },
  check: { entry: ['bootstrap/check.mjs'], wantsHsm: false, service: false, inProject: true },
  bench: { entry: ['bench/main.ts'], wantsHsm: true, service: true, inProject: true },
  'bench:peers': { entry: ['bench/main.ts', 'peers'], wantsHsm: true, service: true, inProject: true },
  simulate: { entry: ['test/crash/simulate.ts'], wantsHsm: false, service: false, inProject: true },
  fuzz: { entry: ['test/fuzz/main.ts'], wantsHsm: false, service: false, inProject: true },
  'pca:conformance': { entry: ['test/conformance/main.ts'], wantsHsm: false, service: false, inProject: true },
  cli: { entry: ['cli/sealwright.ts'], wantsHsm: false, service: false, inProject: false },
};

/** Prepares, and until that is done ends at once when told to, its installers first. @param {boolean} wantsHsm */
async function prepareInterruptibly(wantsHsm) {
  const interrupt = async (/** @type {NodeJS.Signals} */ signal) => {
    await endRunning();
    process.exit(128 + constants.signals[signal]);
  };
  const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await prepare({ wantsHsm });
  } finally {
    for (const signal of signals) process.removeListener(signal, interrupt);
  }
}

/**
 * Every command of the project starts here, on whatever Node 20.19 or later the machine has: sets up what is missing,
 * then runs the command on Node 24.
 * @param {readonly string[]} argv command and its arguments
 * @returns {Promise<number>} exit status
 */
export async function main(argv) {
  const [name = '', ...args] = argv;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    process.stderr.write(`usage: node bootstrap/run.mjs ${Object.keys(commands).join('|')} [ARGUMENT...]\n`);
    return 2;
  }
  try {
    const { nodePath, modulePath } = await prepareInterruptibly(command.wantsHsm);
    const [entry = '', ...entryArgs] = command.entry;
    const env = modulePath === undefined ? process.env : { ...process.env, SEALWRIGHT_PKCS11_MODULE: modulePath };
    return await launch(nodePath, [join(root, entry), ...entryArgs, ...args], {
      env,
      channel: command.service,
      ...(command.inProject ? { cwd: root } : {}),
    });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    return 1;
  }
}
