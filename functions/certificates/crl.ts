import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { pathParameter } from '../../shared/adapters/aws-lambda/http-request.ts';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import type { Clock } from '../../shared/issuance/ports.ts';
import type { CrlReader } from '../../shared/issuance/publish-crls.ts';
import { parseCertificateList } from '../../shared/pki/certificate-list.ts';

/** A revocation is seen no later than this after its CRL is there. */
const maxAgeSeconds = 300;

/** GET /v1/crls/{authority}/{shard}: DER, to anybody, over plain HTTP (RFC 5280 §8); cached, never past nextUpdate. */
export async function crl(
  { clock, crlObjects }: { readonly clock: Clock; readonly crlObjects: CrlReader | undefined },
  event: APIGatewayProxyEventV2,
): Promise<HttpResponse> {
  const bytes = await crlObjects?.read(`${pathParameter(event, 'authority')}/${pathParameter(event, 'shard')}`);
  if (bytes === undefined) throw new SealwrightError('not-found');
  const { nextUpdate, number, thisUpdate } = parseCertificateList(bytes);
  const leftSeconds = Math.max(0, Math.floor((nextUpdate - clock()) / 1_000));
  return {
    statusCode: 200,
    headers: {
      'content-type': 'application/pkix-crl',
      'cache-control': `public, max-age=${Math.min(maxAgeSeconds, leftSeconds)}`,
      'last-modified': new Date(thisUpdate).toUTCString(),
      expires: new Date(nextUpdate).toUTCString(),
      etag: `"${number}"`,
    },
    body: Buffer.from(bytes).toString('base64'),
    isBase64Encoded: true,
  };
}
