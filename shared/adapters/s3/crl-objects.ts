import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { CrlObjects, PublishedCrl } from '../../issuance/publish-crls.ts';
import { crlBytesMax, crlObjectKey, isAbsent } from './crl-reader.ts';
import { createS3ObjectStore } from './object-store.ts';

/** What CloudFront and everybody behind it may keep one for: a revocation is seen no later than this after its CRL is there. */
const cacheControl = 'public, max-age=300';
const contentType = 'application/pkix-crl';

/**
 * CRLs in a bucket, under the paths of their URLs, each replaced as a whole and only while it has the version that was read: of two
 * who publish at once one wins. Versions are ETags.
 */
export function createS3CrlObjects(client: S3Client, bucket: string): CrlObjects {
  const { replace } = createS3ObjectStore(client);

  async function current(key: string): Promise<PublishedCrl | undefined> {
    const object = crlObjectKey(key);
    if (object === undefined) return undefined;
    try {
      const {
        Body,
        ContentLength = 0,
        ETag,
      } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: object }));
      if (Body === undefined || ETag === undefined || ContentLength > crlBytesMax)
        throw new Error(`${object} is no CRL: ${ContentLength} bytes`);
      return { bytes: await Body.transformToByteArray(), version: ETag };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  return {
    current,
    read: async (key) => (await current(key))?.bytes,
    async replace(key, bytes, expected) {
      const object = crlObjectKey(key);
      if (object === undefined) throw new Error('no key of a CRL');
      const { kind } = await replace(bucket, object, { bytes, contentType, cacheControl }, expected ?? 'absent');
      return kind;
    },
  };
}
