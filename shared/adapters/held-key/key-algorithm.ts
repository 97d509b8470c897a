import type { CaKeyAlgorithm } from '../../hierarchy/hierarchy.ts';
import type { SubjectPublicKey } from '../../pki/public-key.ts';

const names: Readonly<Record<string, CaKeyAlgorithm>> = {
  'P-256': 'EC_prime256v1',
  'P-384': 'EC_secp384r1',
  'P-521': 'EC_secp521r1',
  'RSA-2048': 'RSA_2048',
  'RSA-3072': 'RSA_3072',
  'RSA-4096': 'RSA_4096',
};

/** A key by the names of the hierarchy (those of the ACM PCA API); one that no CA has, by its own. */
export function caKeyAlgorithmOf(publicKey: SubjectPublicKey): string {
  return names[publicKey.keyType] ?? publicKey.keyType;
}
