import { existsSync } from 'node:fs';
import { installPackage } from './system-packages.mjs';

/** Where distributions put the library. */
const usualPlaces = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/lib64/libsofthsm2.so',
  '/usr/lib/pkcs11/libsofthsm2.so',
  '/usr/lib/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/opt/softhsm/lib/softhsm/libsofthsm2.so',
];

/**
 * The PKCS#11 library: the one named by SEALWRIGHT_PKCS11_MODULE, whatever it is, else SoftHSM where it usually lies.
 * @returns {string | undefined}
 */
export function findModule() {
  const named = process.env.SEALWRIGHT_PKCS11_MODULE;
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  return usualPlaces.find((path) => existsSync(path));
}

/** @returns {Promise<{ ok: true } | { ok: false, reason: string, command: string }>} */
export async function ensureModule() {
  if (findModule() !== undefined) return { ok: true };
  const named = process.env.SEALWRIGHT_PKCS11_MODULE;
  if (named !== undefined && named !== '') {
    return { ok: false, reason: `there is no PKCS#11 library at ${named}`, command: 'unset SEALWRIGHT_PKCS11_MODULE' };
  }
  const installed = await installPackage('SoftHSM', {
    apt: 'softhsm2',
    dnf: 'softhsm',
    apk: 'softhsm',
    brew: 'softhsm',
  });
  if (findModule() !== undefined) return { ok: true };
  return { ok: false, reason: 'SoftHSM is not installed', command: installed.command };
}
