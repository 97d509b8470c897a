/**
 * Generations of one CA: the file describes the newest, and the older ones live on in the registry until their last
 * certificate has ended. What the file says of the key, its algorithms and where it lives is said of the newest only.
 */
import { type Authority, type CaKeyAlgorithm, custodyModelOf } from '../hierarchy/hierarchy.ts';
import type { CaSigningAlgorithm } from '../pki/signature-algorithm.ts';
import type { IssuingAuthority } from './authority-directory.ts';

const byKeyType: Readonly<Record<string, readonly [CaKeyAlgorithm, CaSigningAlgorithm]>> = {
  'P-256': ['EC_prime256v1', 'SHA256WITHECDSA'],
  'P-384': ['EC_secp384r1', 'SHA384WITHECDSA'],
  'P-521': ['EC_secp521r1', 'SHA512WITHECDSA'],
  'RSA-2048': ['RSA_2048', 'SHA256WITHRSA'],
  'RSA-3072': ['RSA_3072', 'SHA256WITHRSA'],
  'RSA-4096': ['RSA_4096', 'SHA256WITHRSA'],
};

/**
 * The description of the generation that is installed as `issuer`. Of an older one than the file's, key and backend are as
 * they are installed, and it signs with the algorithm that fits its key where the newest has another kind of key.
 */
export function generationOf(authority: Authority, issuer: IssuingAuthority): Authority {
  if (issuer.generation === authority.generation) return authority;
  const { keyType } = issuer.certificate.tbs.publicKey;
  const [keyAlgorithm, fitting] = byKeyType[keyType] ?? [authority.keyAlgorithm, authority.signingAlgorithm];
  const signingAlgorithm = keyAlgorithm === authority.keyAlgorithm ? authority.signingAlgorithm : fitting;
  const { backend, generation } = issuer;
  const custody = { ...authority.custody, model: custodyModelOf[backend] };
  return { ...authority, generation, backend, keyAlgorithm, signingAlgorithm, custody };
}
