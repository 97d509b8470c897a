/**
 * Decoders of extension values (RFC 5280 §4.2.1), one a type: the OCTET STRING's content in, a value out. Each is strict DER
 * and throws MalformedError; none looks at what the values mean together.
 */
import type { KeyUsageName } from './certification-request.ts';
import {
  expectEnd,
  isAtEnd,
  openDer,
  peekTag,
  readBitString,
  readBooleanDefaultFalse,
  readConstructed,
  readContent,
  readOctetString,
  readOid,
  readSequence,
  readSmallInteger,
  skipElement,
  tags,
} from './der/reader.ts';
import { MalformedError } from './malformed.ts';
import { type NameConstraints, readSubtrees } from './name-constraints.ts';
import { readGeneralName } from './names.ts';

/** Longer path lengths than any hierarchy has; a bound, not a rule. */
const pathLenMax = 255;
/** One certificate's worth, far above any profile's; bounds the work a foreign certificate can ask for. */
export const purposesMax = 64;
export const distributionPointsMax = 64;

/** In the order of their bits (RFC 5280 §4.2.1.3). */
export const keyUsageNames: readonly KeyUsageName[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
];

/** BasicConstraints. */
export function decodeBasicConstraints(value: Uint8Array): { readonly ca: boolean; readonly pathLen?: number } {
  const content = openSequence(value);
  const ca = readBooleanDefaultFalse(content);
  if (isAtEnd(content)) return { ca };
  const pathLen = readSmallInteger(content, pathLenMax);
  expectEnd(content);
  return { ca, pathLen };
}

/** KeyUsage: a named bit list, so the last bit is set (X.690 11.2.2), and at least one is. */
export function decodeKeyUsage(value: Uint8Array): readonly KeyUsageName[] {
  const cursor = openDer(value);
  const { octets, unusedBits } = readBitString(cursor);
  const last = octets[octets.length - 1];
  if (last === undefined) throw new MalformedError('der-malformed', 'key usage has at least one bit');
  if ((last & (1 << unusedBits)) === 0)
    throw new MalformedError('der-not-canonical', 'a named bit list ends with a bit that is set');
  if (octets.length * 8 - unusedBits > keyUsageNames.length)
    throw new MalformedError('der-malformed', 'key usage has a bit without a meaning');
  return keyUsageNames.filter((_, bit) => ((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0);
}

/** ExtKeyUsageSyntax: purposes as object identifiers, at least one. */
export function decodeExtendedKeyUsage(value: Uint8Array): readonly string[] {
  const content = openSequence(value);
  const purposes: string[] = [];
  while (!isAtEnd(content)) {
    if (purposes.length >= purposesMax) throw new MalformedError('der-too-many-elements', 'too many key purposes');
    purposes.push(readOid(content));
  }
  if (purposes.length === 0) throw new MalformedError('der-malformed', 'extended key usage has at least one purpose');
  return purposes;
}

/** SubjectKeyIdentifier. */
export function decodeSubjectKeyIdentifier(value: Uint8Array): Uint8Array {
  return readOctetString(openDer(value));
}

/** AuthorityKeyIdentifier: its key identifier, undefined when it names the issuer in another way only. */
export function decodeAuthorityKeyIdentifier(value: Uint8Array): Uint8Array | undefined {
  const content = openSequence(value);
  const keyIdentifier = peekTag(content) === 0x80 ? readContent(content, 0x80) : undefined;
  const hasIssuer = skipOptional(content, 0xa1);
  const hasSerial = skipOptional(content, 0x82);
  expectEnd(content);
  if (hasIssuer !== hasSerial)
    throw new MalformedError('der-malformed', 'an authority key identifier has issuer and serial, or neither');
  return keyIdentifier;
}

/** CRLDistributionPoints: the URIs of all full names, in order. Other forms of a point are read over. */
export function decodeCrlDistributionPoints(value: Uint8Array): readonly string[] {
  const points = openSequence(value);
  const uris: string[] = [];
  let count = 0;
  while (!isAtEnd(points)) {
    count += 1;
    if (count > distributionPointsMax)
      throw new MalformedError('der-too-many-elements', 'too many CRL distribution points');
    const point = readSequence(points);
    if (peekTag(point) === 0xa0) {
      const name = readConstructed(point, 0xa0);
      if (peekTag(name) === 0xa0) {
        const fullName = readConstructed(name, 0xa0);
        while (!isAtEnd(fullName)) {
          const generalName = readGeneralName(fullName);
          if (generalName.kind === 'uri') uris.push(generalName.value);
        }
      } else if (!skipOptional(name, 0xa1)) {
        throw new MalformedError('der-malformed', 'a distribution point name has a full or a relative name');
      }
      expectEnd(name);
    }
    skipOptional(point, 0x81);
    skipOptional(point, 0xa2);
    expectEnd(point);
  }
  if (count === 0) throw new MalformedError('der-malformed', 'CRL distribution points are at least one');
  return uris;
}

/** NameConstraints: at least one subtree. */
export function decodeNameConstraints(value: Uint8Array): NameConstraints {
  const content = openSequence(value);
  const permitted = peekTag(content) === 0xa0 ? readSubtrees(readConstructed(content, 0xa0)) : [];
  const excluded = peekTag(content) === 0xa1 ? readSubtrees(readConstructed(content, 0xa1)) : [];
  expectEnd(content);
  if (permitted.length + excluded.length === 0)
    throw new MalformedError('der-malformed', 'name constraints have a subtree');
  return { permitted, excluded };
}

function openSequence(value: Uint8Array) {
  return readConstructed(openDer(value), tags.sequence);
}

function skipOptional(cursor: ReturnType<typeof openSequence>, tag: number): boolean {
  if (peekTag(cursor) !== tag) return false;
  skipElement(cursor);
  return true;
}
