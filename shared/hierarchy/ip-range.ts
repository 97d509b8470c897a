import { parseIpRange } from '../pki/ip-address.ts';

/**
 * Whether every address of `inner` is in `outer`; both an address or a CIDR range, host bits zero. Unreadable text is in
 * nothing and holds nothing. IPv4 and IPv6 never contain one another, IPv4-mapped addresses included.
 */
export function ipRangeContains(outer: string, inner: string): boolean {
  const outside = parseIpRange(outer);
  const inside = parseIpRange(inner);
  if (outside === undefined || inside === undefined || outside.length !== inside.length) return false;
  // Octets are the address, then its mask: the outer mask must be part of the inner one, and the networks agree under it.
  const half = outside.length / 2;
  for (let index = 0; index < half; index += 1) {
    const mask = outside[half + index] ?? 0;
    if (((inside[half + index] ?? 0) & mask) !== mask) return false;
    if (((inside[index] ?? 0) & mask) !== (outside[index] ?? 0)) return false;
  }
  return true;
}
