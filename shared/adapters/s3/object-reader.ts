import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { ObjectReader } from '../acm-pca/audit-reports.ts';

export interface S3ReaderOptions {
  readonly region: string;
}

/** Objects of S3, read as they come in bounded memory, with the credentials that the process has. */
export function createS3ObjectReader({ region }: S3ReaderOptions): ObjectReader {
  const client = new S3Client({ region });
  return async function* read(bucket, key) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    if (Body === undefined) throw new Error(`the object ${key} has no body`);
    yield* Body as AsyncIterable<Uint8Array>;
  };
}
