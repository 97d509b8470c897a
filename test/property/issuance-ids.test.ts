import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idempotencyTokenOf, issuanceIdOf, parseIssuanceId, requestIdOf } from '../../shared/issuance/ids.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const digest = fc.uint8Array({ minLength: 0, maxLength: 8 }).map(sha256Hex);

describe('request ids', () => {
  it('are injective on field boundaries: moving a character from one field to the next is another id', () => {
    fc.assert(
      fc.property(text, text, digest, fc.nat(), (one, two, csr, at) => {
        const whole = [...(one + two)];
        const cut = at % (whole.length + 1);
        const moved = [whole.slice(0, cut).join(''), whole.slice(cut).join('')] as const;
        const isSame = moved[0] === one && moved[1] === two;
        expect(requestIdOf(moved[0], moved[1], csr) === requestIdOf(one, two, csr)).toBe(isSame);
      }),
      { numRuns: 500 },
    );
  });

  it('differ when any field differs, and only then', () => {
    const fields = fc.tuple(text, text, digest);
    fc.assert(
      fc.property(fields, fields, (one, other) => {
        const isSame = one.every((field, index) => field === other[index]);
        expect(requestIdOf(...one) === requestIdOf(...other)).toBe(isSame);
      }),
      { numRuns: 500 },
    );
  });

  it('with an ordinal are parsed to what they were made of', () => {
    fc.assert(
      fc.property(text, text, digest, fc.integer({ min: 1, max: 999_999_999 }), (principal, profile, csr, ordinal) => {
        const requestId = requestIdOf(principal, profile, csr);
        expect(parseIssuanceId(issuanceIdOf(requestId, ordinal))).toEqual({ requestId, ordinal });
      }),
    );
  });
});

describe('issuance ids', () => {
  it('that are read are written back the same, and arbitrary text is none', () => {
    const near = fc.stringMatching(/^[A-Za-z0-9_.-]{42,44}\.?[0-9]{0,11}$/);
    fc.assert(
      fc.property(fc.oneof(near, fc.string()), (candidate) => {
        const parsed = parseIssuanceId(candidate);
        if (parsed !== undefined) expect(issuanceIdOf(parsed.requestId, parsed.ordinal)).toBe(candidate);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['0', '01', '-1', '1e3', '1.0', '1 ', '1\n', ' 1', '', '9999999999'])('have no ordinal %j', (ordinal) => {
    expect(parseIssuanceId(`${'A'.repeat(43)}.${ordinal}`)).toBeUndefined();
  });
});

describe('idempotency tokens', () => {
  it('are within what ACM PCA takes, and differ for every issuance and intent', () => {
    const input = fc.tuple(fc.string(), fc.nat());
    fc.assert(
      fc.property(input, input, (one, other) => {
        const token = idempotencyTokenOf(...one);
        expect(token).toMatch(/^[A-Za-z0-9_-]{1,36}$/);
        const isSame = one[0] === other[0] && one[1] === other[1];
        expect(token === idempotencyTokenOf(...other)).toBe(isSame);
      }),
    );
  });
});
