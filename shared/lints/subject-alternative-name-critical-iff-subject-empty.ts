/**
 * RFC 5280 §4.1.2.6 and §4.2.1.6: critical (MUST) when the subject is empty, and not (SHOULD) when it is not.
 *
 * With an empty subject it is the only identity, and a verifier that skips it would accept a certificate for nobody.
 */
import { oids } from '../pki/oids.ts';
import { hasCriticality } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const subjectAlternativeNameCriticalIffSubjectEmpty: Lint = {
  name: 'subject-alternative-name-critical-iff-subject-empty',
  citation: 'RFC 5280 §4.2.1.6',
  applies: always,
  check: ({ certificate }) => {
    const isEmpty = certificate.tbs.subject.attributes.length === 0;
    if (!hasCriticality(certificate, oids.subjectAltName, !isEmpty)) return undefined;
    return isEmpty
      ? 'the subject is empty and the subject alternative name is not critical'
      : 'the subject is not empty and the subject alternative name is critical';
  },
};
