import { oids } from '../../shared/pki/oids.ts';
import { type Asn1, bytesOf, childrenOf, rawContentOf } from './canonical.ts';
import type { Facts } from './facts.ts';
import type { StrictnessClass } from './strictness.ts';

/** The two kinds of name, and the values of extensions that are not names: RFC 5280 §4.1.2.4 and §4.2.1. */
export const nameClasses: readonly StrictnessClass[] = [
  {
    code: 'name-malformed',
    detail: 'the value of a name attribute is a string',
    clause: 'RFC 5280 §4.1.2.4',
    reason: 'no tool puts another type into a request, and text would not say what it is',
    holds: (facts) =>
      attributesOf(facts).some((one) => {
        const value = childrenOf(one)?.[1];
        return value === undefined || !stringTags.has(bytesOf(value)[0]!);
      }),
  },
  {
    code: 'name-malformed',
    detail: 'a relative distinguished name has an attribute',
    clause: 'RFC 5280 §4.1.2.4 (SET SIZE (1..MAX))',
    reason: 'an empty one says nothing, and comparisons of names differ about it',
    holds: (facts) => rdnsOf(facts).some((rdn) => (childrenOf(rdn) ?? []).length === 0),
  },
  {
    code: 'name-malformed',
    detail: 'a name has too many attributes',
    clause: 'a bound of ours',
    reason: 'real subjects have up to a dozen',
    holds: (facts) => attributesOf(facts).length > 64,
  },
  {
    code: 'name-malformed',
    detail: 'GeneralNames has a name',
    clause: 'RFC 5280 §4.2.1.6 (SEQUENCE SIZE (1..MAX))',
    reason: 'an empty list says nothing',
    holds: ({ values }) => values.some(({ oid, read }) => oid === oids.subjectAltName && count(read?.tree) === 0),
  },
  {
    code: 'name-malformed',
    detail: 'a GeneralName is of a kind RFC 5280 does not have',
    clause: 'RFC 5280 §4.2.1.6',
    reason: 'nine kinds, each with one tag',
    holds: (facts) => generalNamesOf(facts).some((name) => !generalNameTags.has(bytesOf(name)[0]!)),
  },
  {
    code: 'name-malformed',
    detail: 'a name is empty',
    clause: 'RFC 5280 §4.2.1.6',
    reason: 'an empty name matches everything in some readers',
    holds: (facts) => textNamesOf(facts).some(({ length }) => length === 0),
  },
  {
    code: 'name-malformed',
    detail: 'a name has a character that is not printable ASCII',
    clause: 'RFC 5280 §4.2.1.6 (IA5String), RFC 1034 §3.5',
    reason: 'a NUL ends the name in one reader and not in another',
    holds: (facts) => textNamesOf(facts).some((content) => content.some((octet) => octet < 0x20 || octet > 0x7e)),
  },
  {
    code: 'name-malformed',
    detail: 'an address has 4 or 16 octets',
    clause: 'RFC 5280 §4.2.1.6',
    reason: 'no other address has a meaning there',
    holds: (facts) =>
      generalNamesOf(facts).some((name) => bytesOf(name)[0] === 0x87 && ![4, 16].includes(rawContentOf(name).length)),
  },
  {
    code: 'der-malformed',
    detail: 'an INTEGER is out of its range',
    clause: 'RFC 5280 §4.2.1.9, RFC 4055 §3.1',
    reason: 'a path length is from 0 to 255 here; lengths of RSASSA-PSS from 0 to 65535',
    holds: ({ nodes, values }) =>
      nodes.some(({ idBlock }) => idBlock.tagClass === 3 && [2, 3].includes(idBlock.tagNumber)) ||
      values.some(
        ({ oid, read }) =>
          oid === oids.basicConstraints &&
          (childrenOf(read!.tree) ?? []).some((one) => {
            const { 0: first = 0, length } = bytesOf(one)[0] === 0x02 ? rawContentOf(one) : new Uint8Array();
            return length > 2 || first >= 0x80 || (length === 2 && first > 0);
          }),
      ),
  },
  {
    code: 'der-malformed',
    detail: 'a key usage has a bit that is set',
    clause: 'RFC 5280 §4.2.1.3',
    reason: 'one bit at least is set',
    holds: (facts) => keyUsagesOf(facts).some((bits) => bits.every((octet) => octet === 0)),
  },
  {
    code: 'der-malformed',
    detail: 'a key usage has a bit without a meaning',
    clause: 'RFC 5280 §4.2.1.3',
    reason: 'nine bits have one',
    holds: (facts) =>
      keyUsagesOf(facts).some((bits) =>
        bits.some((octet, at) => (at === 1 ? (octet & 0x7f) !== 0 : at > 1 && octet > 0)),
      ),
  },
  {
    code: 'der-malformed',
    detail: 'extended key usage has at least one purpose',
    clause: 'RFC 5280 §4.2.1.12 (SEQUENCE SIZE (1..MAX))',
    reason: 'an empty list says nothing',
    holds: ({ values }) => values.some(({ oid, read }) => oid === oids.extendedKeyUsage && count(read?.tree) === 0),
  },
];

/** Tags of the strings a name attribute may be: DirectoryString, IA5String and NumericString. */
const stringTags = new Set([0x0c, 0x12, 0x13, 0x14, 0x16, 0x1c, 0x1e]);
const generalNameTags = new Set([0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x86, 0x87, 0x88]);

function count(node: Asn1 | undefined): number {
  return node === undefined ? -1 : (childrenOf(node) ?? []).length;
}

/** Of the subject and of every name under [4] of a subjectAltName. */
function rdnsOf(facts: Facts): readonly Asn1[] {
  const directories = generalNamesOf(facts).flatMap((name) =>
    bytesOf(name)[0] === 0xa4 ? (childrenOf(name) ?? []) : [],
  );
  return [facts.subject!, ...directories].flatMap((name) => childrenOf(name) ?? []);
}

function attributesOf(facts: Facts): readonly Asn1[] {
  return rdnsOf(facts).flatMap((rdn) => childrenOf(rdn) ?? []);
}

function generalNamesOf({ values }: Facts): readonly Asn1[] {
  return values.flatMap(({ oid, read }) =>
    oid === oids.subjectAltName && read !== undefined ? (childrenOf(read.tree) ?? []) : [],
  );
}

/** Content of the names that are text. */
function textNamesOf(facts: Facts): readonly Uint8Array[] {
  return generalNamesOf(facts)
    .filter((name) => [0x81, 0x82, 0x86].includes(bytesOf(name)[0]!))
    .map(rawContentOf);
}

/** The bits of every key usage, in octets. */
function keyUsagesOf({ values }: Facts): readonly Uint8Array[] {
  return values.flatMap(({ oid, read }) =>
    oid === oids.keyUsage && read !== undefined ? [rawContentOf(read.tree).subarray(1)] : [],
  );
}
