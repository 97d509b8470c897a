import { createPublicKey } from 'node:crypto';
import { isEd25519PublicKey } from '../../shared/pki/ed25519.ts';
import { oids } from '../../shared/pki/oids.ts';
import { bytesOf, childrenOf, rawContentOf } from './canonical.ts';
import { type Facts, hasOid } from './facts.ts';
import type { StrictnessClass } from './strictness.ts';

/** Keys that cannot be keys. The oracle takes a SubjectPublicKeyInfo for its shape; OpenSSL is asked about the key. */
export const keyClasses: readonly StrictnessClass[] = [
  {
    code: 'public-key-invalid',
    detail: 'the public key is not a point of its curve',
    clause: 'RFC 5480 §2.2, SEC 1 §3.2.2.1',
    reason: 'a signature under it proves nothing',
    holds: (facts) => isOfType(facts, oids.ecPublicKey) && (!isTakenByOpenSsl(facts) || isHybrid(facts)),
  },
  {
    code: 'public-key-invalid',
    detail: 'an RSA modulus and exponent are positive and odd',
    clause: 'RFC 8017 §3.1',
    reason: 'a product of odd primes is odd, and an exponent has an inverse',
    holds: (facts) => numbersOf(facts).some((octets) => (octets[0] ?? 0) >= 0x80 || ((octets.at(-1) ?? 0) & 1) === 0),
  },
  {
    code: 'public-key-invalid',
    detail: 'an RSA exponent is above 1',
    clause: 'RFC 8017 §3.1',
    reason: 'with an exponent of 1 anybody signs',
    holds: (facts) => unsignedOf(numbersOf(facts)[1]) === 1n,
  },
  {
    code: 'public-key-invalid',
    detail: 'an RSA exponent is below the modulus',
    clause: 'RFC 8017 §3.1',
    reason: '3 ≤ e ≤ n − 1',
    holds: (facts) => {
      const [modulus, exponent] = numbersOf(facts).map(unsignedOf);
      return modulus !== undefined && exponent !== undefined && exponent > modulus;
    },
  },
  {
    code: 'public-key-invalid',
    detail: 'an Ed25519 key is a point of large order in 32 octets',
    clause: 'RFC 8032 §5.1.3, RFC 8410 §4',
    reason: 'under a key of small order one signature holds for many messages',
    holds: (facts) =>
      isOfType(facts, oids.ed25519) && (facts.keyBits.length !== 32 || !isEd25519PublicKey(facts.keyBits)),
  },
  {
    code: 'public-key-invalid',
    detail: 'an Ed448 key has 57 octets',
    clause: 'RFC 8032 §5.2.2, RFC 8410 §4',
    reason: 'no other number of octets is a point',
    holds: (facts) => isOfType(facts, oids.ed448) && facts.keyBits.length !== 57,
  },
];

function isOfType({ spki }: Facts, dotted: string): boolean {
  const algorithm = childrenOf(spki!)?.[0];
  return algorithm !== undefined && hasOid(childrenOf(algorithm)?.[0], dotted);
}

function isTakenByOpenSsl({ spki }: Facts): boolean {
  try {
    createPublicKey({ key: Buffer.from(bytesOf(spki!)), format: 'der', type: 'spki' });
    return true;
  } catch {
    return false;
  }
}

/** SEC 1 §2.3.3 writes a point uncompressed or compressed; OpenSSL takes X9.62's hybrid form as well. */
function isHybrid({ keyBits }: Facts): boolean {
  return keyBits[0] === 0x06 || keyBits[0] === 0x07;
}

/** Content octets of the INTEGERs of an RSAPublicKey. */
function numbersOf({ values }: Facts): readonly Uint8Array[] {
  const read = values.find(({ oid }) => oid === oids.rsaEncryption)?.read;
  return read === undefined ? [] : (childrenOf(read.tree) ?? []).map(rawContentOf);
}

function unsignedOf(octets: Uint8Array | undefined): bigint | undefined {
  return octets === undefined || octets.length === 0 ? undefined : BigInt(`0x${Buffer.from(octets).toString('hex')}`);
}
