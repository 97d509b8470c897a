import { CertificationRequest as OracleRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  type AttributeTypeAndValue,
  Extensions,
  type GeneralName as OracleName,
  SubjectAlternativeName,
} from '@peculiar/asn1-x509';
import { describe, expect, it } from 'vitest';
import { type CertificationRequest, parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { hexOf, tags } from '../../shared/pki/der/reader.ts';
import { concat } from '../../shared/pki/der/writer.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import type { GeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
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

function view(buffer: ArrayBuffer): string {
  return Buffer.from(buffer).toString('hex');
}

interface Summary {
  readonly subject: readonly string[];
  readonly spki: string;
  readonly signature: string;
  readonly extensions: readonly string[];
  readonly names: readonly string[];
}

function summaryOf(request: CertificationRequest): Summary {
  return {
    subject: request.subject.attributes.map(({ type, value, rdn }) => `${rdn} ${type} ${value}`),
    spki: hexOf(request.publicKey.der),
    signature: hexOf(request.signature),
    extensions: request.extensions.map(({ oid, critical, value }) => `${oid} ${critical} ${hexOf(value)}`),
    names: request.names.map(textOfName),
  };
}

function textOfName(name: GeneralName): string {
  if (name.kind === 'other') return `other ${name.typeId}`;
  return 'value' in name ? `${name.kind} ${name.value}` : name.kind;
}

function textOfOracleName(name: OracleName): string {
  if (name.dNSName !== undefined) return `dns ${name.dNSName}`;
  if (name.uniformResourceIdentifier !== undefined) return `uri ${name.uniformResourceIdentifier}`;
  if (name.rfc822Name !== undefined) return `email ${name.rfc822Name}`;
  if (name.iPAddress !== undefined) return `ip ${name.iPAddress}`;
  if (name.registeredID !== undefined) return `registered-id ${name.registeredID}`;
  if (name.otherName !== undefined) return `other ${name.otherName.typeId}`;
  if (name.directoryName !== undefined) return 'directory';
  return name.x400Address === undefined ? 'edi' : 'x400';
}

// The oracle keeps a NumericString undecoded.
function textOfOracleValue({ value }: AttributeTypeAndValue): string {
  const any = value.anyValue === undefined ? undefined : Buffer.from(value.anyValue);
  return any?.[0] === tags.numericString ? any.toString('latin1', 2) : value.toString();
}

function oracleSummaryOf(der: Uint8Array): Summary {
  const request = AsnConvert.parse(der, OracleRequest);
  const info = request.certificationRequestInfo;
  const extensions = info.attributes
    .filter(({ type }) => type === oids.extensionRequest || type === oids.microsoftExtensionRequest)
    .flatMap(({ values }) => [...AsnConvert.parse(values[0]!, Extensions)]);
  const san = extensions.find(({ extnID }) => extnID === oids.subjectAltName);
  const names = san === undefined ? [] : [...AsnConvert.parse(san.extnValue.buffer, SubjectAlternativeName)];
  return {
    subject: info.subject.flatMap((rdn, index) =>
      [...rdn].map((attribute) => `${index} ${attribute.type} ${textOfOracleValue(attribute)}`),
    ),
    spki: view(AsnConvert.serialize(info.subjectPKInfo)),
    signature: view(request.signature),
    extensions: extensions.map(({ extnID, critical, extnValue }) => `${extnID} ${critical} ${view(extnValue.buffer)}`),
    names: names.map(textOfOracleName),
  };
}

function accepted(der: Uint8Array): CertificationRequest | undefined {
  try {
    return parseCertificationRequest(der);
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

type Mutation = (der: Uint8Array, random: (bound: number) => number) => Uint8Array;

// Those of `inPlace` leave some requests well-formed; those of `ofLength` leave none, as the outermost length is wrong.
const inPlace: Readonly<Record<string, Mutation>> = {
  'an octet changed': (der, random) => {
    const mutant = Uint8Array.from(der);
    mutant[random(der.length)] = random(256);
    return mutant;
  },
  'a bit flipped': (der, random) => {
    const mutant = Uint8Array.from(der);
    const at = random(der.length);
    mutant[at] = mutant[at]! ^ (1 << random(8));
    return mutant;
  },
  'a tag or a length changed': (der, random) => {
    const mutant = Uint8Array.from(der);
    const headers = headerOffsets(der);
    const at = headers[random(headers.length)]! + random(2);
    mutant[at] = [0x30, 0x31, 0xa0, 0x04, 0x0c, 0x13, 0x16, 0x1e, 0x80, 0x81, 0x82, mutant[at]! ^ 1][random(12)]!;
    return mutant;
  },
  'an element moved, doubled, taken out or rewritten': restructure,
};

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

// Where elements of a sound request start, those inside OCTET STRINGs not counted.
function headerOffsets(der: Uint8Array): number[] {
  const offsets: number[] = [];
  for (let at = 0; at < der.length; ) {
    offsets.push(at);
    const { contentStart, end } = extentOf(der, at);
    at = (der[at]! & 0x20) === 0 ? end : contentStart;
  }
  return offsets;
}

function extentOf(der: Uint8Array, at: number): { readonly contentStart: number; readonly end: number } {
  const first = der[at + 1]!;
  const lengthOctets = first < 0x80 ? 0 : first & 0x7f;
  const contentStart = at + 2 + lengthOctets;
  const length = lengthOctets === 0 ? first : Number.parseInt(hexOf(der.subarray(at + 2, contentStart)), 16);
  return { contentStart, end: contentStart + length };
}

interface Element {
  tag: number;
  content: Uint8Array | Element[];
}

// The elements of sound DER, those inside the OCTET STRINGs of extensions included.
function elementsOf(der: Uint8Array, start: number, end: number): Element[] {
  const elements: Element[] = [];
  for (let at = start; at < end; ) {
    const { contentStart, end: next } = extentOf(der, at);
    const tag = der[at]!;
    const holdsElements = (tag & 0x20) !== 0 || (tag === 0x04 && der[contentStart] === 0x30);
    elements.push({
      tag,
      content: holdsElements ? elementsOf(der, contentStart, next) : der.slice(contentStart, next),
    });
    at = next;
  }
  return elements;
}

function encode(element: Element): Uint8Array {
  const content = element.content instanceof Uint8Array ? element.content : concat(...element.content.map(encode));
  const size = content.length;
  const header = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Uint8Array.of(element.tag, ...header, ...content);
}

// Changes the structure and keeps every length right, so that a fault lies in the meaning and not in the encoding.
function restructure(der: Uint8Array, random: (bound: number) => number): Uint8Array {
  const root = elementsOf(der, 0, der.length)[0]!;
  const all: Element[] = [];
  const parents: Element[][] = [];
  const visit = (element: Element): void => {
    all.push(element);
    if (element.content instanceof Uint8Array) return;
    parents.push(element.content);
    element.content.forEach(visit);
  };
  visit(root);
  const siblings = parents[random(parents.length)]!;
  const at = random(siblings.length);
  const other = all[random(all.length)]!;
  switch (random(5)) {
    case 0:
      siblings.splice(at, 1);
      break;
    case 1:
      siblings.splice(at, 0, structuredClone(siblings[at] ?? other));
      break;
    case 2:
      siblings.splice(at, 0, structuredClone(other));
      break;
    case 3:
      siblings.reverse();
      break;
    default:
      rewrite(
        all.filter(({ content }) => content instanceof Uint8Array),
        random,
      );
  }
  return encode(root);
}

// Gives a primitive element other content of the same tag, or other text under another string tag.
function rewrite(primitives: readonly Element[], random: (bound: number) => number): void {
  const target = primitives[random(primitives.length)]!;
  const length = random(6);
  if (random(2) === 0) target.tag = [0x0c, 0x13, 0x16, 0x82, 0x86, 0x87, 0x88, 0x81][random(8)]!;
  target.content = Uint8Array.from({ length }, () => (random(4) === 0 ? random(256) : 0x61 + random(26)));
}

describe('the request parser beside @peculiar/asn1-csr', () => {
  it.each(parsable)('reads %s alike', (file) => {
    const der = sampleDer(file);
    expect(summaryOf(parseCertificationRequest(der))).toEqual(oracleSummaryOf(der));
  });

  it.each(Object.entries(inPlace))(
    'accepts nothing the oracle does not read alike: %s, 4,000 times',
    (name, mutate) => {
      const random = seededRandom(name.length * 7_919);
      let acceptedCount = 0;
      for (let count = 0; count < 4_000; count++) {
        const mutant = mutate(small[count % small.length]!, random);
        const request = accepted(mutant);
        if (request === undefined) continue;
        acceptedCount++;
        expect(summaryOf(request)).toEqual(oracleSummaryOf(mutant));
        expect(hexOf(request.der)).toBe(hexOf(mutant));
      }
      expect(acceptedCount).toBeGreaterThan(100);
    },
  );

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
