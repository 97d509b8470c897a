/**
 * S3 as far as this endpoint needs it: objects are files `buckets/<bucket>/<key>` in the state folder, made as they are
 * written. There are no bucket policies, and no bucket has to be created.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Names of general purpose buckets, but for the reserved prefixes and suffixes. */
const bucketName = /^(?=[a-z0-9.-]{3,63}$)[a-z0-9]+(?:-+[a-z0-9]+|\.[a-z0-9]+)*$/;
const keySegment = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
const keyCharactersMax = 1024;
const keySegmentsMax = 16;

/** Whether S3 would take this as the name of a bucket. */
export function isBucketName(name: string): boolean {
  return bucketName.test(name);
}

/**
 * File of an object; undefined for a bucket or key that none has. Segments neither are empty nor begin with a dot, so that the
 * path stays inside the bucket's folder.
 */
export function objectPath(stateDir: string, bucket: string, key: string): string | undefined {
  const segments = key.split('/');
  const isKey = key.length <= keyCharactersMax && segments.length <= keySegmentsMax;
  if (!isBucketName(bucket) || !isKey || !segments.every((segment) => keySegment.test(segment))) return undefined;
  return join(stateDir, 'buckets', bucket, ...segments);
}

/**
 * Writes an object, chunk by chunk; as in S3, it is there whole or not at all. Readable by its owner alone. A failure, or
 * `chunks` throwing, leaves what was there before.
 */
export async function putObject(path: string, chunks: AsyncIterable<string>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // No key has a segment that begins with a dot, so this name is no object's.
  const unfinished = join(dirname(path), `.${path.slice(dirname(path).length + 1)}.unfinished`);
  const file = await open(unfinished, 'w', 0o600);
  try {
    for await (const chunk of chunks) await file.writeFile(chunk);
    await file.close();
    await rename(unfinished, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(unfinished, { force: true });
    throw error;
  }
}
