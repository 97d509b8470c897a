/** DER as a tree that can be put out of order, and written again with or without its faults. */

/** How the length octets of an element are written. */
export type LengthForm =
  | { readonly kind: 'shortest' }
  /** That many octets after the first, leading zeros where the length does not need them. */
  | { readonly kind: 'padded'; readonly octets: number }
  /** 0x80, with or without the end-of-contents octets. */
  | { readonly kind: 'indefinite'; readonly ended: boolean }
  /** A length that is not the content's. */
  | { readonly kind: 'off'; readonly by: number }
  /** These octets, whatever the content. */
  | { readonly kind: 'octets'; readonly octets: Uint8Array };

/** `prefix` is an octet before the children: the unused bits of a BIT STRING that holds DER. */
export interface Element {
  tag: number;
  body: Uint8Array | Element[];
  prefix: number | undefined;
  length: LengthForm;
}

export const shortest: LengthForm = { kind: 'shortest' };

export function leaf(tag: number, body: Uint8Array): Element {
  return { tag, body, prefix: undefined, length: shortest };
}

export function branch(tag: number, body: Element[]): Element {
  return { tag, body, prefix: undefined, length: shortest };
}

export function cloneElement(element: Element): Element {
  const { body, length, prefix, tag } = element;
  return { tag, body: body instanceof Uint8Array ? body : body.map(cloneElement), prefix, length };
}

/**
 * The tree of sound DER. OCTET STRINGs and BIT STRINGs that hold exactly one SEQUENCE (values of extensions, RSA keys)
 * are branches too.
 */
export function parseElement(der: Uint8Array): Element {
  const [element] = parseAll(der, 0, der.length) ?? [];
  if (element === undefined) throw new Error('the material of the fuzzer is sound DER');
  return element;
}

function parseAll(der: Uint8Array, start: number, end: number): Element[] | undefined {
  const elements: Element[] = [];
  for (let at = start; at < end; ) {
    const first = der[at + 1]!;
    const lengthOctets = first < 0x80 ? 0 : first & 0x7f;
    const contentStart = at + 2 + lengthOctets;
    let length = lengthOctets === 0 ? first : 0;
    for (let index = at + 2; index < contentStart; index++) length = length * 256 + der[index]!;
    const next = contentStart + length;
    if (!(next <= end) || lengthOctets > 4) return undefined;
    elements.push(elementOf(der, at, contentStart, next));
    at = next;
  }
  return elements;
}

function elementOf(der: Uint8Array, at: number, contentStart: number, end: number): Element {
  const tag = der[at]!;
  const prefix = tag === 0x03 ? der[contentStart] : undefined;
  const innerStart = prefix === undefined ? contentStart : contentStart + 1;
  const holdsDer = (tag & 0x20) !== 0 || ((tag === 0x04 || prefix === 0) && der[innerStart] === 0x30);
  const children = holdsDer ? parseAll(der, innerStart, end) : undefined;
  if (children === undefined) return leaf(tag, der.slice(contentStart, end));
  return { tag, body: children, prefix, length: shortest };
}

/** What an input may grow to: a little above what the parser takes. */
export const inputBytesMax = 72 * 1024;

const scratch = new Uint8Array(2 * inputBytesMax);

/** Written from its end to its beginning, as every length is known then; undefined when it grows beyond `inputBytesMax`. */
export function encodeElement(element: Element): Uint8Array | undefined {
  const start = writeBefore(element, scratch.length);
  return start < scratch.length - inputBytesMax ? undefined : scratch.slice(start);
}

function writeBefore(element: Element, end: number): number {
  const { body, length, prefix, tag } = element;
  let at = end;
  if (length.kind === 'indefinite' && length.ended) {
    at = put(at, 0);
    at = put(at, 0);
  }
  const contentEnd = at;
  if (body instanceof Uint8Array) {
    if (body.length > at) return -1;
    at -= body.length;
    scratch.set(body, at);
  } else {
    for (let index = body.length - 1; index >= 0 && at >= 0; index--) at = writeBefore(body[index]!, at);
  }
  if (prefix !== undefined) at = put(at, prefix);
  return put(writeLength(length, contentEnd - at, at), tag);
}

function put(at: number, octet: number): number {
  if (at <= 0) return -1;
  scratch[at - 1] = octet;
  return at - 1;
}

function writeLength(form: LengthForm, size: number, end: number): number {
  switch (form.kind) {
    case 'shortest':
      return writeCount(size, 0, end);
    case 'padded':
      return writeCount(size, form.octets, end);
    case 'off':
      return writeCount(Math.max(0, size + form.by), 0, end);
    case 'indefinite':
      return put(end, 0x80);
    case 'octets': {
      let at = end;
      for (let index = form.octets.length - 1; index >= 0; index--) at = put(at, form.octets[index]!);
      return at;
    }
  }
}

function writeCount(size: number, octetsMin: number, end: number): number {
  if (size < 0x80 && octetsMin === 0) return put(end, size);
  let at = end;
  let octets = 0;
  for (let rest = size; rest > 0 || octets < Math.max(1, octetsMin); rest = Math.floor(rest / 256)) {
    at = put(at, rest & 0xff);
    octets += 1;
  }
  return put(at, 0x80 | octets);
}
