// Nemec, Sys, Svenda, Klinec, Matyas: "The Return of Coppersmith's Attack", ACM CCS 2017 (CVE-2017-15361). The Infineon
// library makes primes of the form k·M + (65537^a mod M), M the product of the first primes, so its moduli are powers of
// 65537 modulo every one of them. 3 to 167 are the primes of M for the smallest keys and divide M for all sizes; the
// list is that of the authors' detection tool. A random modulus passes all of them once in 2^28.
const primes = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
] as const;

interface Fingerprint {
  readonly prime: number;
  /** 1 at each residue that is a power of 65537. */
  readonly powers: Uint8Array;
}

// Most selective first: a sound modulus is out after two or three of them.
const fingerprints: readonly Fingerprint[] = primes
  .map((prime) => ({ prime, powers: powersOf65537(prime) }))
  .sort((a, b) => density(a) - density(b));

function powersOf65537(prime: number): Uint8Array {
  const powers = new Uint8Array(prime);
  for (let power = 1; powers[power] === 0; power = (power * 65_537) % prime) powers[power] = 1;
  return powers;
}

function density({ prime, powers }: Fingerprint): number {
  return powers.reduce((sum, bit) => sum + bit, 0) / prime;
}

/** Whether an RSA modulus (unsigned big-endian) has the fingerprint of the Infineon library of CVE-2017-15361. */
export function hasRocaFingerprint(modulus: Uint8Array): boolean {
  return fingerprints.every(({ prime, powers }) => powers[remainder(modulus, prime)] === 1);
}

function remainder(unsigned: Uint8Array, divisor: number): number {
  let rest = 0;
  for (let index = 0; index < unsigned.length; index++) rest = (rest * 256 + unsigned[index]!) % divisor;
  return rest;
}
