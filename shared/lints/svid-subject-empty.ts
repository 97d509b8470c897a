/**
 * Profile (svid): the subject is empty. X509-SVID §3.1 does not require one.
 *
 * The SPIFFE ID is the whole identity; text beside it would be read as another.
 */
import { type Lint, svidOnly } from './lint.ts';

export const svidSubjectEmpty: Lint = {
  name: 'svid-subject-empty',
  citation: 'X509-SVID §3.1',
  applies: svidOnly,
  check: ({ certificate }) =>
    certificate.tbs.subject.attributes.length === 0 ? undefined : 'the subject of an SVID is not empty',
};
