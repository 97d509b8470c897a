import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { authenticateOperator } from '../../shared/adapters/aws-lambda/callers.ts';
import { type HttpResponse, jsonResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { reportCustody } from '../../shared/issuance/report-custody.ts';
import { type WatchedAuthority, watchCustody } from '../../shared/issuance/watch-custody.ts';
import { presentReport } from './present.ts';
import { raiseOfProcess, wiring } from './wiring.ts';

const wired = wiring();

/** GET /v1/custody: the evidence of every CA key, read now, and what follows from it. */
export const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
  .use(problemDocuments(raiseOfProcess()))
  .handler(async (event) => {
    const ports = await wired;
    await authenticateOperator(event, ports.operators, ports.clock, 'custody:read');
    return jsonResponse(200, presentReport(await reportCustody(ports)));
  });

/** Every minute: custody of every CA, whether anything is signed or not. */
export const watch = middy<unknown, { readonly watched: readonly WatchedAuthority[] }>().handler(async () => ({
  watched: await watchCustody(await wired),
}));
