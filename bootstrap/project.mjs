import { createHash } from 'node:crypto';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder; everything is found from here, never from the working directory. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const stampPath = join(root, 'node_modules', '.sealwright-setup.json');

/**
 * What the last set-up found, so that the next start need not look again. It lives inside node_modules: `npm ci`
 * removes that folder first, so an interrupted install leaves no stamp.
 * @typedef {{ path: string, identity: string, version: string }} Runtime
 * @typedef {{ identity: string } | { failedWithCompiler: boolean }} Compiled
 * @typedef {{ lockSha256: string, runtime?: Runtime, pkcs11?: Compiled, moduleMissingSince?: number }} Stamp
 */

/** @returns {string} SHA-256 of package-lock.json, hex. */
export function lockSha256() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/** @returns {Stamp | undefined} */
export function readStamp() {
  try {
    return JSON.parse(readFileSync(stampPath, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Written aside and renamed, so that no reader sees half of it. A folder that this user may not write to works without
 * a stamp, only slower.
 * @param {Stamp} stamp
 */
export function writeStamp(stamp) {
  const aside = `${stampPath}.${process.pid}`;
  try {
    writeFileSync(aside, `${JSON.stringify(stamp, null, 2)}\n`);
    renameSync(aside, stampPath);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code !== 'EACCES' && code !== 'EROFS' && code !== 'EPERM') throw error;
  }
}

/**
 * Changes when a file is replaced, and costs one stat.
 * @param {string} path
 * @returns {string | undefined} undefined when there is no such file
 */
export function fileIdentity(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() ? `${found.size}:${Math.round(found.mtimeMs)}` : undefined;
}
