/**
 * An incremental reader of a JSON array of objects, as an audit report is: one line of up to hundreds of megabytes, longer
 * than a string can be. Only one element is held at a time; what an element means is `JSON.parse`'s to say.
 */
import { TextDecoder } from 'node:util';

export interface JsonArrayLimits {
  readonly elementBytesMax: number;
  readonly elementsMax: number;
  /** Of objects and arrays within an element, the element itself being one. */
  readonly depthMax: number;
}

/** The text is no array of objects, is longer than a limit, or ends before the array does. */
export class JsonArrayError extends Error {
  override readonly name = 'JsonArrayError';
}

export interface JsonArrayScanner {
  /** Elements that end in this chunk, as bytes. Throws `JsonArrayError`. */
  push(chunk: Uint8Array): readonly Uint8Array[];
  /** Throws `JsonArrayError` unless the array was complete. */
  end(): void;
}

const code = {
  quote: 0x22,
  comma: 0x2c,
  openArray: 0x5b,
  backslash: 0x5c,
  closeArray: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
} as const;

function isWhiteSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** What may come next outside of elements. */
type Expected = 'array' | 'first' | 'element' | 'separator' | 'nothing';

function refuse(detail: string): never {
  throw new JsonArrayError(detail);
}

export function createJsonArrayScanner(limits: JsonArrayLimits): JsonArrayScanner {
  let expected: Expected = 'array';
  let depth = 0;
  let inString = false;
  let escaped = false;
  let elements = 0;
  /** The element under way, of the chunks before this one. */
  let held: Uint8Array[] = [];
  let heldBytes = 0;

  /** Between elements. */
  function step(byte: number): void {
    if (isWhiteSpace(byte)) return;
    if (expected === 'array' && byte === code.openArray) expected = 'first';
    else if ((expected === 'first' || expected === 'element') && byte === code.openObject) {
      depth = 1;
      elements += 1;
      if (elements > limits.elementsMax) refuse(`more than ${limits.elementsMax} elements`);
    } else if (expected === 'separator' && byte === code.comma) expected = 'element';
    else if ((expected === 'first' || expected === 'separator') && byte === code.closeArray) expected = 'nothing';
    else refuse('not an array of objects');
  }

  /** Inside an element; true at its last byte. */
  function stepInside(byte: number): boolean {
    if (inString) {
      if (escaped) escaped = false;
      else if (byte === code.backslash) escaped = true;
      else if (byte === code.quote) inString = false;
      return false;
    }
    if (byte === code.quote) inString = true;
    else if (byte === code.openObject || byte === code.openArray) {
      depth += 1;
      if (depth > limits.depthMax) refuse(`deeper than ${limits.depthMax}`);
    } else if (byte === code.closeObject || byte === code.closeArray) depth -= 1;
    return depth === 0;
  }

  function take(piece: Uint8Array): Uint8Array {
    if (heldBytes + piece.length > limits.elementBytesMax) refuse(`an element of over ${limits.elementBytesMax} bytes`);
    if (heldBytes === 0) return piece;
    const whole = Buffer.concat([...held, piece]);
    held = [];
    heldBytes = 0;
    return whole;
  }

  return {
    push(chunk) {
      const complete: Uint8Array[] = [];
      let start = 0;
      for (let index = 0; index < chunk.length; index++) {
        const byte = chunk[index]!;
        if (depth === 0) {
          step(byte);
          start = index;
        } else if (stepInside(byte)) {
          complete.push(take(chunk.subarray(start, index + 1)));
          expected = 'separator';
        }
      }
      if (depth > 0) {
        const rest = chunk.subarray(start);
        if (heldBytes + rest.length > limits.elementBytesMax)
          refuse(`an element of over ${limits.elementBytesMax} bytes`);
        // A copy: a reader may use its buffer again.
        held.push(Uint8Array.from(rest));
        heldBytes += rest.length;
      }
      return complete;
    },
    end() {
      if (expected !== 'nothing') refuse('the array ends early');
    },
  };
}

/** The elements of a JSON array, parsed one by one. Throws `JsonArrayError`, at the end too when the array is not complete. */
export async function* readJsonArray(
  chunks: AsyncIterable<Uint8Array>,
  limits: JsonArrayLimits,
): AsyncIterable<unknown> {
  const scanner = createJsonArrayScanner(limits);
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  for await (const chunk of chunks) {
    for (const bytes of scanner.push(chunk)) yield parse(utf8, bytes);
  }
  scanner.end();
}

function parse(utf8: TextDecoder, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    return refuse('an element is not JSON');
  }
}
