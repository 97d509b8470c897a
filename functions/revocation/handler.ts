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

export interface WatchReport {
  readonly finished: number;
  readonly pending: number;
}

/** Every minute: goes on with revocations that their CA has not taken yet. */
export const watch = middy<unknown, WatchReport>().handler(async () => {
  const ports = await wired;
  return finishRevocations(ports, ({ issuanceId, at }, cause) =>
    ports.raise('revocation-stuck', { issuanceId, askedAt: new Date(at).toISOString(), error: cause as Error }),
  );
});
