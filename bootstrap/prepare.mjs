import { installDependencies, installedAsLocked, linkCommand } from './dependencies.mjs';
import { withInstallLock } from './install-lock.mjs';
import { addonIdentity, ensurePkcs11, hasCompiler } from './pkcs11.mjs';
import { lockSha256, readStamp, writeStamp } from './project.mjs';
import { chooseRuntime, hideUnusedRuntime, isUnchanged } from './runtime.mjs';
import { SetupError, say } from './say.mjs';
import { ensureModule, findModule } from './softhsm.mjs';

/** Installing SoftHSM is tried again only after this: a start must not wait for a package manager each time. */
const tryAgainAfterMs = 24 * 3_600_000;

/** package.json says the same under `engines`; npm only warns. */
function assertNodeVersion() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (process.platform === 'win32') throw new SetupError('Windows is not supported; use WSL');
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`this is Node ${process.versions.node}; Node 20.19 or later is needed (https://nodejs.org)`);
}

/** @typedef {import('./project.mjs').Stamp & { runtime: import('./project.mjs').Runtime }} Ready */

/** Whether pkcs11js is as it was left, and trying again would change nothing. @param {Ready} ready */
function isSettled(ready) {
  if (ready.pkcs11 === undefined) return false;
  if ('identity' in ready.pkcs11) return ready.pkcs11.identity === addonIdentity();
  return ready.pkcs11.failedWithCompiler || !hasCompiler();
}

/**
 * Whether the last set-up still holds: a hash of the lock file and a few stats.
 * @param {string} lock @param {boolean} wantsHsm
 * @returns {Ready | undefined}
 */
function stillReady(lock, wantsHsm) {
  const stamp = readStamp();
  if (stamp?.lockSha256 !== lock || stamp.runtime === undefined || !isUnchanged(stamp.runtime)) return undefined;
  const ready = /** @type {Ready} */ (stamp);
  if (!wantsHsm) return ready;
  const missingSince = ready.moduleMissingSince ?? Number.NEGATIVE_INFINITY;
  const moduleSettled = findModule() !== undefined || Date.now() - missingSince < tryAgainAfterMs;
  return isSettled(ready) && moduleSettled ? ready : undefined;
}

/** The dependencies may be there without the Node among them (an offline install skips it without a word). */
async function ensureRuntime() {
  try {
    return chooseRuntime();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    await installDependencies();
    linkCommand();
    return chooseRuntime();
  }
}

/** @param {{ reason: string, command: string }} fault */
function sayWithoutHsm(fault) {
  say(`${fault.reason}: profiles of an HSM-backed CA will answer 503. To have them, type: ${fault.command}`);
}

/** @param {Ready} ready */
async function setUpHsm(ready) {
  const compiled = await ensurePkcs11(ready.runtime.path);
  if (!compiled.ok) sayWithoutHsm(compiled);
  const module = await ensureModule();
  if (!module.ok) sayWithoutHsm(module);
  return {
    pkcs11: compiled.ok ? { identity: addonIdentity() ?? '' } : { failedWithCompiler: hasCompiler() },
    ...(module.ok ? {} : { moduleMissingSince: Date.now() }),
  };
}

/** @param {string} lock @param {boolean} wantsHsm @returns {Promise<Ready>} */
async function setUp(lock, wantsHsm) {
  let stamp = readStamp();
  if (stamp?.lockSha256 !== lock) {
    if (!installedAsLocked()) await installDependencies();
    linkCommand();
    stamp = { lockSha256: lock };
  }
  /** @type {Ready} */
  const ready = { ...stamp, runtime: await ensureRuntime() };
  hideUnusedRuntime(ready.runtime);
  const done = wantsHsm ? { lockSha256: lock, runtime: ready.runtime, ...(await setUpHsm(ready)) } : ready;
  writeStamp(done);
  return done;
}

/** A person is told at each start what is missing, though it is not tried again each time. @param {Ready} ready */
function sayWhatIsMissing(ready) {
  if (ready.pkcs11 === undefined || !('identity' in ready.pkcs11)) {
    say('pkcs11js is not compiled: profiles of an HSM-backed CA will answer 503');
  }
  if (findModule() === undefined)
    say('there is no PKCS#11 library (SoftHSM): profiles of an HSM-backed CA will answer 503');
}

/**
 * Makes the project ready to run and says with what. Quick when it already is.
 * @param {{ wantsHsm: boolean }} options whether the command uses an HSM
 * @returns {Promise<{ nodePath: string, modulePath: string | undefined }>}
 */
export async function prepare(options) {
  assertNodeVersion();
  const lock = lockSha256();
  let ready = stillReady(lock, options.wantsHsm);
  if (ready !== undefined && options.wantsHsm) sayWhatIsMissing(ready);
  ready ??= await withInstallLock(
    async () => stillReady(lock, options.wantsHsm) ?? (await setUp(lock, options.wantsHsm)),
  );
  return { nodePath: ready.runtime.path, modulePath: findModule() };
}
