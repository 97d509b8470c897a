/**
 * RFC 5280 §4.1.2.5: dates through 2049 are UTCTime, from 2050 on GeneralizedTime; both in UTC with seconds.
 *
 * The other type for the same instant is well-formed DER that strict verifiers refuse, so the bytes are compared with the one
 * encoding that is right.
 */
import { encodeValidityTimes } from '../pki/certificate-builder.ts';
import { equalBytes } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const validityTimeEncoding: Lint = {
  name: 'validity-time-encoding',
  citation: 'RFC 5280 §4.1.2.5',
  applies: always,
  check: ({ certificate: { tbs } }) =>
    equalBytes(tbs.validityContent, encodeValidityTimes(tbs.notBefore, tbs.notAfter))
      ? undefined
      : 'a date is encoded with the wrong time type',
};
