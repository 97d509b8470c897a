import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Reads what a stopped Badger v2 has in its value log, which is its write-ahead log: every write goes there first, and
 * with `SyncWrites` it is on the disk before it is acknowledged. Format: `value.go` and `structs.go` of badger v2.2007.
 *
 * A file is a header of 20 bytes, then entries: meta, user meta, key length, value length and expiry (unsigned varints),
 * the key with a version of 8 bytes at its end, the value, and a CRC-32C of all of these, big endian.
 */

const fileHeaderBytes = 20;
const versionBytes = 8;
const crcBytes = 4;
const varintBytesMax = 10;

/** Keys of a bucket as smallstep/nosql writes them, each once: a table's own marker, which has no key, is none of them. */
export function countBadgerKeys(dir: string, bucket: string): number {
  const keys = new Set<string>();
  const files = readdirSync(dir).filter((file) => file.endsWith('.vlog'));
  for (const file of files) {
    for (const key of badgerLogKeys(readFileSync(join(dir, file)))) {
      const found = splitKey(key);
      if (found?.bucket === bucket) keys.add(found.key);
    }
  }
  return keys.size;
}

/** Keys of all whole entries of a log, in order, without their version. Ends where the log ends, or is torn. */
export function* badgerLogKeys(log: Buffer): Generator<Buffer> {
  for (let at = fileHeaderBytes; at + 2 < log.length; ) {
    const keyLength = readVarint(log, at + 2);
    const valueLength = readVarint(log, keyLength.next);
    const expiry = readVarint(log, valueLength.next);
    const valueAt = expiry.next + keyLength.value;
    const crcAt = valueAt + valueLength.value;
    if (keyLength.value < versionBytes || crcAt + crcBytes > log.length) return;
    if (crc32c(log.subarray(at, crcAt)) !== log.readUInt32BE(crcAt)) return;
    yield log.subarray(expiry.next, valueAt - versionBytes);
    at = crcAt + crcBytes;
  }
}

function readVarint(bytes: Buffer, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let index = 0; index < varintBytesMax; index++) {
    const byte = bytes[from + index] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, next: from + index + 1 };
  }
  return { value: Number.MAX_SAFE_INTEGER, next: bytes.length };
}

/** Bucket and key, each after its length in two bytes, little endian. */
function splitKey(bytes: Buffer): { readonly bucket: string; readonly key: string } | undefined {
  if (bytes.length < 2) return undefined;
  const keyAt = 2 + bytes.readUInt16LE(0);
  if (bytes.length < keyAt + 2 || bytes.length !== keyAt + 2 + bytes.readUInt16LE(keyAt)) return undefined;
  return { bucket: bytes.toString('latin1', 2, keyAt), key: bytes.toString('latin1', keyAt + 2) };
}

const castagnoli = 0x82f63b78;

const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ castagnoli : value >>> 1;
  return value >>> 0;
});

/** CRC-32C (RFC 3720 §12.1, appendix B.4). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
