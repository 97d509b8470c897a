/** Octets of an address (4 or 16) as canonical text: dotted decimal, or RFC 5952; undefined for another length. */
export function formatIpAddress(octets: Uint8Array): string | undefined {
  if (octets.length === 4) return octets.join('.');
  return octets.length === 16 ? formatIpv6(octets) : undefined;
}

function formatIpv6(octets: Uint8Array): string {
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(octets[at]! * 256 + octets[at + 1]!);
  // RFC 5952 §5: an IPv4-mapped address is known by its prefix and shows its last 32 bits in dotted decimal.
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${octets.subarray(12).join('.')}`;
  }
  const { start, length } = longestZeroRun(groups);
  const text = (from: number, to: number) => groups.slice(from, to).map((group) => group.toString(16));
  if (length < 2) return text(0, 8).join(':');
  return `${text(0, start).join(':')}::${text(start + length, 8).join(':')}`;
}

// The first of the longest runs (RFC 5952 §4.2.3).
function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  groups.forEach((group, index) => {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  });
  return best;
}

/** The octets of an address in dotted decimal or in any form RFC 4291 §2.2 allows without a zone; else undefined. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

// Octets of colon-separated groups; the last may be dotted decimal where the text ends.
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return [];
  const octets: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      octets.push(value >> 8, value & 0xff);
      continue;
    }
    const dotted = isLast && index === groups.length - 1 ? parseIpv4(group) : undefined;
    if (dotted === undefined) return undefined;
    octets.push(...dotted);
  }
  return octets;
}

/**
 * Octets of an address range as nameConstraints write it (RFC 5280 §4.2.1.10: address then mask, 8 or 32 octets) in
 * CIDR text; undefined for another length, a mask with gaps or an address with bits outside its mask.
 */
export function formatIpRange(octets: Uint8Array): string | undefined {
  if (octets.length !== 8 && octets.length !== 32) return undefined;
  const half = octets.length / 2;
  const bits = Array.from(octets.subarray(half), (octet) => octet.toString(2).padStart(8, '0')).join('');
  const prefix = /^(1*)0*$/.exec(bits)?.[1]?.length;
  const isInside = octets.subarray(0, half).every((octet, index) => (octet & ~octets[half + index]!) === 0);
  return prefix === undefined || !isInside ? undefined : `${formatIpAddress(octets.subarray(0, half))}/${prefix}`;
}

/** The octets (address then mask) of a range in CIDR text, a bare address being a range of one; else undefined. */
export function parseIpRange(text: string): Uint8Array | undefined {
  const [addressText, prefixText, ...rest] = text.split('/');
  const address = parseIpAddress(addressText ?? '');
  if (address === undefined || rest.length > 0) return undefined;
  const prefix = prefixText ?? String(address.length * 8);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(prefix) || Number(prefix) > address.length * 8) return undefined;
  const range = new Uint8Array(address.length * 2);
  for (const [index, octet] of address.entries()) {
    const maskBits = Math.min(8, Math.max(0, Number(prefix) - index * 8));
    const mask = (0xff00 >> maskBits) & 0xff;
    if ((octet & ~mask) !== 0) return undefined;
    range[index] = octet;
    range[address.length + index] = mask;
  }
  return range;
}
