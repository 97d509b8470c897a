import { defaultDerLimits } from '../../shared/pki/der/reader.ts';
import type { MalformedCode, MalformedError } from '../../shared/pki/malformed.ts';
import { oids } from '../../shared/pki/oids.ts';
import { type Asn1, bytesOf, childrenOf, rawContentOf } from './canonical.ts';
import { type Facts, isFalse, isUniversal, unusedBitsOf } from './facts.ts';
import { keyClasses } from './strictness-of-keys.ts';
import { nameClasses } from './strictness-of-names.ts';
import { shapeClasses } from './strictness-of-shape.ts';

/**
 * Why a request that the oracle takes is refused: a rule of ours that its reader does not keep. `holds` asks the oracle's
 * own tree whether the input breaks the rule, so that a wrong refusal is not explained by its words.
 */
export interface StrictnessClass {
  readonly code: MalformedCode;
  /** The detail of the MalformedError, without its offset. */
  readonly detail: string;
  readonly clause: string;
  readonly reason: string;
  readonly holds: (facts: Facts) => boolean;
}

const notCanonical = (facts: Facts) => !facts.isCanonical;
const some = (tag: number, isAtFault: (content: Uint8Array, node: Asn1) => boolean) => (facts: Facts) =>
  facts.nodes.some((node) => isUniversal(node, tag) && isAtFault(rawContentOf(node), node));
const anyOf =
  (...tests: readonly ((facts: Facts) => boolean)[]) =>
  (facts: Facts) =>
    tests.some((holds) => holds(facts));
const outside = (allowed: RegExp) => (content: Uint8Array) => !allowed.test(Buffer.from(content).toString('latin1'));

const canonicalReason = 'one value has one encoding: a digest or a signature over another would be of the same request';

/** Encoding: X.690. */
const encodingClasses: readonly StrictnessClass[] = [
  ...[
    ['a length has its shortest form', 'X.690 §10.1'],
    ['indefinite length is not DER', 'X.690 §10.1'],
    ['a BOOLEAN is 00 or FF', 'X.690 §11.1'],
    ['an INTEGER has no superfluous leading octet', 'X.690 §8.3.2'],
    ['an arc of an OBJECT IDENTIFIER has no leading zero octet', 'X.690 §8.19.2'],
    ['the unused bits of a BIT STRING are zero', 'X.690 §11.2.1'],
    ['the elements of a SET OF are in ascending order', 'X.690 §11.6'],
    ['only SEQUENCE and SET are constructed', 'X.690 §10.2'],
  ].map(
    ([detail = '', clause = '']): StrictnessClass => ({
      code: 'der-not-canonical',
      detail,
      clause,
      reason: canonicalReason,
      holds: anyOf(notCanonical, registeredId(hasZeroArc)),
    }),
  ),
  {
    code: 'der-not-canonical',
    detail: 'a default value is not encoded',
    clause: 'X.690 §11.5',
    reason: canonicalReason,
    holds: ({ nodes }) => nodes.some((node) => (childrenOf(node) ?? []).some(isFalse)),
  },
  {
    code: 'der-not-canonical',
    detail: 'a UTCTime is YYMMDDHHMMSSZ',
    clause: 'X.690 §11.8',
    reason: canonicalReason,
    holds: some(23, outside(/^\d{12}Z$/)),
  },
  {
    code: 'der-not-canonical',
    detail: 'a GeneralizedTime is YYYYMMDDHHMMSS[.f]Z',
    clause: 'X.690 §11.7',
    reason: canonicalReason,
    holds: some(24, outside(/^\d{14}(\.\d*[1-9])?Z$/)),
  },
  {
    code: 'der-malformed',
    detail: 'an element passes the end of the one that holds it',
    clause: 'X.690 §8.1.3',
    reason: 'child and parent contradict each other; asn1js takes the shorter',
    holds: notCanonical,
  },
  {
    code: 'der-truncated',
    detail: 'the DER ends before its declared length',
    clause: 'X.690 §8.1.3',
    reason: 'a value that is cut off, in the octets of an extension or a key, which the oracle does not open',
    holds: anyOf(({ values }) => values.some(({ read }) => read === undefined), notCanonical),
  },
  {
    code: 'der-trailing-bytes',
    detail: 'bytes follow the DER value',
    clause: 'RFC 2986 §4.2',
    reason: 'what is signed and stored is one value; what follows it would be carried along unread',
    holds: ({ bytes, end, values }) =>
      end < bytes.length || values.some((value) => value.read !== undefined && value.read.end < value.bytes.length),
  },
  {
    code: 'der-malformed',
    detail: 'no structure here has a tag above 30',
    clause: 'X.690 §8.1.2.4',
    reason: 'no field of RFC 2986 or RFC 5280 has one',
    holds: ({ nodes }) => nodes.some((node) => (bytesOf(node)[0]! & 0x1f) === 0x1f),
  },
  {
    code: 'der-malformed',
    detail: 'no structure here has an application or private tag',
    clause: 'X.690 §8.1.2.2',
    reason: 'no field of RFC 2986 or RFC 5280 has one',
    holds: ({ nodes }) => nodes.some(({ idBlock }) => idBlock.tagClass === 2 || idBlock.tagClass === 4),
  },
  {
    code: 'der-malformed',
    detail: 'a universal type that no structure here uses',
    clause: 'X.680 §8.6',
    reason: 'no field of RFC 2986 or RFC 5280 has one',
    holds: ({ nodes }) =>
      nodes.some(
        ({ idBlock }) =>
          idBlock.tagClass === 1 && [0, 7, 8, 9, 11, 13, 14, 15, 16, 17, 29, 30].includes(idBlock.tagNumber),
      ),
  },
];

/** Content of universal types: X.680, X.690. */
const contentClasses: readonly StrictnessClass[] = [
  contentClass(
    'a BOOLEAN has one content octet',
    'X.690 §8.2.1',
    some(1, ({ length }) => length !== 1),
  ),
  contentClass('an INTEGER has content', 'X.690 §8.3.1', anyOf(some(2, isEmpty), some(10, isEmpty))),
  contentClass('a BIT STRING says its unused bits', 'X.690 §8.6.2', some(3, isEmpty)),
  contentClass(
    'a BIT STRING has at most seven unused bits, and none when empty',
    'X.690 §8.6.2',
    some(3, ({ 0: unused = 0, length }) => unused > 7 || (unused > 0 && length === 1)),
  ),
  contentClass(
    'a NULL has no content',
    'X.690 §8.8.2',
    some(5, ({ length }) => length > 0),
  ),
  contentClass('an OBJECT IDENTIFIER has content', 'X.690 §8.19.2', anyOf(some(6, isEmpty), registeredId(isEmpty))),
  contentClass(
    'an OBJECT IDENTIFIER ends inside an arc',
    'X.690 §8.19.2',
    anyOf(some(6, endsInArc), registeredId(endsInArc)),
  ),
  contentClass(
    'an OBJECT IDENTIFIER is too long',
    'a bound of ours: 128 octets',
    anyOf(
      some(6, ({ length }) => length > 128),
      registeredId(({ length }) => length > 128),
    ),
  ),
  contentClass(
    'an arc of an OBJECT IDENTIFIER is too long',
    'a bound of ours: X.667, 19 septets',
    anyOf(some(6, hasLongArc), registeredId(hasLongArc)),
  ),
  contentClass(
    'a UTF8String is UTF-8',
    'RFC 3629 §3',
    some(12, (content) => !isUtf8Strictly(content)),
  ),
  contentClass(
    'a PrintableString has a character outside its alphabet',
    'X.680 §41.4',
    some(19, outside(/^[A-Za-z0-9 '()+,\-./:=?*&@_]*$/)),
  ),
  contentClass('an IA5String is seven-bit', 'X.680 §41, ISO 646', some(22, outside(/^[\x00-\x7f]*$/))),
  contentClass('a VisibleString has graphic characters only', 'X.680 §41', some(26, outside(/^[\x20-\x7e]*$/))),
  contentClass('a NumericString has digits and spaces only', 'X.680 §41.2', some(18, outside(/^[0-9 ]*$/))),
  contentClass(
    'a string ends inside a character',
    'X.690 §8.23',
    anyOf(
      some(30, ({ length }) => length % 2 !== 0),
      some(28, ({ length }) => length % 4 !== 0),
    ),
  ),
  contentClass(
    'a string has a value that is no character',
    'ISO 10646',
    anyOf(some(30, hasSurrogate), some(28, hasNoCharacter)),
  ),
  contentClass(
    'a time names no instant',
    'X.680 §46, §47',
    anyOf(
      some(23, () => true),
      some(24, () => true),
    ),
  ),
  contentClass(
    'a time has a character that is no digit',
    'X.680 §46, §47',
    anyOf(some(23, outside(/^\d{12}Z$/)), some(24, outside(/^\d{14}(\.\d*[1-9])?Z$/))),
  ),
];

function contentClass(detail: string, clause: string, holds: StrictnessClass['holds']): StrictnessClass {
  const reason = clause.startsWith('a bound')
    ? 'nothing that exists is longer'
    : 'the type does not have it, and readers differ about what it means';
  return { code: 'der-malformed', detail, clause, reason, holds };
}

function isEmpty({ length }: Uint8Array): boolean {
  return length === 0;
}

function endsInArc(content: Uint8Array): boolean {
  return (content.at(-1) ?? 0) >= 0x80;
}

function hasZeroArc(content: Uint8Array): boolean {
  return content.some((octet, at) => octet === 0x80 && (at === 0 || content[at - 1]! < 0x80));
}

function hasLongArc(content: Uint8Array): boolean {
  let septets = 0;
  return content.some((octet) => {
    septets += 1;
    const isLong = septets > 19;
    if (octet < 0x80) septets = 0;
    return isLong;
  });
}

/** The content of a [8] of GeneralName is an OBJECT IDENTIFIER's. */
function registeredId(isAtFault: (content: Uint8Array) => boolean) {
  return ({ nodes }: Facts) =>
    nodes.some((node) => node.idBlock.tagClass === 3 && node.idBlock.tagNumber === 8 && isAtFault(rawContentOf(node)));
}

function isUtf8Strictly(content: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(content);
    return true;
  } catch {
    return false;
  }
}

function hasSurrogate(content: Uint8Array): boolean {
  return content.some((octet, at) => at % 2 === 0 && octet >= 0xd8 && octet <= 0xdf);
}

function hasNoCharacter(content: Uint8Array): boolean {
  const view = Buffer.from(content);
  for (let at = 0; at + 4 <= view.length; at += 4) {
    const point = view.readUInt32BE(at);
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return true;
  }
  return false;
}

/** Structure of a request: RFC 2986, RFC 5280 §4.1 and §4.2. */
const structureClasses: readonly StrictnessClass[] = [
  {
    code: 'der-malformed',
    detail: 'the version of a certification request is 0',
    clause: 'RFC 2986 §4.1',
    reason: 'there is no other version',
    holds: ({ version }) => version !== undefined && Buffer.from(rawContentOf(version)).toString('hex') !== '00',
  },
  {
    code: 'not-a-certification-request',
    detail: 'the DER is not a certification request',
    clause: 'RFC 2986 §4',
    reason: 'the oracle takes a SET, or a tag of another class, where a SEQUENCE stands',
    holds: ({ signature, signatureAlgorithm, spki, subject, tree, version }) => {
      const isSequence = (node: Asn1 | undefined) => node !== undefined && bytesOf(node)[0] === 0x30;
      const [info] = childrenOf(tree) ?? [];
      return (
        ![tree, info, subject, spki, signatureAlgorithm].every(isSequence) ||
        bytesOf(version!)[0] !== 0x02 ||
        bytesOf(signature!)[0] !== 0x03
      );
    },
  },
  {
    code: 'der-malformed',
    detail: 'a BIT STRING of whole octets was expected',
    clause: 'RFC 5280 §4.1.1.3, §4.1.2.7',
    reason: 'no signature and no key that we know is a number of bits that is no number of octets',
    holds: ({ signature, spki }) => unusedBitsOf(signature) > 0 || unusedBitsOf(childrenOf(spki!)?.[1]) > 0,
  },
  {
    code: 'der-malformed',
    detail: 'an attribute stands twice',
    clause: 'RFC 2985 §5.4, RFC 2986 §4.1',
    reason: 'readers differ about which of the two counts',
    holds: ({ attributes }) => hasDuplicate(attributes.map((one) => childrenOf(one)?.[0])),
  },
  {
    code: 'der-malformed',
    detail: 'an extension stands twice',
    clause: 'RFC 5280 §4.2',
    reason: 'a certificate has each extension once; readers differ about which of the two counts',
    holds: ({ extensions }) => hasDuplicate(extensions.map((one) => childrenOf(one)?.[0])),
  },
  {
    code: 'der-malformed',
    detail: 'an attribute has a value',
    clause: 'RFC 2986 §4.1 (SET SIZE (1..MAX))',
    reason: 'an attribute without a value says nothing',
    holds: ({ attributes }) => attributes.some((one) => (childrenOf(childrenOf(one)?.[1] ?? one) ?? []).length === 0),
  },
  {
    code: 'der-malformed',
    detail: 'a list of extensions has one',
    clause: 'RFC 5280 §4.1 (SEQUENCE SIZE (1..MAX))',
    reason: 'an empty list says nothing',
    holds: ({ attributes }) =>
      attributes.some((one) =>
        (childrenOf(childrenOf(one)?.[1] ?? one) ?? []).some((list) => (childrenOf(list) ?? []).length === 0),
      ),
  },
  bound('der-too-many-elements', 'too many attributes', ({ attributes }) => attributes.length > 32),
  bound('der-too-many-elements', 'too many extensions', ({ extensions }) => extensions.length > 64),
  bound('der-too-many-elements', 'too many elements', (facts) => facts.nodes.length > 19_900),
  bound('der-too-many-elements', 'too many key purposes', ({ values }) =>
    values.some(({ oid, read }) => oid === oids.extendedKeyUsage && (childrenOf(read!.tree) ?? []).length > 64),
  ),
  bound('der-too-many-elements', 'GeneralNames has too many names', ({ values }) =>
    values.some(({ oid, read }) => oid === oids.subjectAltName && (childrenOf(read!.tree) ?? []).length > 2_000),
  ),
  bound('der-too-deep', 'elements nest too deep', ({ depth }) => depth > defaultDerLimits.depthMax),
  bound('der-too-long', 'the DER is over its limit in bytes', ({ bytes }) => bytes.length > defaultDerLimits.bytesMax),
];

function bound(code: MalformedCode, detail: string, holds: StrictnessClass['holds']): StrictnessClass {
  return { code, detail, clause: 'a bound of ours', reason: 'what a stranger may make us do is bounded', holds };
}

function hasDuplicate(types: readonly (Asn1 | undefined)[]): boolean {
  const seen = types.map((type) => (type === undefined ? '' : Buffer.from(bytesOf(type)).toString('hex')));
  return new Set(seen).size < seen.length;
}

/** The closed table: every other refusal of what the oracle takes is a disagreement. */
export const strictnessClasses: readonly StrictnessClass[] = [
  ...encodingClasses,
  ...contentClasses,
  ...structureClasses,
  ...shapeClasses,
  ...nameClasses,
  ...keyClasses,
];

const byDetail = new Map(strictnessClasses.map((one) => [`${one.code} ${one.detail}`, one]));

/** The detail of a refusal without its offset. */
export function detailOf(error: MalformedError): string {
  return error.message.replace(/ \(at byte \d+\)$/, '');
}

/** The class of a refusal; undefined when there is none. */
export function strictnessOf(error: MalformedError): StrictnessClass | undefined {
  return byDetail.get(`${error.code} ${detailOf(error)}`);
}
