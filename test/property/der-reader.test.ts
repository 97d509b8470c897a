import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import {
  isAtEnd,
  openDer,
  readElement,
  readInteger,
  readOid,
  readSequence,
  readString,
  scanDer,
} from '../../shared/pki/der/reader.ts';
import {
  bitString,
  explicit,
  implicit,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  set,
  utf8String,
} from '../../shared/pki/der/writer.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import { parseGeneralNames, parseName } from '../../shared/pki/names.ts';
import { decodeCertificationRequestBody } from '../../shared/pki/pem.ts';
import { parseSubjectPublicKey } from '../../shared/pki/public-key.ts';
import { isEcdsaSignature, parseSignatureAlgorithm } from '../../shared/pki/signature-algorithm.ts';
import { malformedBy } from '../support/certification-requests.ts';

const limits = { bytesMax: 4_096, depthMax: 8, elementsMax: 64 };

// Bytes that look like DER more often than chance would have it: known tags, short lengths, some canonical elements.
const derLikeBytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(0x30, 0x31, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x1e, 0xa0, 0x82, 0x80),
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 255 }),
    ),
    { maxLength: 96 },
  )
  .map((octets) => Uint8Array.from(octets));

const { value: derValue } = fc.letrec<{ value: Uint8Array }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(integer),
    fc.uint8Array({ maxLength: 200 }).map((octets) => octetString(octets)),
    fc.uint8Array({ maxLength: 20 }).map((octets) => bitString(octets)),
    fc
      .string({ unit: 'binary', maxLength: 40 })
      .filter((text) => text.isWellFormed())
      .map(utf8String),
    fc.array(fc.nat(), { maxLength: 6 }).map((arcs) => oid(['2', '5', ...arcs].join('.'))),
    fc.constant(nullValue()),
    fc.uint8Array({ maxLength: 9 }).map((octets) => implicit(2, octets)),
    fc.array(tie('value'), { maxLength: 4 }).map((parts) => sequence(...parts)),
    fc.array(tie('value'), { maxLength: 4 }).map((parts) => set(...parts)),
    tie('value').map((part) => explicit(0, part)),
  ),
}));

const readers: readonly [string, (bytes: Uint8Array) => unknown][] = [
  ['DER reader', (bytes) => openDer(bytes)],
  ['name parser', parseName],
  ['general-names parser', parseGeneralNames],
  ['public-key parser', parseSubjectPublicKey],
  ['signature-algorithm parser', parseSignatureAlgorithm],
  ['ECDSA signature check', (bytes) => isEcdsaSignature(bytes, 32)],
  ['certification-request parser', parseCertificationRequest],
  ['body decoder', decodeCertificationRequestBody],
];

describe.each(readers)('%s', (_name, read) => {
  it('is total on arbitrary bytes: returns or throws MalformedError', () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), derLikeBytes, derValue);
    fc.assert(
      fc.property(bytes, (input) => {
        malformedBy(() => read(input));
      }),
      { numRuns: 1_500, seed: 20_250_101 },
    );
  });

  it('is total on sound DER with one octet changed', () => {
    fc.assert(
      fc.property(derValue, fc.nat(), fc.integer({ min: 1, max: 255 }), (der, at, change) => {
        const input = Uint8Array.from(der);
        input[at % input.length] = input[at % input.length]! ^ change;
        malformedBy(() => read(input));
      }),
      { numRuns: 1_000, seed: 20_250_102 },
    );
  });
});

describe('the DER scan', () => {
  it('accepts what the writer writes', () => {
    fc.assert(
      fc.property(derValue, (der) => malformedBy(() => openDer(der)) === undefined),
      { numRuns: 1_000, seed: 20_250_103 },
    );
  });

  it('accepts no proper prefix of a value, and no value with an octet more', () => {
    fc.assert(
      fc.property(derValue, fc.nat(), fc.nat(255), (der, cut, more) => {
        expect(malformedBy(() => openDer(der.subarray(0, cut % der.length)))).toBeInstanceOf(MalformedError);
        expect(malformedBy(() => openDer(Uint8Array.of(...der, more)))?.code).toBe('der-trailing-bytes');
      }),
      { numRuns: 500, seed: 20_250_104 },
    );
  });

  it('never accepts more than its limits', () => {
    fc.assert(
      fc.property(derValue, (der) => {
        if (malformedBy(() => scanDer(der, limits)) !== undefined) return;
        const { depth, elements } = measure(der);
        expect(depth).toBeLessThanOrEqual(limits.depthMax);
        expect(elements).toBeLessThanOrEqual(limits.elementsMax);
        expect(der.length).toBeLessThanOrEqual(limits.bytesMax);
      }),
      { numRuns: 1_000, seed: 20_250_105 },
    );
  });
});

// Counted apart from the scan, over values known to be sound.
function measure(der: Uint8Array): { readonly depth: number; readonly elements: number } {
  const isConstructed = (der[0]! & 0x20) !== 0;
  if (!isConstructed) return { depth: 1, elements: 1 };
  const cursor = openDer(der, { bytesMax: 65_536, depthMax: 100, elementsMax: 100_000 });
  const inner = readElement(cursor);
  const headerBytes = inner[1]! < 0x80 ? 2 : 2 + (inner[1]! & 0x7f);
  let depth = 1;
  let elements = 1;
  const content = { bytes: inner, at: headerBytes, end: inner.length };
  while (!isAtEnd(content)) {
    const child = measure(readElement(content));
    depth = Math.max(depth, child.depth + 1);
    elements += child.elements;
  }
  return { depth, elements };
}

describe('the cursor', () => {
  it('reads back what the writer wrote', () => {
    const fields = fc.tuple(
      fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n }),
      fc.array(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), { maxLength: 4 }),
      fc.string({ unit: 'binary', maxLength: 120 }).filter((text) => text.isWellFormed()),
    );
    fc.assert(
      fc.property(fields, ([number, arcs, text]) => {
        const dotted = ['1.3', ...arcs].join('.');
        const cursor = readSequence(openDer(sequence(integer(number), oid(dotted), utf8String(text))));
        expect([readInteger(cursor), readOid(cursor), readString(cursor), isAtEnd(cursor)]).toEqual([
          number,
          dotted,
          text,
          true,
        ]);
      }),
      { numRuns: 1_000, seed: 20_250_106 },
    );
  });
});
