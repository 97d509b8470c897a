/**
 * A SoftHSM of our own for development: configuration, tokens and PINs below one folder of the state, nothing of the
 * machine's. For the set-up of the dev stage; the signer only reads the PIN file of its own token.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Handle, PKCS11 } from 'pkcs11js';
import { isSoftHsm } from '../../custody/softhsm.ts';
import { ckf, cku } from './constants.ts';
import { type LibraryOptions, openLibrary } from './library.ts';
import { assertLabel } from './reference.ts';
import { failureOf, Pkcs11Failure } from './return-values.ts';
import { keepTokenObject, mendTokenObjects, wasWhole } from './softhsm-guard.ts';
import { markPlace } from './store-origin.ts';
import { findSlot, trimmed } from './token.ts';

export interface SoftHsmToken {
  /** To hand to everything that opens the token, in this process or another. */
  readonly library: LibraryOptions & { readonly softhsmConf: string };
  readonly tokenLabel: string;
  /** Holds the user PIN and nothing else; mode 600. */
  readonly pinFile: string;
}

const tokenLabelBytes = 32;

/**
 * Makes the token and its PINs, or finds them. `folder` belongs to SoftHSM alone. Taken up again where an earlier call was
 * interrupted: PINs are written down before they are set. Two processes must not do this at once in one folder.
 * Throws Pkcs11Failure when the library is missing, is not SoftHSM, or refuses.
 */
export function prepareSoftHsmToken(options: {
  readonly libraryPath: string;
  readonly folder: string;
  readonly tokenLabel: string;
}): SoftHsmToken {
  const { libraryPath, tokenLabel } = options;
  assertLabel(tokenLabel);
  const library = { path: libraryPath, softhsmConf: writeConfiguration(resolve(options.folder)) };
  markPlace(resolve(options.folder));
  mendTokenObjects(resolve(options.folder));
  const { api } = openLibrary(library);
  const pins = {
    user: pinFile(resolve(options.folder), tokenLabel, 'pin'),
    so: pinFile(resolve(options.folder), tokenLabel, 'so-pin'),
  };
  try {
    const found = findSlot(api, tokenLabel);
    // A second token of the label would be an empty one, and its CA would get a second key.
    if (found === undefined && wasWhole(resolve(options.folder), tokenLabel))
      throw tokenLost(tokenLabel, options.folder);
    const slot = found ?? initialiseToken(api, tokenLabel, readPinFile(pins.so));
    if ((api.C_GetTokenInfo(slot).flags & ckf.userPinInitialized) === 0) setUserPin(api, slot, pins);
    keepTokenObject(resolve(options.folder), tokenLabel);
  } catch (error) {
    throw failureOf(error);
  }
  return { library, tokenLabel, pinFile: pins.user };
}

/** The PIN in a file of `prepareSoftHsmToken`. */
export function readPinFile(path: string): string {
  return readFileSync(path, 'utf8').trim();
}

function writePrivately(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

function writeConfiguration(folder: string): string {
  const tokens = join(folder, 'tokens');
  mkdirSync(tokens, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const path = join(folder, 'softhsm2.conf');
  const lines = [
    `directories.tokendir = ${tokens}`,
    'objectstore.backend = file',
    'log.level = ERROR',
    'slots.removable = false',
  ];
  writePrivately(path, `${lines.join('\n')}\n`);
  return path;
}

/** 24 random characters at the first call; the same ones later. */
function pinFile(folder: string, tokenLabel: string, kind: 'pin' | 'so-pin'): string {
  const path = join(folder, `${encodeURIComponent(tokenLabel)}.${kind}`);
  try {
    if (readPinFile(path) !== '') return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  writePrivately(path, `${randomBytes(18).toString('base64url')}\n`);
  return path;
}

function tokenLost(tokenLabel: string, folder: string): Pkcs11Failure {
  const message = `SoftHSM had a token ${tokenLabel} in ${folder} and does not find it any more: put its folder below tokens back, or begin a new state with --fresh`;
  return new Pkcs11Failure('absent', 'token-lost', message);
}

function initialiseToken(api: PKCS11, tokenLabel: string, soPin: string): Handle {
  const blank = api.C_GetSlotList(false).find((slot) => {
    const { flags, manufacturerID, model } = api.C_GetTokenInfo(slot);
    const identity = { manufacturer: trimmed(manufacturerID), model: trimmed(model) };
    return (flags & ckf.tokenInitialized) === 0 && isSoftHsm(identity);
  });
  if (blank === undefined)
    throw new Pkcs11Failure('absent', 'slot-missing', 'the library has no blank slot, or is not SoftHSM');
  // The label is a fixed field of 32 bytes that pkcs11js passes as it is.
  const padding = ' '.repeat(tokenLabelBytes - Buffer.byteLength(tokenLabel, 'utf8'));
  api.C_InitToken(blank, soPin, tokenLabel + padding);
  // SoftHSM gives an initialised token another slot id.
  const slot = findSlot(api, tokenLabel);
  if (slot === undefined)
    throw new Pkcs11Failure('device', 'token-missing', 'the token was initialised and is not there');
  return slot;
}

function setUserPin(api: PKCS11, slot: Handle, pins: { readonly user: string; readonly so: string }): void {
  const session = api.C_OpenSession(slot, ckf.serialSession | ckf.rwSession);
  try {
    api.C_Login(session, cku.so, readPinFile(pins.so));
    api.C_InitPIN(session, readPinFile(pins.user));
    api.C_Logout(session);
  } finally {
    api.C_CloseSession(session);
  }
}
