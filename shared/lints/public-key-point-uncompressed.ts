/**
 * RFC 5480 §2.2: implementations MUST support the uncompressed form of a point and MAY the compressed one.
 *
 * A compressed key fails in devices that took the MAY at its word, and hashes to another key digest than its twin.
 */
import { always, type Lint } from './lint.ts';

export const publicKeyPointUncompressed: Lint = {
  name: 'public-key-point-uncompressed',
  citation: 'RFC 5480 §2.2',
  applies: always,
  check: ({ certificate }) => {
    const { info } = certificate.tbs.publicKey;
    return info.kind === 'ec' && info.point === 'compressed' ? "the subject's key is a compressed point" : undefined;
  },
};
