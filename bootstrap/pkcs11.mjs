import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { findNpm } from './dependencies.mjs';
import { fileIdentity, root } from './project.mjs';
import { runQuietly } from './run-quietly.mjs';
import { during } from './say.mjs';
import { installPackage } from './system-packages.mjs';

const packageFolder = join(root, 'node_modules', 'pkcs11js');
const addonPath = join(packageFolder, 'build', 'Release', 'pkcs11.node');
const buildTimeoutMs = 5 * 60_000;
const compilers = ['c++', 'g++', 'clang++'];

/** @returns {string | undefined} undefined when pkcs11js is not compiled */
export function addonIdentity() {
  return fileIdentity(addonPath);
}

/** Whether a C++ compiler is on the PATH now; looks, runs nothing. */
export function hasCompiler() {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.some((folder) => compilers.some((compiler) => existsSync(join(folder, compiler))));
}

/** Loads it in the Node that will use it: the only proof that it works. @param {string} nodePath */
async function loads(nodePath) {
  if (addonIdentity() === undefined) return false;
  const load = "process.exit(typeof require('pkcs11js').PKCS11 === 'function' ? 0 : 1)";
  return (await runQuietly(nodePath, ['-e', load], { cwd: root, timeoutMs: 20_000 })).ok;
}

/** The folder with include/node, so that nothing is downloaded. @param {string} nodePath */
function headersFolder(nodePath) {
  const folders = [join(root, 'node_modules', `node-${process.platform}-${process.arch}`), dirname(dirname(nodePath))];
  const needed = ['node_api.h', 'js_native_api.h', 'common.gypi', 'config.gypi'];
  return folders.find((folder) => needed.every((file) => existsSync(join(folder, 'include', 'node', file))));
}

/** node-gyp as npm carries it. It needs Python and make beside a compiler. @param {string} headers */
async function buildWithNodeGyp(headers) {
  const npm = findNpm();
  const cli = npm.args[0];
  const gyp =
    cli === undefined ? undefined : join(dirname(dirname(cli)), 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  if (gyp === undefined || !existsSync(gyp)) return false;
  const args = [gyp, 'rebuild', `--nodedir=${headers}`];
  return (await runQuietly(process.execPath, args, { cwd: packageFolder, timeoutMs: buildTimeoutMs })).ok;
}

/**
 * Compiles the addon's three files by themselves, for a machine with a C++ compiler but without Python or make. The
 * file names and the define are those of its binding.gyp.
 * @param {string} headers
 */
async function buildWithCompiler(headers) {
  const gyp = readFileSync(join(packageFolder, 'binding.gyp'), 'utf8');
  const sources = [...gyp.matchAll(/"(src\/[\w.-]+\.cpp)"/g)].map((match) => match[1] ?? '');
  const defines = [...gyp.matchAll(/"(NAPI_\w+)"/g)].map((match) => `-D${match[1]}`);
  const flags = [
    '-std=c++17',
    '-O2',
    '-fPIC',
    '-shared',
    '-w',
    '-DNODE_GYP_MODULE_NAME=pkcs11',
    '-DBUILDING_NODE_EXTENSION',
  ];
  if (process.platform === 'darwin') flags.push('-undefined', 'dynamic_lookup');
  mkdirSync(dirname(addonPath), { recursive: true });
  const includes = ['-Iincludes', `-I${join(headers, 'include', 'node')}`];
  for (const compiler of compilers) {
    const args = [...flags, ...defines, ...includes, ...sources, '-o', `${addonPath}.partial`, '-ldl'];
    const built = await runQuietly(compiler, args, { cwd: packageFolder, timeoutMs: buildTimeoutMs });
    if (!built.ok) continue;
    renameSync(`${addonPath}.partial`, addonPath);
    return true;
  }
  return false;
}

/** @param {string} headers @param {string} nodePath */
async function build(headers, nodePath) {
  if ((await buildWithNodeGyp(headers)) && (await loads(nodePath))) return true;
  return (await buildWithCompiler(headers)) && (await loads(nodePath));
}

/**
 * Gets pkcs11js to load in `nodePath`; it has no prebuilt binary, and as an optional dependency it goes missing without
 * a word.
 * @param {string} nodePath
 * @returns {Promise<{ ok: true } | { ok: false, reason: string, command: string }>}
 */
export async function ensurePkcs11(nodePath) {
  if (await loads(nodePath)) return { ok: true };
  const command = 'npm ci --ignore-scripts --include=optional';
  if (!existsSync(join(packageFolder, 'binding.gyp')))
    return { ok: false, reason: 'pkcs11js was not installed', command };
  const headers = headersFolder(nodePath);
  if (headers === undefined)
    return { ok: false, reason: 'there are no Node headers to compile pkcs11js with', command };
  const compile = () => during('compiling pkcs11js', () => build(headers, nodePath));
  if (hasCompiler()) {
    if (await compile()) return { ok: true };
    return {
      ok: false,
      reason: 'pkcs11js could not be compiled',
      command: 'cd node_modules/pkcs11js && npx node-gyp rebuild',
    };
  }
  const installed = await installPackage('a C++ compiler', { apt: 'g++', dnf: 'gcc-c++', apk: 'g++', brew: 'gcc' });
  if (installed.ok && (await compile())) return { ok: true };
  return { ok: false, reason: 'pkcs11js could not be compiled without a C++ compiler', command: installed.command };
}
