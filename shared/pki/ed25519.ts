import { unsignedInteger } from './der/reader.ts';

const fieldPrime = 2n ** 255n - 19n;

const orderEightY = 0x05fc536d_880238b1_3933c6d3_05acdfd5_f098eff2_89f4c345_b027b2c2_8f95e826n;

// y of the eight points whose order divides the cofactor: of order 4, 1, 2 and, twice two, 8. A signature under such a
// key verifies for messages nobody signed wherever the verifier does not look for these points (RFC 8032 §5.1.7 does
// not ask it to), so the key identifies nobody.
const smallOrderY: ReadonlySet<bigint> = new Set([0n, 1n, fieldPrime - 1n, orderEightY, fieldPrime - orderEightY]);

/**
 * Whether 32 octets are a usable Ed25519 public key (RFC 8032 §5.1.3): y below the field prime, so one encoding a
 * point, and no point of small order. Whether x exists is left to the signature verification, which fails if not.
 */
export function isEd25519PublicKey(octets: Uint8Array): boolean {
  if (octets.length !== 32) return false;
  const bigEndian = Uint8Array.from(octets).reverse();
  bigEndian[0] = bigEndian[0]! & 0x7f; // the sign of x
  const y = unsignedInteger(bigEndian);
  return y < fieldPrime && !smallOrderY.has(y);
}
