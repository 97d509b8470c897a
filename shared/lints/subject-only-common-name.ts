/**
 * Profile (device, service): the subject is empty or one common name.
 *
 * Everything else a request writes there, an organisation or a serial number, is a claim that nobody has checked.
 */
import { oids } from '../pki/oids.ts';
import { type Lint, tlsOnly } from './lint.ts';

export const subjectOnlyCommonName: Lint = {
  name: 'subject-only-common-name',
  citation: 'docs/certificate-profiles.md, subject',
  applies: tlsOnly,
  check: ({ certificate }) =>
    certificate.tbs.subject.attributes.every(({ type }) => type === oids.commonName)
      ? undefined
      : 'the subject holds an attribute other than the common name',
};
