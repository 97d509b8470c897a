import type { Handle, PKCS11 } from 'pkcs11js';
import { ckf, cku } from './constants.ts';
import { type LibraryOptions, openLibrary, type Pkcs11Library } from './library.ts';
import { failureOf, Pkcs11Failure, returnValueName } from './return-values.ts';

export interface TokenOptions {
  readonly library: LibraryOptions;
  readonly tokenLabel: string;
  /** Asked once a login; may throw. For CloudHSM the PIN is `user:password` of a crypto user. */
  readonly readPin: () => string;
  readonly sessionsMax?: number;
  /** Stands between this code and the library in tests. */
  readonly openLibrary?: (options: LibraryOptions) => Pkcs11Library;
}

/** Sessions open at once on one token. RSA signatures gain up to four; one more is for evidence. */
const sessionsMaxDefault = 5;

/**
 * A session that its holder has to itself: PKCS #11 allows one operation a session at a time. Handles of objects are
 * good for sessions of the same generation.
 */
export interface Session {
  readonly api: PKCS11;
  readonly slot: Handle;
  readonly handle: Handle;
  readonly generation: number;
}

/** A token with one login and a bounded pool of sessions. */
export interface Token {
  /**
   * Runs `work` with a session, waiting for one when all are taken. A failure that new sessions may mend (`session`,
   * `device`) ends this generation: the next call opens sessions and logs in anew. Throws Pkcs11Failure.
   */
  withSession<T>(work: (session: Session) => Promise<T> | T): Promise<T>;
  /** Closes what is idle. The login of the process ends with its last session. */
  close(): void;
}

/**
 * PINs that were refused in this process, by library and token. A wrong PIN is tried once and never again: tokens lock
 * after a few tries, and then their CA is lost until the security officer comes.
 */
const refusedPins = new Map<string, string>();

/** Slot of the token with a label. Read at each use of it: after C_InitToken and after a reconnection it may be another. */
export function findSlot(api: PKCS11, tokenLabel: string): Handle | undefined {
  const slots = api.C_GetSlotList(true).filter((slot) => {
    try {
      const info = api.C_GetTokenInfo(slot);
      return (info.flags & ckf.tokenInitialized) !== 0 && trimmed(info.label) === tokenLabel;
    } catch (error) {
      // A token that is being taken out is none.
      if (returnValueName(error) === undefined) throw error;
      return false;
    }
  });
  if (slots.length > 1) {
    throw new Pkcs11Failure('absent', 'token-ambiguous', `${slots.length} tokens have the label ${tokenLabel}`);
  }
  return slots[0];
}

/** Fixed-length fields of PKCS #11 are padded with blanks; some modules pad with NUL. */
export function trimmed(text: string): string {
  return text.replace(/[\0 ]+$/, '');
}

function logIn(api: PKCS11, session: Handle, options: TokenOptions): void {
  const pinKey = `${options.library.path}\0${options.tokenLabel}`;
  const refused = refusedPins.get(pinKey);
  if (refused !== undefined) {
    throw new Pkcs11Failure(
      'pin',
      refused,
      `the PIN of token ${options.tokenLabel} was refused (${refused}); it is not tried again`,
    );
  }
  let pin: string;
  try {
    pin = options.readPin();
  } catch (cause) {
    throw new Pkcs11Failure('absent', 'pin-missing', `the PIN of token ${options.tokenLabel} cannot be read`, cause);
  }
  try {
    api.C_Login(session, cku.user, pin);
  } catch (error) {
    // The login is the process's: another session of it may have made it already.
    if (returnValueName(error) === 'CKR_USER_ALREADY_LOGGED_IN') return;
    const failure = failureOf(error);
    if (failure.kind === 'pin') refusedPins.set(pinKey, failure.code);
    throw failure;
  }
}

function closeQuietly(api: PKCS11, session: Handle): void {
  try {
    api.C_CloseSession(session);
  } catch (error) {
    if (returnValueName(error) === undefined) throw error;
  }
}

/** Opens nothing yet: the first use does. */
export function openToken(options: TokenOptions): Token {
  const sessionsMax = options.sessionsMax ?? sessionsMaxDefault;
  const open = options.openLibrary ?? openLibrary;
  const idle: Session[] = [];
  const waiting: (() => void)[] = [];
  let taken = 0;
  let generation = 1;
  let loggedIn = 0;

  function openSession(): Session {
    const { api } = open(options.library);
    const slot = findSlot(api, options.tokenLabel);
    if (slot === undefined) {
      throw new Pkcs11Failure('device', 'token-missing', `there is no token with the label ${options.tokenLabel}`);
    }
    // Read-only sessions and notification callbacks are not there on CloudHSM; pkcs11js passes no callback.
    const handle = api.C_OpenSession(slot, ckf.serialSession | ckf.rwSession);
    try {
      if (loggedIn !== generation) logIn(api, handle, options);
    } catch (error) {
      closeQuietly(api, handle);
      throw error;
    }
    loggedIn = generation;
    return { api, slot, handle, generation };
  }

  function endGeneration(ended: number): void {
    if (ended !== generation) return;
    generation += 1;
    for (const { api, handle } of idle.splice(0)) closeQuietly(api, handle);
  }

  function giveBack(session: Session): void {
    // Of an earlier generation: nobody else may have closed it while a call on it was under way.
    if (session.generation === generation) idle.push(session);
    else closeQuietly(session.api, session.handle);
  }

  return {
    async withSession(work) {
      while (taken >= sessionsMax) await new Promise<void>((resolve) => waiting.push(resolve));
      taken += 1;
      const started = generation;
      let session: Session | undefined;
      try {
        session = idle.pop() ?? openSession();
        return await work(session);
      } catch (error) {
        const failure = failureOf(error);
        if (failure.kind === 'session' || failure.kind === 'device') endGeneration(started);
        throw failure;
      } finally {
        taken -= 1;
        if (session !== undefined) giveBack(session);
        waiting.shift()?.();
      }
    },
    close() {
      endGeneration(generation);
    },
  };
}
