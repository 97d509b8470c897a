import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { publishCrls } from '../../shared/issuance/publish-crls.ts';
import { finishRevocations } from '../../shared/issuance/revoke-certificate.ts';
import { revoke } from './revoke.ts';
import { raiseOfProcess, wiring } from './wiring.ts';

const wired = wiring();

/** Revokes one certificate. */
export const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
  .use(problemDocuments(raiseOfProcess()))
  .handler(async (event) => revoke(await wired, event));

export interface WatchReport {
  readonly finished: number;
  readonly pending: number;
  /** CRLs made in this run. */
  readonly published: number;
}

/** Every minute: goes on with revocations that their CA has not taken yet, and publishes the CRLs that are due. */
export const watch = middy<unknown, WatchReport>().handler(async () => {
  const ports = await wired;
  const revocations = await finishRevocations(ports, ({ issuanceId }, cause) =>
    ports.logger.warn('a revocation could not be finished', { issuanceId, error: cause as Error }),
  );
  const { crlObjects, crlSource } = ports;
  if (crlObjects === undefined || crlSource === undefined) return { ...revocations, published: 0 };
  const { published } = await publishCrls({ ...ports, crlObjects, crlSource }, (caId, cause) =>
    ports.raise('backend-unavailable', { caId, error: cause as Error }),
  );
  return { ...revocations, published };
});
