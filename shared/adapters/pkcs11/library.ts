import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { PKCS11 } from 'pkcs11js';
import { ckf } from './constants.ts';
import { Pkcs11Failure, returnValueName } from './return-values.ts';

export interface LibraryOptions {
  /** The shared library: libsofthsm2.so, libcloudhsm_pkcs11.so. */
  readonly path: string;
  /**
   * For SoftHSM, its configuration file. SoftHSM reads it from the environment (SOFTHSM2_CONF) when it is initialised, so
   * it is put there before the library is loaded, and one process has one. Works in the main thread only: a worker's
   * environment is a copy that C code does not see.
   */
  readonly softhsmConf?: string | undefined;
}

/** A library that is loaded and initialised. */
export interface Pkcs11Library {
  readonly path: string;
  readonly api: PKCS11;
}

interface Loaded extends Pkcs11Library {
  readonly softhsmConf: string | undefined;
}

const loaded = new Map<string, Loaded>();

function loadPkcs11js(): typeof import('pkcs11js') {
  try {
    return createRequire(import.meta.url)('pkcs11js');
  } catch (cause) {
    throw new Pkcs11Failure('absent', 'pkcs11js-missing', 'pkcs11js is not installed or not compiled', cause);
  }
}

/**
 * Loads a PKCS #11 library, once a process (PKCS #11 v2.40 §5.4: C_Initialize is called once), with locking by the
 * operating system, since calls may run on several threads. Throws Pkcs11Failure; the next call tries again.
 */
export function openLibrary(options: LibraryOptions): Pkcs11Library {
  const { path, softhsmConf } = options;
  const known = loaded.get(path);
  if (known !== undefined) {
    if (softhsmConf !== undefined && softhsmConf !== known.softhsmConf) {
      throw new Error('a process has one SoftHSM configuration, and this one started with another');
    }
    return known;
  }
  const { PKCS11: Api } = loadPkcs11js();
  if (!existsSync(path))
    throw new Pkcs11Failure('absent', 'library-missing', `there is no PKCS #11 library at ${path}`);
  if (softhsmConf !== undefined) process.env.SOFTHSM2_CONF = softhsmConf;
  const api = new Api();
  try {
    api.load(path);
  } catch (cause) {
    throw new Pkcs11Failure('absent', 'library-not-loadable', `${path} is no PKCS #11 library for this machine`, cause);
  }
  try {
    api.C_Initialize({ flags: ckf.osLockingOk });
  } catch (cause) {
    const code = returnValueName(cause) ?? 'library-not-initialised';
    if (code !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') {
      api.close();
      throw new Pkcs11Failure('device', code, `the PKCS #11 library did not initialise: ${code}`, cause);
    }
  }
  const library: Loaded = { path, api, softhsmConf };
  loaded.set(path, library);
  return library;
}

/** Finalises every library: sessions and logins of this process end. For a process that is about to exit. */
export function closeLibraries(): void {
  for (const { api, path } of loaded.values()) {
    loaded.delete(path);
    try {
      api.C_Finalize();
    } catch (error) {
      if (returnValueName(error) === undefined) throw error;
    }
  }
}
