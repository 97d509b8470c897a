/**
 * RFC 5480 §2.1.1, RFC 8410 §3: the subject's key is RSA, EC on P-256, P-384 or P-521 by name, or Ed25519.
 *
 * Verifiers agree on these. Explicit curve parameters let a key be its own curve (CVE-2020-0601).
 */
import { always, type Lint } from './lint.ts';

const curves: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521']);

export const publicKeyTypeAllowed: Lint = {
  name: 'public-key-type-allowed',
  citation: 'RFC 5480 §2.1.1',
  applies: always,
  check: ({ certificate }) => {
    const { info } = certificate.tbs.publicKey;
    const allowed = info.kind === 'rsa' || info.kind === 'ed25519' || (info.kind === 'ec' && curves.has(info.curve));
    return allowed ? undefined : "the type of the subject's key is not allowed";
  },
};
