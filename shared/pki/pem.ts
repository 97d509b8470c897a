import { MalformedError } from './malformed.ts';

// Without its blank: a line that only nearly begins a block is refused, not read over as text.
const boundary = '-----BEGIN';
const begin = '-----BEGIN ';
const end = '-----END ';
const dashes = '-----';
const requestLabels: readonly string[] = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'];
const lineCharacters = 64;

/**
 * The DER of the one certification request in a body: PEM (RFC 7468; `CERTIFICATE REQUEST`, or the `NEW CERTIFICATE
 * REQUEST` of older tools), bare base64 of DER, or DER itself. Text may stand before the PEM block (certtool and
 * `openssl req -text` put it there), only white space after it; LF, CRLF and CR all end a line. What is returned is
 * not parsed yet. Throws MalformedError; time is linear in the body.
 */
export function decodeCertificationRequestBody(
  body: Uint8Array,
  limits: { readonly pemBytesMax: number } = { pemBytesMax: 65_536 },
): Uint8Array {
  if (body.length > limits.pemBytesMax) throw new MalformedError('der-too-long', 'the body is over its limit in bytes');
  if (isDer(body)) return body;
  // One character a byte: the text before the block is in whatever encoding the tool wrote.
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
  const start = text.indexOf(boundary);
  if (start >= 0) return decodeOnlyRequest(text, start);
  const base64 = withoutWhitespace(text);
  if (base64 === '') throw new MalformedError('body-empty', 'the body is empty');
  return decodeBase64(base64);
}

// A certification request in DER starts with a SEQUENCE and a length, which is no character of any text. '0' as the
// first character of a text is followed by a character.
function isDer(body: Uint8Array): boolean {
  const second = body[1];
  if (body[0] !== 0x30 || second === undefined) return false;
  const isText = (second >= 0x20 && second < 0x7f) || second === 0x09 || second === 0x0a || second === 0x0d;
  return !isText;
}

function decodeOnlyRequest(text: string, start: number): Uint8Array {
  const block = readBlock(text, start);
  if (!requestLabels.includes(block.label)) {
    throw new MalformedError('not-a-certification-request', 'the PEM block is not a certification request', start);
  }
  const rest = text.slice(block.next);
  if (/[^ \t\r\n\v\f]/.test(rest)) {
    if (requestLabels.some((label) => rest.includes(`${begin}${label}${dashes}`))) {
      throw new MalformedError('more-than-one-request', 'a body holds one certification request', block.next);
    }
    throw new MalformedError('der-trailing-bytes', 'only white space follows the PEM block', block.next);
  }
  const base64 = withoutWhitespace(block.content);
  if (base64 === '') throw new MalformedError('body-empty', 'the PEM block is empty', start);
  return decodeBase64(base64);
}

interface Block {
  readonly label: string;
  readonly content: string;
  /** The offset after the END line's dashes. */
  readonly next: number;
}

// Reads the block whose BEGIN line starts at `start`. Boundaries stand alone on their lines, labels agree, and nothing
// in between looks like another boundary; RFC 1421 headers fail as base64, since a colon is not in its alphabet.
function readBlock(text: string, start: number): Block {
  const startsLine = start === 0 || isLineEnd(text[start - 1]!) || byteOrderMarks.includes(text.slice(0, start));
  const beginEnd = lineEnd(text, start);
  const beginLine = trimBlanks(text.slice(start, beginEnd));
  if (!startsLine || !beginLine.startsWith(begin) || !beginLine.endsWith(dashes)) {
    throw new MalformedError('not-base64', 'a PEM boundary is a line of its own', start);
  }
  const label = beginLine.slice(begin.length, -dashes.length);
  const endStart = text.indexOf(dashes, beginEnd);
  if (endStart < 0) throw new MalformedError('not-base64', 'the PEM block has no END line', start);
  const endEnd = lineEnd(text, endStart);
  const endLine = trimBlanks(text.slice(endStart, endEnd));
  if (requestLabels.includes(label) && requestLabels.some((other) => endLine === `${begin}${other}${dashes}`)) {
    throw new MalformedError('more-than-one-request', 'a request begins inside another', endStart);
  }
  if (!isLineEnd(text[endStart - 1]!) || endLine !== `${end}${label}${dashes}`) {
    throw new MalformedError('not-base64', 'the END line does not match the BEGIN line', endStart);
  }
  return { label, content: text.slice(beginEnd, endStart), next: endEnd };
}

// The byte order mark some editors put before UTF-8, read as latin1 and as UTF-8.
const byteOrderMarks: readonly string[] = ['\u00ef\u00bb\u00bf', '\ufeff'];

function isLineEnd(character: string): boolean {
  return character === '\n' || character === '\r';
}

function lineEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && !isLineEnd(text[at]!)) at++;
  return at;
}

function trimBlanks(line: string): string {
  let stop = line.length;
  while (stop > 0 && (line[stop - 1] === ' ' || line[stop - 1] === '\t')) stop--;
  return line.slice(0, stop);
}

function withoutWhitespace(text: string): string {
  return text.replace(/[ \t\r\n]+/g, '');
}

// Strict RFC 4648 §4: alphabet, whole quantums, padding only where needed, unused bits zero. The runtime's decoder
// skips what it does not know; encoding its result again shows whether it skipped anything.
function decodeBase64(base64: string): Uint8Array {
  const octets = Buffer.from(base64, 'base64');
  if (octets.length === 0 || octets.toString('base64') !== base64) {
    throw new MalformedError('not-base64', 'the text is not base64');
  }
  return new Uint8Array(octets.buffer, octets.byteOffset, octets.byteLength);
}

/** PEM of `der` (RFC 7468): 64 columns, LF, a LF at the end. */
export function encodePem(label: string, der: Uint8Array): string {
  return writePem(label, der, '\n');
}

/** The same as a JSON string with its quotes: the only characters of PEM that JSON escapes are its LFs (RFC 8259 §7). */
export function encodeJsonPem(label: string, der: Uint8Array): string {
  return `"${writePem(label, der, '\\n')}"`;
}

function writePem(label: string, der: Uint8Array, lineEnd: string): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  let text = `${begin}${label}${dashes}${lineEnd}`;
  for (let at = 0; at < base64.length; at += lineCharacters) text += base64.slice(at, at + lineCharacters) + lineEnd;
  return `${text}${end}${label}${dashes}${lineEnd}`;
}

/**
 * The DER of every `label` block of a text, in order; blocks of other labels and text around blocks are passed over.
 * Throws MalformedError `not-base64` for a broken block, `der-too-many-elements` for more than `countMax`.
 */
export function decodePemBlocks(text: string, label: string, countMax: number): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let start = text.indexOf(begin);
  while (start >= 0) {
    const block = readBlock(text, start);
    if (block.label === label) {
      if (blocks.length >= countMax) throw new MalformedError('der-too-many-elements', 'too many PEM blocks', start);
      blocks.push(decodeBase64(withoutWhitespace(block.content)));
    }
    start = text.indexOf(begin, block.next);
  }
  return blocks;
}
