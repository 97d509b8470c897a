/**
 * Profile: no name stands twice in the subject alternative name.
 *
 * Names are held and counted; a name that is there twice says that something was put together carelessly. DNS names are
 * compared without case (RFC 4343).
 */
import { nameKey } from '../pki/names.ts';
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

export const namesNoDuplicate: Lint = {
  name: 'names-no-duplicate',
  citation: 'docs/certificate-profiles.md, names',
  applies: always,
  check: ({ certificate }) => {
    const { names } = decoded(certificate);
    return names === undefined || names.length < 2 || new Set(names.map(nameKey)).size === names.length
      ? undefined
      : 'a name stands twice';
  },
};
