import {
  Boolean as Asn1Boolean,
  type BaseBlock,
  BitString,
  Constructed,
  fromBER,
  Integer,
  ObjectIdentifier,
  OctetString,
} from 'asn1js';

/** Any node of asn1js's tree. */
export type Asn1 = InstanceType<typeof BaseBlock>;

/** Beyond what the parser takes, so that its own limits are seen; octets that may be DER are opened where that is wanted. */
const limits = { maxDepth: 200, maxNodes: 60_000, parseEmbedded: false };

/** asn1js's reading of the first element of `bytes`, BER with all its liberties; undefined when it makes nothing of it. */
export function readBer(bytes: Uint8Array): { readonly tree: Asn1; readonly end: number } | undefined {
  try {
    const { offset, result } = fromBER(bytes as Uint8Array<ArrayBuffer>, limits);
    return offset === -1 || result.error !== '' ? undefined : { tree: result as Asn1, end: offset };
  } catch {
    return undefined;
  }
}

/** The children of a constructed node; undefined of another. */
export function childrenOf(node: Asn1): readonly Asn1[] | undefined {
  return node instanceof Constructed ? (node.valueBlock.value as Asn1[]) : undefined;
}

/** An element as it stood in what asn1js read, header included. */
export function bytesOf(node: Asn1): Uint8Array {
  return node.valueBeforeDecodeView;
}

/**
 * DER (X.690 §10, §11) of what asn1js understood, made from its values rather than from the bytes: what is DER already comes
 * out as it went in. Content that asn1js keeps as octets (strings) is taken as it stands.
 */
export function canonicalOf(node: Asn1): Uint8Array {
  const children = childrenOf(node);
  const { isConstructed, tagClass, tagNumber } = node.idBlock;
  const classBits = (tagClass - 1) << 6;
  if (children !== undefined) {
    const parts = children.map(canonicalOf);
    // X.690 §11.6: the encodings of a SET OF in ascending order.
    if (tagClass === 1 && tagNumber === 17) parts.sort(Buffer.compare);
    const isPrimitive = !isConstructed || (tagClass === 1 && !constructedTypes.has(tagNumber));
    return element(classBits | (isPrimitive ? 0 : 0x20) | tagNumber, Buffer.concat(parts));
  }
  return element(classBits | tagNumber, contentOf(node));
}

/**
 * Universal types that DER has constructed: EXTERNAL, EMBEDDED PDV, SEQUENCE, SET, CHARACTER STRING. A string is primitive
 * (X.690 §10.2), and so is the ObjectDescriptor, which is a GraphicString: asn1js takes it for any constructed element.
 */
const constructedTypes: ReadonlySet<number> = new Set([8, 11, 16, 17, 29]);

function contentOf(node: Asn1): Uint8Array {
  if (node instanceof Asn1Boolean) return Uint8Array.of(node.getValue() ? 0xff : 0);
  if (node instanceof Integer) return minimalInteger(new Uint8Array(node.valueBlock.valueHexView));
  if (node instanceof ObjectIdentifier) return minimalArcs(rawContentOf(node));
  if (node instanceof BitString) {
    const { unusedBits, valueHexView } = node.valueBlock;
    const octets = Uint8Array.of(unusedBits, ...valueHexView);
    if (octets.length > 1) octets[octets.length - 1] = octets[octets.length - 1]! & (0xff << unusedBits);
    return octets;
  }
  if (node instanceof OctetString) return node.valueBlock.valueHexView;
  return rawContentOf(node);
}

/** Content octets of an element, as they stood. */
export function rawContentOf(node: Asn1): Uint8Array {
  const raw = bytesOf(node);
  return raw.subarray(raw.length - node.lenBlock.length);
}

/** X.690 §8.19.2, on the octets: asn1js has no exact value of an arc beyond 2^53. */
function minimalArcs(octets: Uint8Array): Uint8Array {
  return octets.filter((octet, at) => octet !== 0x80 || (at > 0 && octets[at - 1]! >= 0x80));
}

function minimalInteger(octets: Uint8Array): Uint8Array {
  let start = 0;
  while (start < octets.length - 1) {
    const nextIsNegative = octets[start + 1]! >= 0x80;
    if (octets[start] !== (nextIsNegative ? 0xff : 0)) break;
    start += 1;
  }
  return octets.subarray(start);
}

function element(tag: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  if (content.length < 0x80) length.push(content.length);
  else {
    for (let rest = content.length; rest > 0; rest = Math.floor(rest / 256)) length.unshift(rest & 0xff);
    length.unshift(0x80 | length.length);
  }
  return Buffer.concat([Uint8Array.of(tag, ...length), content]);
}

/** Whether `bytes` are one element, and DER by asn1js's understanding of it. */
export function isCanonical(bytes: Uint8Array): boolean {
  const read = readBer(bytes);
  return read !== undefined && read.end === bytes.length && Buffer.compare(canonicalOf(read.tree), bytes) === 0;
}
