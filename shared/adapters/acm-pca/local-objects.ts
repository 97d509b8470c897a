import type { ObjectReader } from './audit-reports.ts';

/** A report of a million certificates is 400 MB, which takes seconds on this machine. */
const readMsMax = 600_000;

/** Objects of the local endpoint, which serves its folder of buckets under `/_s3/` to this machine alone. */
export function createLocalObjectReader(endpoint: string): ObjectReader {
  return async function* read(bucket, key) {
    const path = [bucket, ...key.split('/')].map(encodeURIComponent).join('/');
    const response = await fetch(new URL(`/_s3/${path}`, endpoint), {
      redirect: 'error',
      signal: AbortSignal.timeout(readMsMax),
    });
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new Error(`the object ${key} was answered with status ${response.status}`);
    }
    yield* response.body;
  };
}
