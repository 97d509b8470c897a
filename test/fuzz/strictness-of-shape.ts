import { oids } from '../../shared/pki/oids.ts';
import { type Asn1, bytesOf, childrenOf } from './canonical.ts';
import { type Facts, hasOid, isNull } from './facts.ts';
import type { StrictnessClass } from './strictness.ts';

/** Fields that are there, not there, or of another type: said in three ways by the reader, wherever it happens. */
export const shapeClasses: readonly StrictnessClass[] = [
  'an element is missing',
  'an element more than expected',
  'an element of another type was expected',
].map((detail) => ({
  code: 'der-malformed',
  detail,
  clause: 'RFC 2986 §4, RFC 5280 §4.1, §4.2.1',
  reason: 'the oracle passes over fields it does not expect, takes their types loosely, or does not open the value',
  holds: (facts) => hasOddShape(facts),
}));

/** Whether a SEQUENCE of the request has other fields than its definition, or a value does not have its type. */
function hasOddShape({ attributes, extensions, signatureAlgorithm, spki, subject, tree, values }: Facts): boolean {
  const shape = (node: Asn1 | undefined) =>
    (node === undefined ? [] : (childrenOf(node) ?? []))
      .map((child) => bytesOf(child)[0]!.toString(16).padStart(2, '0'))
      .join(' ');
  const [info] = childrenOf(tree) ?? [];
  const isOdd = (node: Asn1 | undefined, expected: RegExp) => !expected.test(shape(node));
  const rdns = subject === undefined ? [] : (childrenOf(subject) ?? []);
  return (
    isOdd(tree, /^30 30 03$/) ||
    isOdd(info, /^02 30 30 a0$/) ||
    isOdd(subject, /^(31( 31)*)?$/) ||
    rdns.some((rdn) => isOdd(rdn, /^(30( 30)*)?$/)) ||
    rdns.some((rdn) => (childrenOf(rdn) ?? []).some((one) => isOdd(one, /^06 [0-9a-f]{2}$/))) ||
    isOdd(spki, /^30 03$/) ||
    hasOddAlgorithm(childrenOf(spki!)?.[0]) ||
    hasOddAlgorithm(signatureAlgorithm) ||
    attributes.some((one) => bytesOf(one)[0] !== 0x30 || isOdd(one, /^06 31$/)) ||
    attributes.some((one) => isForExtensions(one) && isOdd(childrenOf(one)?.[1], /^30$/)) ||
    extensions.some((one) => bytesOf(one)[0] !== 0x30 || isOdd(one, /^06( 01)? 04$/)) ||
    values.some(
      ({ oid, read }) => read !== undefined && hasOddValue(oid, bytesOf(read.tree)[0]!, shape(read.tree), read.tree),
    )
  );
}

function isForExtensions(attribute: Asn1): boolean {
  const type = childrenOf(attribute)?.[0];
  return hasOid(type, oids.extensionRequest) || hasOid(type, oids.microsoftExtensionRequest);
}

/** RFC 5480 §2.1.1, RFC 3279 §2.3.1, RFC 8410 §3, RFC 5758 §3.2, RFC 4055 §3.1: which parameters an algorithm has. */
function hasOddAlgorithm(algorithm: Asn1 | undefined): boolean {
  const [type, parameters, ...more] = algorithm === undefined ? [] : (childrenOf(algorithm) ?? []);
  if (type === undefined || more.length > 0 || bytesOf(type)[0] !== 0x06) return true;
  const isOneOf = (...names: readonly string[]) => names.some((name) => hasOid(type, name));
  const { ecdsaWithSha1, ecdsaWithSha224, ecdsaWithSha256, ecdsaWithSha384, ecdsaWithSha512, ed25519, ed448 } = oids;
  if (isOneOf(ecdsaWithSha1, ecdsaWithSha224, ecdsaWithSha256, ecdsaWithSha384, ecdsaWithSha512, ed25519, ed448))
    return parameters !== undefined;
  if (isOneOf(oids.ecPublicKey)) return parameters === undefined || ![0x06, 0x30].includes(bytesOf(parameters)[0]!);
  if (isOneOf(oids.rsaEncryption)) return !isNull(parameters);
  if (isOneOf(oids.rsassaPss)) return parameters === undefined || isOddPss(parameters);
  return parameters !== undefined && !isNull(parameters);
}

/** RSASSA-PSS-params: [0] to [3] once each and in order, the hashes with NULL or nothing. */
function isOddPss(parameters: Asn1): boolean {
  const fields = childrenOf(parameters);
  if (fields === undefined || bytesOf(parameters)[0] !== 0x30) return true;
  const first = fields.map((field) => bytesOf(field)[0]!);
  if (first.some((tag, at) => tag < 0xa0 || tag > 0xa3 || (at > 0 && tag <= first[at - 1]!))) return true;
  return fields.some((field) => {
    const [inner, ...more] = childrenOf(field) ?? [];
    if (inner === undefined || more.length > 0) return true;
    const tag = bytesOf(inner)[0];
    if (bytesOf(field)[0]! >= 0xa2) return tag !== 0x02;
    const [type, hashParameters, ...rest] = childrenOf(inner) ?? [];
    if (tag !== 0x30 || type === undefined || bytesOf(type)[0] !== 0x06 || rest.length > 0) return true;
    if (bytesOf(field)[0] === 0xa0) return hashParameters !== undefined && !isNull(hashParameters);
    const [maskType, maskParameters, ...maskRest] =
      hashParameters === undefined ? [] : (childrenOf(hashParameters) ?? []);
    return (
      hashParameters === undefined ||
      bytesOf(hashParameters)[0] !== 0x30 ||
      maskType === undefined ||
      bytesOf(maskType)[0] !== 0x06 ||
      maskRest.length > 0 ||
      (maskParameters !== undefined && !isNull(maskParameters))
    );
  });
}

function hasOddValue(oid: string, tag: number, shape: string, tree: Asn1): boolean {
  switch (oid) {
    case oids.basicConstraints:
      return tag !== 0x30 || !/^(01)? ?(02)?$/.test(shape);
    case oids.keyUsage:
      return tag !== 0x03;
    case oids.extendedKeyUsage:
      return tag !== 0x30 || !/^(06( 06)*)?$/.test(shape);
    case oids.subjectKeyIdentifier:
      return tag !== 0x04;
    case oids.subjectAltName:
      return tag !== 0x30 || (childrenOf(tree) ?? []).some(isOddName);
    default:
      return tag !== 0x30 || shape !== '02 02';
  }
}

/** OtherName, and a Name under [4]. */
function isOddName(name: Asn1): boolean {
  const tags = (childrenOf(name) ?? []).map((child) => bytesOf(child)[0]!);
  switch (bytesOf(name)[0]) {
    case 0xa0:
      return (
        tags.length !== 2 || tags[0] !== 0x06 || tags[1] !== 0xa0 || childrenOf(childrenOf(name)![1]!)?.length !== 1
      );
    case 0xa4:
      return tags.length !== 1 || tags[0] !== 0x30 || hasOddRdns(childrenOf(name)![0]!);
    default:
      return false;
  }
}

function hasOddRdns(name: Asn1): boolean {
  return (childrenOf(name) ?? []).some(
    (rdn) =>
      bytesOf(rdn)[0] !== 0x31 ||
      (childrenOf(rdn) ?? []).some((one) => {
        const fields = childrenOf(one) ?? [];
        return bytesOf(one)[0] !== 0x30 || fields.length !== 2 || bytesOf(fields[0]!)[0] !== 0x06;
      }),
  );
}
