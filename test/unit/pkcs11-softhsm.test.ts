import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect } from 'vitest';
import { ckf } from '../../shared/adapters/pkcs11/constants.ts';
import { openLibrary } from '../../shared/adapters/pkcs11/library.ts';
import { prepareSoftHsmToken, readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import { findSlot, openToken } from '../../shared/adapters/pkcs11/token.ts';
import { itWithSoftHsm, newSoftHsmToken, softHsmFolder } from '../support/softhsm.ts';

/** CKS_RW_USER_FUNCTIONS: a read-write session with a user logged in. */
const rwUserFunctions = 3;

describe('a SoftHSM token of the dev stage', () => {
  itWithSoftHsm('is made once and found again, with the same PIN', () => {
    const first = newSoftHsmToken('made once');
    const pin = readPinFile(first.pinFile);
    expect(newSoftHsmToken('made once')).toEqual(first);
    expect(readPinFile(first.pinFile)).toBe(pin);
    const { api } = openLibrary(first.library);
    const labels = api.C_GetSlotList(true).map((slot) => api.C_GetTokenInfo(slot).label.trim());
    expect(labels.filter((label) => label === 'made once')).toHaveLength(1);
  });

  itWithSoftHsm('keeps a PIN of its own in a file that only its owner reads', () => {
    const [one, two] = [newSoftHsmToken('tier one'), newSoftHsmToken('tier two')];
    expect(readPinFile(one.pinFile).length).toBeGreaterThanOrEqual(16);
    expect(readPinFile(one.pinFile)).not.toBe(readPinFile(two.pinFile));
    expect(statSync(one.pinFile).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(one.pinFile)).mode & 0o777).toBe(0o700);
    expect(readFileSync(one.library.softhsmConf, 'utf8')).toContain(`directories.tokendir = ${softHsmFolder()}`);
  });

  itWithSoftHsm('lets a crypto user in with the PIN of its file', async () => {
    const { library, tokenLabel, pinFile } = newSoftHsmToken('let in');
    const token = openToken({ library, tokenLabel, readPin: () => readPinFile(pinFile) });
    const state = await token.withSession(({ api, handle }) => api.C_GetSessionInfo(handle).state);
    expect(state).toBe(rwUserFunctions);
    token.close();
  });

  itWithSoftHsm('is finished when an earlier set-up ended between the token and its user PIN', () => {
    const { library } = newSoftHsmToken('another');
    const { api } = openLibrary(library);
    const interrupted = 'interrupted';
    // The files of the PINs come first; this is what a process that ended after C_InitToken leaves.
    const soPin = 'the security officer';
    const blank = api
      .C_GetSlotList(false)
      .find((slot) => (api.C_GetTokenInfo(slot).flags & ckf.tokenInitialized) === 0)!;
    api.C_InitToken(blank, soPin, interrupted.padEnd(32));
    writeFileSync(`${softHsmFolder()}/${interrupted}.so-pin`, soPin, { mode: 0o600 });
    const { tokenLabel } = prepareSoftHsmToken({
      libraryPath: library.path,
      folder: softHsmFolder(),
      tokenLabel: interrupted,
    });
    expect(api.C_GetTokenInfo(findSlot(api, tokenLabel)!).flags & ckf.userPinInitialized).not.toBe(0);
  });
});
