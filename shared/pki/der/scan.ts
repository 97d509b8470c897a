import { MalformedError } from '../malformed.ts';
import { checkPrimitive, tags } from './primitive.ts';

/** What a DER value may cost: `bytesMax` octets, `depthMax` nested elements, `elementsMax` elements in all. */
export interface DerLimits {
  readonly bytesMax: number;
  readonly depthMax: number;
  readonly elementsMax: number;
}

/**
 * 64 KiB is the body the front takes. A certification request with extensions nests 8 deep, a certificate little more;
 * 32 leaves room and keeps recursion shallow. 1,500 names are some 1,600 elements, and 20,000 elements of three octets
 * fill 64 KiB.
 */
export const defaultDerLimits: DerLimits = { bytesMax: 65_536, depthMax: 32, elementsMax: 20_000 };

interface ScanState {
  readonly bytes: Uint8Array;
  readonly depthMax: number;
  elementsLeft: number;
}

const contextClass = 0x80;
const constructedBit = 0x20;
// EXTERNAL, EMBEDDED PDV and CHARACTER STRING are encoded as SEQUENCEs (X.690 §8.16 to §8.18): refused as types that
// no structure here uses, not for their form.
const constructedTypes: ReadonlySet<number> = new Set([0x28, 0x2b, 0x3d]);

/**
 * Proves that `bytes` is exactly one DER element within `limits`, all the way down: definite minimal lengths,
 * single-octet tags, canonical universal primitives, SET OF in order, nothing after it. Content of OCTET STRING and
 * BIT STRING and of context-specific primitives is opaque here. One pass, time linear in the bytes; throws
 * MalformedError and nothing else.
 */
export function scanDer(bytes: Uint8Array, limits: DerLimits): void {
  if (bytes.length > limits.bytesMax) throw new MalformedError('der-too-long', 'the DER is over its limit in bytes');
  const state: ScanState = { bytes, depthMax: limits.depthMax, elementsLeft: limits.elementsMax };
  const end = scanElement(state, 0, bytes.length, 1);
  if (end !== bytes.length) throw new MalformedError('der-trailing-bytes', 'bytes follow the DER value', end);
}

// Returns the offset after the element that starts at `start`; `limit` is where its parent ends.
function scanElement(state: ScanState, start: number, limit: number, depth: number): number {
  const bytes = state.bytes;
  if (depth > state.depthMax) throw new MalformedError('der-too-deep', 'elements nest too deep', start);
  if (--state.elementsLeft < 0) throw new MalformedError('der-too-many-elements', 'too many elements', start);
  if (start + 2 > limit) throw truncated(state, start, limit);
  const tag = bytes[start]!;
  if ((tag & 0x1f) === 0x1f) throw new MalformedError('der-malformed', 'no structure here has a tag above 30', start);
  const contentStart = contentOffset(state, start, limit);
  const end = contentStart + contentLength(bytes, start, contentStart);
  if (end > limit) throw truncated(state, start, limit);

  if (tag === tags.sequence || tag === tags.set) {
    if (tag === tags.set) scanSet(state, contentStart, end, depth);
    else scanChildren(state, contentStart, end, depth);
  } else if ((tag & 0xc0) === 0) {
    if ((tag & constructedBit) !== 0 && !constructedTypes.has(tag)) {
      throw new MalformedError('der-not-canonical', 'only SEQUENCE and SET are constructed', start);
    }
    checkPrimitive(bytes, tag, contentStart, end);
  } else if ((tag & 0xc0) !== contextClass) {
    throw new MalformedError('der-malformed', 'no structure here has an application or private tag', start);
  } else if ((tag & constructedBit) !== 0) {
    scanChildren(state, contentStart, end, depth);
  }
  return end;
}

function scanChildren(state: ScanState, start: number, end: number, depth: number): void {
  let at = start;
  while (at < end) at = scanElement(state, at, end, depth + 1);
}

// X.690 §11.6. OpenSSL, GnuTLS, keytool, Go and pyca/cryptography all sort the SETs of names and attribute values.
function scanSet(state: ScanState, start: number, end: number, depth: number): void {
  let previousStart = start;
  let at = start;
  while (at < end) {
    const next = scanElement(state, at, end, depth + 1);
    if (at > start && isAfter(state.bytes, previousStart, at, at, next)) {
      throw new MalformedError('der-not-canonical', 'the elements of a SET OF are in ascending order', at);
    }
    previousStart = at;
    at = next;
  }
}

// Encodings are self-delimiting, so of two unequal ones neither is a prefix of the other.
function isAfter(bytes: Uint8Array, start: number, end: number, otherStart: number, otherEnd: number): boolean {
  const length = Math.min(end - start, otherEnd - otherStart);
  for (let index = 0; index < length; index++) {
    const difference = bytes[start + index]! - bytes[otherStart + index]!;
    if (difference !== 0) return difference > 0;
  }
  return false;
}

// The offset of the content, with the length's form proven minimal and all its octets present.
function contentOffset(state: ScanState, start: number, limit: number): number {
  const bytes = state.bytes;
  const first = bytes[start + 1]!;
  if (first < 0x80) return start + 2;
  if (first === 0x80) throw new MalformedError('der-not-canonical', 'indefinite length is not DER', start);
  const count = first & 0x7f;
  if (start + 2 + count > limit) throw truncated(state, start, limit);
  const leading = bytes[start + 2]!;
  if (leading === 0 || (count === 1 && leading < 0x80)) {
    throw new MalformedError('der-not-canonical', 'a length has its shortest form', start);
  }
  return start + 2 + count;
}

/** The length the header at `start` declares; at least 2^32 counts as 2^32, which nothing here is long enough for. */
export function contentLength(bytes: Uint8Array, start: number, contentStart: number): number {
  const count = contentStart - start - 2;
  if (count === 0) return bytes[start + 1]!;
  if (count > 4) return 0x1_0000_0000;
  let length = 0;
  for (let at = start + 2; at < contentStart; at++) length = length * 256 + bytes[at]!;
  return length;
}

// At the end of all bytes something was cut off; inside a parent, child and parent contradict each other.
function truncated(state: ScanState, start: number, limit: number): MalformedError {
  return limit === state.bytes.length
    ? new MalformedError('der-truncated', 'the DER ends before its declared length', start)
    : new MalformedError('der-malformed', 'an element passes the end of the one that holds it', start);
}
