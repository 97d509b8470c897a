/**
 * `npm run check`: types, lint and format, dependency rule. All of them run, whatever the first one finds; exit status 1
 * when any found something. Runs on Node 24 (see run.mjs).
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './project.mjs';

const modules = (/** @type {string} */ path) => join(root, 'node_modules', path);

const scripts = readdirSync(join(root, 'bootstrap')).filter((file) => file.endsWith('.mjs'));
const scriptOptions =
  '--ignoreConfig --noEmit --allowJs --checkJs --strict --noUncheckedIndexedAccess --module nodenext --target es2023 --types node';

const steps = [
  {
    name: 'types of the bootstrap',
    args: [
      modules('typescript/bin/tsc'),
      ...scriptOptions.split(' '),
      ...scripts.map((file) => join(root, 'bootstrap', file)),
    ],
  },
  { name: 'types', args: [modules('typescript/bin/tsc'), '--noEmit', '-p', root] },
  {
    name: 'lint and format',
    args: [
      modules('@biomejs/biome/bin/biome'),
      'ci',
      '--no-errors-on-unmatched',
      ...(process.stdout.isTTY ? [] : ['--colors=off']),
      '.',
    ],
  },
  {
    name: 'dependency rule',
    args: [modules('vitest/vitest.mjs'), 'run', '--reporter=dot', 'test/architecture.test.ts'],
  },
];

steps.push({ name: 'template (cfn-lint)', args: [join(root, 'localstack', 'emulators', 'lint.ts')] });

/** @param {readonly string[]} args @returns {Promise<boolean>} */
function passes(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
    child.on('error', () => resolve(false));
    child.on('exit', (status) => resolve(status === 0));
  });
}

const failed = [];
for (const step of steps) {
  process.stdout.write(`check: ${step.name}\n`);
  if (!(await passes(step.args))) failed.push(step.name);
}
process.stdout.write(failed.length === 0 ? 'check: all passed\n' : `check: failed: ${failed.join(', ')}\n`);
process.exit(failed.length === 0 ? 0 : 1);
