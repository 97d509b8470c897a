/**
 * Text that may be shown and logged, whatever it was made from: printable ASCII stays, all else (controls, escapes for
 * terminals, bidirectional overrides, quotes that would end the quotation) becomes \x.. or \u{..}. At most `max`
 * characters of output; what is cut off is marked with its length.
 */
export function printable(value: string, max = 80): string {
  let out = '';
  let taken = 0;
  for (const character of value) {
    const piece = escapeCharacter(character);
    if (out.length + piece.length > max) return `${out}… (${value.length} characters)`;
    out += piece;
    taken += character.length;
  }
  return taken === value.length ? out : `${out}…`;
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x20 && code < 0x7f && character !== "'" && character !== '\\') return character;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return `\\u{${code.toString(16)}}`;
}
