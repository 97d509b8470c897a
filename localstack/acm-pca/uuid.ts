/** A version 4 UUID from 16 octets (RFC 9562 5.4). */
export function formatUuid(octets: Uint8Array): string {
  const bytes = Uint8Array.from(octets);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
