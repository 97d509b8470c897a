import { describe, expect, it } from 'vitest';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { tags } from '../../shared/pki/der/reader.ts';
import {
  bitString,
  implicitConstructed,
  integer,
  oid,
  sequence,
  set,
  utf8String,
} from '../../shared/pki/der/writer.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import { sampleDer } from '../support/certification-requests.ts';
import { cloneElement, encodeElement, parseElement } from './elements.ts';
import { createEngine } from './engine.ts';
import { emptyPart, type Part } from './findings.ts';
import { makeInput } from './inputs.ts';
import { judge, type Parse } from './judge.ts';
import { createMaterial } from './material.ts';
import { strictnessClasses } from './strictness.ts';

function runWith(inputs: number, parse?: Parse): Part {
  const engine = createEngine(7, parse);
  const part = emptyPart();
  for (let index = 0; index < inputs; index++) engine.run(index, part);
  return part;
}

/** Takes a request with bytes behind it. */
const careless: Parse = (der) => {
  const length =
    der.length > 4 && der[0] === tags.sequence && der[1] === 0x82 ? 4 + der[2]! * 256 + der[3]! : der.length;
  return parseCertificationRequest(der.subarray(0, length));
};

/** Swaps what two fields are. */
const confused: Parse = (der) => {
  const request = parseCertificationRequest(der);
  return { ...request, signature: request.info };
};

/** Says of sound requests that they break a rule. */
const tooStrict: Parse = (der) => {
  const request = parseCertificationRequest(der);
  if (request.extensions.some(({ critical }) => critical))
    throw new MalformedError('der-malformed', 'an extension stands twice');
  return request;
};

const crashing: Parse = (der) => {
  if (der[der.length - 1] === 0) throw new TypeError('not a function');
  return parseCertificationRequest(der);
};

describe('fuzzing the request parser', () => {
  it('finds no crash and no unexplained disagreement in 3,000 inputs, of which many are accepted', () => {
    const { findings, kinds, reasons } = runWith(3_000);
    expect(findings.map(({ index, reason }) => `${index}: ${reason}`)).toEqual([]);
    expect(reasons).toEqual({});
    expect(kinds.accepted).toBeGreaterThan(500);
    expect(kinds.stricter).toBeGreaterThan(500);
    expect(kinds['refused-by-both']).toBeGreaterThan(500);
  });

  it.each<[string, Parse, RegExp]>([
    ['takes bytes behind a request', careless, /^accepted, /],
    ['takes one field for another', confused, /^accepted, with another signature$/],
    ['refuses by a rule that is not broken', tooStrict, /^refused for a rule that the oracle's tree does not break/],
    ['throws what is no MalformedError', crashing, /^TypeError/],
    ['writes to its input', writing, /^the parser wrote to its input$/],
  ])('finds a parser that %s', (_fault, parse, reason) => {
    const { findings } = runWith(500, parse);
    expect(findings.map((one) => one.reason)).toContainEqual(expect.stringMatching(reason));
  });

  it.each([
    ['of 9 septets', `2.${2n ** 63n - 1n - 80n}.5`],
    ['just below 2^56, which the oracle rounds', `2.${2n ** 56n - 81n}.${2n ** 56n - 1n}`],
    ['above 2^53 behind the first', `1.2.${2n ** 53n + 1n}.${2n ** 100n}`],
  ])('agrees with the oracle about a name attribute whose type has an arc %s (X.690 8.19)', (_what, type) => {
    expect(judge(requestWith(nameAttribute(oid(type))))).toMatchObject({ kind: 'accepted' });
  });

  it('finds another value of an arc of 9 septets, which the oracle writes in hex', () => {
    const one = requestWith(nameAttribute(oid(`2.${2n ** 62n}.5`)));
    const other = requestWith(nameAttribute(oid(`2.${2n ** 62n + 1n}.5`)));
    const verdict = judge(one, (der) => ({
      ...parseCertificationRequest(der),
      subject: { ...parseCertificationRequest(other).subject, der: parseCertificationRequest(der).subject.der },
    }));
    expect(verdict).toMatchObject({ kind: 'disagreement', reason: 'accepted, with another subject' });
  });

  it.each([
    [
      'a constructed ObjectDescriptor (X.690 10.2)',
      '27021900',
      'der-not-canonical: only SEQUENCE and SET are constructed',
    ],
    ['an EXTERNAL (X.690 8.18)', '28020500', 'der-malformed: a universal type that no structure here uses'],
  ])('has the oracle bear out the refusal of %s', (_what, hex, rule) => {
    const type = oid('2.5.4.3');
    const verdict = judge(requestWith(set(sequence(type, new Uint8Array(Buffer.from(hex, 'hex'))))));
    expect(verdict).toMatchObject({ kind: 'stricter', rule });
  });

  it('states the rule for a host name under the tag of a GeneralizedTime (X.690 11.7)', () => {
    const der = Buffer.from(sampleDer('openssl-wildcard.csr'));
    der[der.indexOf('*.fleet.example') - 2] = tags.generalizedTime;
    const rule = 'der-not-canonical: a GeneralizedTime is YYYYMMDDHHMMSS[.f]Z';
    expect(judge(new Uint8Array(der))).toMatchObject({ kind: 'stricter', rule });
  });

  it('keeps a smaller input that shows the same', () => {
    const { findings } = runWith(500, crashing);
    const { bytes, reason } = findings[0]!;
    expect(judge(bytes, crashing)).toMatchObject({ kind: 'crash', reason });
    expect(bytes.length).toBeLessThan(16);
  });

  it('makes the same input of the same seed and index', () => {
    const one = makeInput(createMaterial(), 3, 99);
    expect(makeInput(createMaterial(), 3, 99)).toEqual(one);
    expect(makeInput(createMaterial(), 4, 99)).not.toEqual(one);
  });

  it.each(['openssl-p256.csr', 'openssl-rsa2048.csr', 'pyca-hardware-module-name.csr'])(
    'writes the tree of %s as it was',
    (file) => {
      const der = new Uint8Array(sampleDer(file));
      expect(encodeElement(cloneElement(parseElement(der)))).toEqual(der);
    },
  );

  it('states each rule once, with its clause and its reason', () => {
    const rules = strictnessClasses.map(({ code, detail }) => `${code}: ${detail}`);
    expect(new Set(rules).size).toBe(rules.length);
    for (const { clause, reason } of strictnessClasses) expect(clause !== '' && reason !== '').toBe(true);
  });
});

function writing(der: Uint8Array) {
  const request = parseCertificationRequest(der);
  der[0] = 0;
  return request;
}

/** A request of no known algorithm with these relative distinguished names. */
function requestWith(...rdns: readonly Uint8Array[]): Uint8Array {
  const algorithm = sequence(oid('1.2.3'));
  const spki = sequence(algorithm, bitString(new Uint8Array()));
  const info = sequence(integer(0), sequence(...rdns), spki, implicitConstructed(0));
  return sequence(info, algorithm, bitString(new Uint8Array()));
}

function nameAttribute(type: Uint8Array): Uint8Array {
  return set(sequence(type, utf8String('E')));
}
