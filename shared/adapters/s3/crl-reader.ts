import type { CrlReader } from '../../issuance/publish-crls.ts';

/** As in the path of the URL, so that the bucket can be served as it is: `v1/crls/devices/1-0`. Undefined for what is no key. */
export function crlObjectKey(key: string): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\/[0-9]{1,9}-[0-9]{1,9}$/.test(key) ? `v1/crls/${key}` : undefined;
}

/** A shard is 128 KiB on its worst day, and somewhat more after a restore. */
export const crlBytesMax = 1024 * 1024;

type ReadObject = (bucket: string, key: string) => AsyncIterable<Uint8Array>;

/** Hands out what is published in a bucket. Throws what `read` throws, but for an object that is not there. */
export function createCrlReader(read: ReadObject, bucket: string): CrlReader {
  return {
    async read(key) {
      const object = crlObjectKey(key);
      if (object === undefined) return undefined;
      try {
        return await joined(read(bucket, object));
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
  };
}

/** Without the right to list a bucket, what is not there is answered AccessDenied (API reference of GetObject): that stays an error. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    length += chunk.length;
    if (length > crlBytesMax) throw new Error('the object is too large for a CRL');
  }
  return Buffer.concat(parts, length);
}
