/**
 * RFC 5280 §4.2.1.12, X509-SVID §4.4: a leaf says for which protocols it is good.
 *
 * An absent extension allows code signing and the rest to verifiers that do not ask further.
 */
import { oids } from '../pki/oids.ts';
import { hasExtension } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const extendedKeyUsagePresent: Lint = {
  name: 'extended-key-usage-present',
  citation: 'RFC 5280 §4.2.1.12',
  applies: always,
  check: ({ certificate }) =>
    hasExtension(certificate, oids.extendedKeyUsage) ? undefined : 'extended key usage is absent',
};
