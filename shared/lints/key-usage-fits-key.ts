/**
 * RFC 8813 §3 (EC), RFC 9295 §3 (Ed25519), RFC 3279 §2.3.1 (RSA): usages that the key's algorithm cannot serve are not set.
 *
 * EC and Ed25519 keys encipher nothing, RSA and Ed25519 keys agree on nothing. ACM PCA's plain template sets keyEncipherment
 * whatever the key.
 */
import type { KeyUsageName } from '../pki/certification-request.ts';
import { decoded } from './decoded.ts';
import { always, type Lint } from './lint.ts';

const unfit: Readonly<Record<string, readonly KeyUsageName[]>> = {
  ec: ['keyEncipherment', 'dataEncipherment'],
  ed25519: ['keyEncipherment', 'dataEncipherment', 'keyAgreement', 'encipherOnly', 'decipherOnly'],
  rsa: ['keyAgreement', 'encipherOnly', 'decipherOnly'],
};

export const keyUsageFitsKey: Lint = {
  name: 'key-usage-fits-key',
  citation: 'RFC 8813 §3, RFC 9295 §3, RFC 3279 §2.3.1',
  applies: always,
  check: ({ certificate }) => {
    const refused = unfit[certificate.tbs.publicKey.info.kind];
    const fault = decoded(certificate).keyUsage?.find((usage) => refused?.includes(usage));
    return fault === undefined ? undefined : `${fault} is not for a key of this algorithm`;
  },
};
