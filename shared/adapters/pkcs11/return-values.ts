/**
 * What a PKCS #11 return value (CKR_*) means for a signature that was asked for. A call that failed may have signed all
 * the same (the answer was lost with the connection); a repetition signs the same bytes, so that is harmless here.
 */

/**
 * - `message`: this input will never be signed; the next one may be.
 * - `session`: the session or a handle is no longer valid, as after a process was frozen: reviving it helps.
 * - `device`: the token or its module is not there, or ailing: reviving may help, else the CA is unavailable.
 * - `busy`: passes by itself. CloudHSM says "busy" with CKR_FUNCTION_FAILED (AWS, CloudHSM PKCS #11 known issues).
 * - `pin`: the credential is wrong or used up. Never tried again: three wrong tries lock a token, and its CA with it.
 * - `absent`: the library, the token or the key is not there at all.
 */
export type FailureKind = 'message' | 'session' | 'device' | 'busy' | 'pin' | 'absent';

const kinds: Readonly<Record<string, FailureKind>> = {
  CKR_ARGUMENTS_BAD: 'message',
  CKR_DATA_INVALID: 'message',
  CKR_DATA_LEN_RANGE: 'message',

  CKR_SESSION_HANDLE_INVALID: 'session',
  CKR_SESSION_CLOSED: 'session',
  CKR_USER_NOT_LOGGED_IN: 'session',
  CKR_KEY_HANDLE_INVALID: 'session',
  CKR_OBJECT_HANDLE_INVALID: 'session',
  CKR_OPERATION_ACTIVE: 'session',
  CKR_OPERATION_NOT_INITIALIZED: 'session',
  CKR_FUNCTION_CANCELED: 'session',

  CKR_DEVICE_ERROR: 'device',
  CKR_DEVICE_MEMORY: 'device',
  CKR_DEVICE_REMOVED: 'device',
  CKR_TOKEN_NOT_PRESENT: 'device',
  CKR_TOKEN_NOT_RECOGNIZED: 'device',
  CKR_SLOT_ID_INVALID: 'device',
  CKR_CRYPTOKI_NOT_INITIALIZED: 'device',
  CKR_GENERAL_ERROR: 'device',

  CKR_FUNCTION_FAILED: 'busy',
  CKR_SESSION_COUNT: 'busy',
  CKR_HOST_MEMORY: 'busy',
  CKR_USER_ANOTHER_ALREADY_LOGGED_IN: 'busy',

  CKR_PIN_INCORRECT: 'pin',
  CKR_PIN_INVALID: 'pin',
  CKR_PIN_LEN_RANGE: 'pin',
  CKR_PIN_EXPIRED: 'pin',
  CKR_PIN_LOCKED: 'pin',
  CKR_USER_PIN_NOT_INITIALIZED: 'pin',

  // The key or the token cannot do what a CA needs: no input will change that.
  CKR_KEY_FUNCTION_NOT_PERMITTED: 'absent',
  CKR_KEY_TYPE_INCONSISTENT: 'absent',
  CKR_MECHANISM_INVALID: 'absent',
  CKR_FUNCTION_NOT_SUPPORTED: 'absent',
};

/** A failure of the token or on the way to it. `code` is the CKR name or one of ours in the same manner. */
export class Pkcs11Failure extends Error {
  readonly kind: FailureKind;
  readonly code: string;

  constructor(kind: FailureKind, code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Pkcs11Failure';
    this.kind = kind;
    this.code = code;
  }
}

/** The CKR name of an error that pkcs11js threw, or undefined when it is none. */
export function returnValueName(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return /^CKR_[A-Z0-9_]+/.exec(error.message)?.[0];
}

/** Reads an error as a failure. What is no PKCS #11 return value is a mistake of ours and is thrown on. */
export function failureOf(error: unknown): Pkcs11Failure {
  if (error instanceof Pkcs11Failure) return error;
  const code = returnValueName(error);
  if (code === undefined) throw error;
  // A value that this table does not know may be anything: like busy, it is worth another try later, and no more.
  return new Pkcs11Failure(kinds[code] ?? 'busy', code, `the PKCS #11 library answered ${code}`, error);
}
