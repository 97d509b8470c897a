import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { finishRevocations } from '../../shared/issuance/revoke-certificate.ts';
import { revoke } from './revoke.ts';
import { raiseOfProcess, wiring } from './wiring.ts';

const wired = wiring();

/** Revokes one certificate. */
export const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
  .use(problemDocuments(raiseOfProcess()))
  .handler(async (event) => revoke(await wired, event));

/** Every minute: goes on with revocations that their CA has not taken yet. */
export const watch = middy<unknown, { readonly finished: number; readonly pending: number }>().handler(async () => {
  const ports = await wired;
  return finishRevocations(ports, ({ issuanceId }, cause) =>
    ports.logger.warn('a revocation could not be finished', { issuanceId, error: cause as Error }),
  );
});
