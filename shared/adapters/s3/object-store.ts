/**
 * Objects of S3: read as they come, in bounded memory, and replaced as a whole. S3 is strongly consistent, and a PutObject is
 * there entirely or not at all (https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel).
 */
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { ObjectError, readResumed } from './resumed-read.ts';

export interface ObjectStore {
  /**
   * The bytes of an object, from the first to the last. A connection that breaks is taken up where it broke, and only on the
   * same object. Throws when it is not there, ends before its length, or was replaced meanwhile.
   */
  read(bucket: string, key: string): AsyncIterable<Uint8Array>;
  /**
   * Replaces an object as a whole, if its version is still `expected`: 'absent' where it must not be there yet, undefined for
   * whatever is there. Readers see the old bytes or the new, never a mixture.
   */
  replace(bucket: string, key: string, content: ObjectContent, expected?: string): Promise<ReplaceOutcome>;
}

export interface ObjectContent {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** Cache-Control, for what is served from the bucket. */
  readonly cacheControl?: string;
}

export type ReplaceOutcome =
  | { readonly kind: 'replaced'; readonly version: string }
  /** Somebody else has replaced it, or it is there already, or not there. */
  | { readonly kind: 'conflict' };

export function createS3ObjectStore(client: S3Client): ObjectStore {
  return {
    read: (bucket, key) =>
      readResumed(key, async (from, version) => {
        const { Body, ContentLength, ETag } = await client.send(
          new GetObjectCommand({
            Bucket: bucket,
            Key: key,
            ...(from === 0 ? {} : { Range: `bytes=${from}-` }),
            ...(version === undefined ? {} : { IfMatch: version }),
          }),
        );
        return { body: Body as AsyncIterable<Uint8Array> | undefined, length: ContentLength, version: ETag };
      }),
    async replace(bucket, key, { bytes, contentType, cacheControl }, expected) {
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: bytes,
        ContentType: contentType,
        ...(cacheControl === undefined ? {} : { CacheControl: cacheControl }),
        ...(expected === 'absent' ? { IfNoneMatch: '*' } : expected === undefined ? {} : { IfMatch: expected }),
      });
      try {
        const { ETag } = await client.send(command);
        if (ETag === undefined) throw new ObjectError(`${key} was stored without a version`);
        return { kind: 'replaced', version: ETag };
      } catch (error) {
        if (expected !== undefined && isConflict(error)) return { kind: 'conflict' };
        throw error;
      }
    },
  };
}

/**
 * 412 PreconditionFailed; 409 ConditionalRequestConflict when another write is under way; 404 NoSuchKey when there is nothing
 * to match (API reference of PutObject). An answer that was lost and a repeat of the SDK's make a conflict too: the caller reads.
 */
function isConflict(error: unknown): boolean {
  const { name = '' } = error instanceof Error ? error : {};
  const status = (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | null)?.$metadata
    ?.httpStatusCode;
  return status === 412 || status === 409 || name === 'NoSuchKey';
}
