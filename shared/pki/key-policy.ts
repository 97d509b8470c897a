import type { PublicKeyInfo, SubjectPublicKey } from './public-key.ts';
import { hasRocaFingerprint } from './roca.ts';
import { type SignatureAlgorithm, signatureAlgorithmName } from './signature-algorithm.ts';

/** Why a key or the signature of a request is refused whatever the profile says; `field` names its place. */
export interface KeyFault {
  readonly code:
    | 'key-too-small'
    | 'key-too-large'
    | 'rsa-exponent-too-small'
    | 'rsa-roca'
    | 'ec-explicit-parameters'
    | 'ec-point-compressed'
    | 'key-type-not-allowed'
    | 'signature-algorithm-not-allowed';
  readonly field: string;
  readonly message: string;
  readonly reference: string;
}

/** Smaller is under 112 bits of security (NIST SP 800-57 part 1, table 2). */
export const rsaModulusBitsMin = 2_048;
/** A verifier's cost grows with the square of the size; profiles list nothing larger. */
export const rsaModulusBitsMax = 4_096;
/** FIPS 186-5 appendix A.1.1: 2^16 < e. */
export const rsaExponentMin = 65_537n;
/** OpenSSL's bound for large moduli, kept for all: verification time grows with the exponent's length. */
export const rsaExponentBitsMax = 64;

const allowedCurves: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521']);

/**
 * The absolute rules for the key and the self-signature of a request: every fault, [] when there is none. Profiles
 * narrow further. Judged before proof of possession, so nothing here does arithmetic that grows with the key.
 */
export function evaluateKey(publicKey: SubjectPublicKey, signature: SignatureAlgorithm): readonly KeyFault[] {
  return [...evaluatePublicKey(publicKey.info, publicKey.keyType), ...evaluateSignature(signature)];
}

function evaluatePublicKey(info: PublicKeyInfo, keyType: string): readonly KeyFault[] {
  switch (info.kind) {
    case 'ec':
      if (!allowedCurves.has(info.curve)) return [keyTypeFault(keyType)];
      return info.point === 'compressed' ? [compressedPointFault] : [];
    case 'ec-explicit':
      return [explicitParametersFault];
    case 'rsa':
      return evaluateRsa(info.modulusBits, info.exponent, info.modulus);
    case 'ed25519':
      return [];
    case 'rsa-pss':
    case 'ed448':
    case 'unknown':
      return [keyTypeFault(keyType)];
    default:
      return assertNever(info);
  }
}

const compressedPointFault: KeyFault = {
  code: 'ec-point-compressed',
  field: 'subjectPublicKeyInfo',
  message: 'the elliptic-curve point is compressed; the uncompressed form is asked for',
  reference: 'RFC 5480 §2.2',
};

const explicitParametersFault: KeyFault = {
  code: 'ec-explicit-parameters',
  field: 'subjectPublicKeyInfo.algorithm.parameters',
  message: 'the curve is given by explicit parameters; a named curve is asked for',
  reference: 'RFC 5480 §2.1.1',
};

function keyTypeFault(keyType: string): KeyFault {
  return {
    code: 'key-type-not-allowed',
    field: 'subjectPublicKeyInfo.algorithm',
    message: `keys of type ${keyType} are not allowed; P-256, P-384, P-521, RSA and Ed25519 are`,
    reference: 'NIST SP 800-186, FIPS 186-5',
  };
}

function evaluateRsa(modulusBits: number, exponent: bigint, modulus: Uint8Array): readonly KeyFault[] {
  const faults: KeyFault[] = [];
  if (modulusBits < rsaModulusBitsMin) {
    faults.push(rsaFault('key-too-small', 'modulus', 'the RSA modulus has fewer than 2048 bits', 'NIST SP 800-131A'));
  }
  if (modulusBits > rsaModulusBitsMax) {
    faults.push(rsaFault('key-too-large', 'modulus', 'the RSA modulus has more than 4096 bits', 'FIPS 186-5 §5.1'));
  }
  if (exponent < rsaExponentMin) {
    const message = 'the RSA public exponent is below 65537';
    faults.push(rsaFault('rsa-exponent-too-small', 'publicExponent', message, 'FIPS 186-5 A.1.1'));
  }
  if (exponent >> BigInt(rsaExponentBitsMax) !== 0n) {
    const message = 'the RSA public exponent has more than 64 bits';
    faults.push(rsaFault('key-too-large', 'publicExponent', message, 'FIPS 186-5 A.1.1'));
  }
  if (modulusBits <= rsaModulusBitsMax && hasRocaFingerprint(modulus)) {
    const message = 'the RSA modulus has the fingerprint of the vulnerable Infineon key generator';
    faults.push(rsaFault('rsa-roca', 'modulus', message, 'CVE-2017-15361'));
  }
  return faults;
}

function rsaFault(code: KeyFault['code'], part: string, message: string, reference: string): KeyFault {
  return { code, field: `subjectPublicKeyInfo.subjectPublicKey.${part}`, message, reference };
}

// The self-signature proves possession, so it must not be forgeable from an earlier one by a collision. An Ed448
// signature belongs to a key that is refused already.
function evaluateSignature(signature: SignatureAlgorithm): readonly KeyFault[] {
  if (signature.kind === 'ed25519' || signature.kind === 'ed448') return [];
  const hash = signature.kind === 'unknown' ? undefined : signature.hash;
  if (hash === 'sha256' || hash === 'sha384' || hash === 'sha512') return [];
  return [
    {
      code: 'signature-algorithm-not-allowed',
      field: 'signatureAlgorithm',
      message: `${signatureAlgorithmName(signature)} is not allowed; SHA-256, SHA-384, SHA-512 and Ed25519 are`,
      reference: 'NIST SP 800-131A §3',
    },
  ];
}

function assertNever(value: never): never {
  throw new TypeError(`unexpected kind of key: ${String(value)}`);
}
