import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { crl } from './crl.ts';
import { authority, authorityCertificate, enrollment, listAuthorities } from './routes.ts';
import { wiring } from './wiring.ts';

const stack = wiring();

const routes: Readonly<Record<string, (event: APIGatewayProxyEventV2) => Promise<HttpResponse>>> = {
  'GET /v1/enrollments/{issuanceId}': (event) => enrollment(stack, event),
  'GET /v1/crls/{authority}/{shard}': (event) => crl(stack, event),
  'GET /v1/authorities': () => listAuthorities(stack),
  'GET /v1/authorities/{id}': (event) => authority(stack, event),
  'GET /v1/authorities/{id}/certificate': (event) => authorityCertificate(stack, event),
};

/** Hands out certificates, and the CAs they chain to. */
export const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
  .use(problemDocuments(stack.raise))
  .handler(async (event) => {
    const route = routes[event.routeKey];
    if (route === undefined) throw new Error(`no route ${event.routeKey} in this function`);
    return route(event);
  });
