/**
 * X509-SVID §4.4: when extended key usage is included, both id-kp-serverAuth and id-kp-clientAuth are set.
 *
 * A workload is client and server with one SVID. Holds whatever the profile says.
 */
import { oids } from '../pki/oids.ts';
import { decoded } from './decoded.ts';
import { type Lint, svidOnly } from './lint.ts';

export const svidExtendedKeyUsage: Lint = {
  name: 'svid-extended-key-usage',
  citation: 'X509-SVID §4.4',
  applies: svidOnly,
  check: ({ certificate }) => {
    const purposes = decoded(certificate).extendedKeyUsage;
    return purposes === undefined || (purposes.includes(oids.serverAuth) && purposes.includes(oids.clientAuth))
      ? undefined
      : 'the extended key usage of an SVID lacks serverAuth or clientAuth';
  },
};
