import { Boolean as Asn1Boolean, BitString, Null, ObjectIdentifier, OctetString } from 'asn1js';
import { oid } from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import { type Asn1, bytesOf, canonicalOf, childrenOf, rawContentOf, readBer } from './canonical.ts';
import type { OracleReading } from './oracle.ts';

/** Octets inside the request that the parser takes for DER of its own. */
export interface InnerValue {
  readonly oid: string;
  readonly bytes: Uint8Array;
  readonly read: ReturnType<typeof readBer>;
}

/** What can be said of an input by asn1js's tree alone: the parser's own words have to be borne out by it. */
export interface Facts {
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly tree: Asn1;
  readonly version: Asn1 | undefined;
  readonly subject: Asn1 | undefined;
  readonly spki: Asn1 | undefined;
  readonly signatureAlgorithm: Asn1 | undefined;
  readonly signature: Asn1 | undefined;
  /** Every element, those of inner values included. */
  readonly nodes: readonly Asn1[];
  readonly attributes: readonly Asn1[];
  /** Elements of every list of extensions. */
  readonly extensions: readonly Asn1[];
  readonly values: readonly InnerValue[];
  /** Content of the key's BIT STRING, without its unused bits. */
  readonly keyBits: Uint8Array;
  readonly isCanonical: boolean;
  readonly depth: number;
}

const decodedExtensions = new Set<string>([
  oids.subjectAltName,
  oids.basicConstraints,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.subjectKeyIdentifier,
]);

export function factsOf(bytes: Uint8Array, { end, tree }: OracleReading): Facts {
  const [info, signatureAlgorithm, signature] = childrenOf(tree) ?? [];
  const [version, subject, spki, attributeList] = info === undefined ? [] : (childrenOf(info) ?? []);
  const attributes = attributeList === undefined ? [] : (childrenOf(attributeList) ?? []);
  const extensions = attributes.flatMap((attribute) => {
    const [type, values] = childrenOf(attribute) ?? [];
    const isForThem = hasOid(type, oids.extensionRequest) || hasOid(type, oids.microsoftExtensionRequest);
    return isForThem && values !== undefined
      ? (childrenOf(values) ?? []).flatMap((list) => childrenOf(list) ?? [])
      : [];
  });
  const keyNode = spki === undefined ? undefined : childrenOf(spki)?.[1];
  const keyBits = keyNode === undefined ? new Uint8Array() : rawContentOf(keyNode).subarray(1);
  const values = innerValues(extensions, spki, keyBits);
  const nodes = [tree, ...values.flatMap(({ read }) => (read === undefined ? [] : [read.tree]))].flatMap((root) =>
    allOf(root, []),
  );
  return {
    bytes,
    end,
    tree,
    version,
    subject,
    spki,
    signatureAlgorithm,
    signature,
    nodes,
    attributes,
    extensions,
    values,
    keyBits,
    get isCanonical() {
      return same(canonicalOf(tree), bytes.subarray(0, end)) && values.every(isCanonicalValue);
    },
    get depth() {
      return Math.max(depthOf(tree), ...values.map(({ read }) => (read === undefined ? 0 : depthOf(read.tree))));
    },
  };
}

function innerValues(extensions: readonly Asn1[], spki: Asn1 | undefined, keyBits: Uint8Array): readonly InnerValue[] {
  const values = extensions.flatMap((extension): InnerValue[] => {
    const fields = childrenOf(extension) ?? [];
    const value = fields.at(-1);
    const type = fields[0];
    if (!(type instanceof ObjectIdentifier) || !(value instanceof OctetString)) return [];
    const name = type.getValue();
    const bytes = new Uint8Array(value.valueBlock.valueHexView);
    return decodedExtensions.has(name) ? [{ oid: name, bytes, read: readBer(bytes) }] : [];
  });
  const [algorithm] = spki === undefined ? [] : (childrenOf(spki) ?? []);
  const keyType = algorithm === undefined ? undefined : childrenOf(algorithm)?.[0];
  if (hasOid(keyType, oids.rsaEncryption) || hasOid(keyType, oids.rsassaPss))
    values.push({ oid: oids.rsaEncryption, bytes: keyBits, read: readBer(keyBits) });
  return values;
}

function isCanonicalValue({ bytes, read }: InnerValue): boolean {
  return read !== undefined && same(canonicalOf(read.tree), bytes.subarray(0, read.end));
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function allOf(node: Asn1, into: Asn1[]): Asn1[] {
  into.push(node);
  for (const child of childrenOf(node) ?? []) allOf(child, into);
  return into;
}

function depthOf(node: Asn1): number {
  return 1 + (childrenOf(node) ?? []).reduce((most, child) => Math.max(most, depthOf(child)), 0);
}

/** Whether a node is this OBJECT IDENTIFIER, by its octets. */
export function hasOid(node: Asn1 | undefined, dotted: string): boolean {
  return node instanceof ObjectIdentifier && same(bytesOf(node), oid(dotted));
}

/** Whether a node is of the universal class with this number. */
export function isUniversal(node: Asn1 | undefined, tagNumber: number): boolean {
  return node !== undefined && node.idBlock.tagClass === 1 && node.idBlock.tagNumber === tagNumber;
}

export function isFalse(node: Asn1 | undefined): boolean {
  return node instanceof Asn1Boolean && !node.getValue();
}

export function isNull(node: Asn1 | undefined): boolean {
  return node instanceof Null;
}

export function unusedBitsOf(node: Asn1 | undefined): number {
  return node instanceof BitString ? node.valueBlock.unusedBits : 0;
}
