import { describe, expect, it } from 'vitest';
import { type CertificationRequest, parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { hexOf } from '../../shared/pki/der/reader.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import { namesOf, readByOracle, summaryOf } from '../fuzz/oracle.ts';
import { sampleDer, sampleManifest } from '../support/certification-requests.ts';

/** mulberry32: small, seeded, the same everywhere. Returns integers below `bound`. */
function seededRandom(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

const parsable = sampleManifest
  .map(({ file }) => file)
  .filter(
    (file) => !file.startsWith('broken-') || file === 'broken-signature.csr' || file === 'broken-subject-changed.csr',
  );
const small = parsable.filter((file) => !file.includes('1500') && !file.includes('rsa')).map((file) => sampleDer(file));

function accepted(der: Uint8Array): CertificationRequest | undefined {
  try {
    return parseCertificationRequest(der);
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

type Mutation = (der: Uint8Array, random: (bound: number) => number) => Uint8Array;

// Of these no request is left well-formed, as the outermost length is wrong. Other mutations are test/fuzz's.
const ofLength: Readonly<Record<string, Mutation>> = {
  'a cut': (der, random) => der.slice(0, random(der.length)),
  'octets put in': (der, random) => {
    const at = random(der.length + 1);
    const octets = Array.from({ length: 1 + random(3) }, () => random(256));
    return Uint8Array.of(...der.subarray(0, at), ...octets, ...der.subarray(at));
  },
  'an octet taken out': (der, random) => {
    const at = random(der.length);
    return Uint8Array.of(...der.subarray(0, at), ...der.subarray(at + 1));
  },
};

describe('the request parser beside @peculiar/asn1-csr', () => {
  it.each(parsable)('reads %s alike', (file) => {
    const der = sampleDer(file);
    const request = parseCertificationRequest(der);
    const oracle = readByOracle(der);
    expect(summaryOf(request)).toEqual(oracle?.summary);
    expect(namesOf(request)).toEqual(oracle?.names() ?? []);
  });

  it.each(Object.entries(ofLength))('accepts nothing at all after %s, 2,000 times', (name, mutate) => {
    const random = seededRandom(name.length * 104_729);
    for (let count = 0; count < 2_000; count++) {
      expect(accepted(mutate(small[count % small.length]!, random))).toBeUndefined();
    }
  });
});

describe('the request parser', () => {
  it('refuses every proper prefix of a request', () => {
    for (const der of small.slice(0, 6)) {
      for (let length = 0; length < der.length; length++) {
        expect(accepted(der.subarray(0, length))).toBeUndefined();
      }
    }
  });

  it('does not write to what it reads', () => {
    for (const der of small) {
      const before = hexOf(der);
      parseCertificationRequest(der);
      expect(hexOf(der)).toBe(before);
    }
  });
});
