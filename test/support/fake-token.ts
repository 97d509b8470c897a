/** A PKCS #11 library in JavaScript that has one token, sessions and a login, and no keys: for what surrounds signing. */
import type { Handle, PKCS11 } from 'pkcs11js';
import { ckf } from '../../shared/adapters/pkcs11/constants.ts';
import type { Pkcs11Library } from '../../shared/adapters/pkcs11/library.ts';
import { returnValue } from './softhsm.ts';

export interface FakeToken {
  readonly open: () => Pkcs11Library;
  /** PINs given to C_Login, in order. */
  readonly pinsTried: string[];
  readonly sessions: Set<Handle>;
  /** The most sessions that were open at once. */
  sessionsOpened: number;
  /** Ends every session, as when a module restarts. */
  restart(): void;
  present: boolean;
}

export function fakeToken(label: string, pin: string): FakeToken {
  let loggedIn = false;
  let next = 1;
  const slot = Buffer.from([0]);
  const token: FakeToken = {
    open: () => ({ path: `fake ${label}`, api: api as unknown as PKCS11 }),
    pinsTried: [],
    sessions: new Set(),
    sessionsOpened: 0,
    present: true,
    restart() {
      token.sessions.clear();
      loggedIn = false;
    },
  };
  const api = {
    C_GetSlotList: () => (token.present ? [slot] : []),
    C_GetTokenInfo: () => ({ label: label.padEnd(32), flags: ckf.tokenInitialized }),
    C_OpenSession: () => {
      const session = Buffer.from([next++]);
      token.sessions.add(session);
      token.sessionsOpened = Math.max(token.sessionsOpened, token.sessions.size);
      return session;
    },
    C_CloseSession: (session: Handle) => {
      if (!token.sessions.delete(session)) throw returnValue('CKR_SESSION_HANDLE_INVALID');
      if (token.sessions.size === 0) loggedIn = false;
    },
    C_Login: (_session: Handle, _user: number, tried: string) => {
      token.pinsTried.push(tried);
      if (loggedIn) throw returnValue('CKR_USER_ALREADY_LOGGED_IN');
      if (tried !== pin) throw returnValue('CKR_PIN_INCORRECT');
      loggedIn = true;
    },
  };
  return token;
}
