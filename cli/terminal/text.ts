/**
 * Text for a terminal. Anything that came from outside passes through `printable` first: a name in a CSR must not move
 * the cursor, hide a line or turn the direction of writing.
 */

/** C0, DEL, C1, line and paragraph separators, direction overrides and isolates, zero-width characters, lone surrogates. */
const unprintable =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|[\u{e0000}-\u{e0fff}]/gu;

/** The text with everything unprintable as `\xNN` or `\u{…}`, and the backslash doubled, so that nothing can be forged. */
export function printable(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(unprintable, (character) => {
    const code = character.codePointAt(0)!;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** One line of JSON that is safe to show: beyond JSON's own escapes, C1 and direction characters are escaped too. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(
    /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const combining = /^\p{M}$/u;
/** Ranges of characters that take two columns (Unicode UAX #11, the blocks that matter). */
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];

function characterWidth(character: string): number {
  const code = character.codePointAt(0)!;
  if (code < 0x300) return 1;
  if (combining.test(character)) return 0;
  return wideRanges.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
}

/** Columns a printable text takes. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** The text in at most `widthMax` columns; what does not fit is replaced by '…'. */
export function cut(text: string, widthMax: number): string {
  if (textWidth(text) <= widthMax) return text;
  let width = 0;
  let kept = '';
  for (const character of text) {
    width += characterWidth(character);
    if (width > widthMax - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Lines of at most `widthMax` columns, broken at spaces where there are any; the last one cut when there are more than `linesMax`. */
export function wrap(text: string, widthMax: number, linesMax: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  const words = text.split(' ').flatMap((word) => pieces(word, widthMax));
  for (const word of words) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (textWidth(longer) <= widthMax) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
  }
  lines.push(line);
  if (lines.length <= linesMax) return lines;
  return [...lines.slice(0, linesMax - 1), cut(lines.slice(linesMax - 1).join(' '), widthMax)];
}

function pieces(word: string, widthMax: number): readonly string[] {
  if (textWidth(word) <= widthMax) return [word];
  const parts: string[] = [];
  let part = '';
  let width = 0;
  for (const character of word) {
    const more = characterWidth(character);
    if (width + more > widthMax && part !== '') {
      parts.push(part);
      part = '';
      width = 0;
    }
    part += character;
    width += more;
  }
  parts.push(part);
  return parts;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';
const styleCodes: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/** Applies a style when `color` is true. The text must be printable already. */
export function styled(text: string, style: Style, color: boolean): string {
  if (!color || text === '') return text;
  const [on, off] = styleCodes[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** Colours only on a terminal that wants them (https://no-color.org: any non-empty NO_COLOR turns them off). */
export function wantsColor(
  stream: { readonly isTTY?: boolean | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  if ((environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb') return false;
  return stream.isTTY === true;
}
