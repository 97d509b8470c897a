import { describe, expect, it } from 'vitest';
import { failureOf, Pkcs11Failure, returnValueName } from '../../shared/adapters/pkcs11/return-values.ts';
import { returnValue } from '../support/softhsm.ts';

describe('return values of PKCS #11', () => {
  it.each([
    ['CKR_DATA_LEN_RANGE', 'message'],
    ['CKR_SESSION_HANDLE_INVALID', 'session'],
    ['CKR_KEY_HANDLE_INVALID', 'session'],
    ['CKR_DEVICE_ERROR', 'device'],
    ['CKR_TOKEN_NOT_PRESENT', 'device'],
    ['CKR_FUNCTION_FAILED', 'busy'],
    ['CKR_PIN_INCORRECT', 'pin'],
    ['CKR_PIN_LOCKED', 'pin'],
    ['CKR_KEY_FUNCTION_NOT_PERMITTED', 'absent'],
  ] as const)('takes %s for a failure of kind %s', (name, kind) => {
    expect(failureOf(returnValue(name))).toMatchObject({ kind, code: name });
  });

  it('takes a value of a vendor for one that passes', () => {
    expect(failureOf(returnValue('CKR_VENDOR_DEFINED_80000001')).kind).toBe('busy');
  });

  it('passes on what is no return value, since it is a mistake of ours', () => {
    expect(() => failureOf(new TypeError('undefined is not a function'))).toThrow(TypeError);
    expect(returnValueName(new Error('CKA_LABEL'))).toBeUndefined();
  });

  it('leaves a failure as it is', () => {
    const failure = new Pkcs11Failure('absent', 'key-missing', 'there is no key');
    expect(failureOf(failure)).toBe(failure);
  });
});
