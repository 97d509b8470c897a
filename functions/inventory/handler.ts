import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { authorityBlastRadius, valueBlastRadius } from './blast-radius.ts';
import { listCertificates, showCertificate } from './certificates.ts';
import { showRecount, startRecount } from './recounts.ts';
import { wiring } from './wiring.ts';

const wired = wiring();

const routes: Readonly<Record<string, (event: APIGatewayProxyEventV2) => Promise<HttpResponse>>> = {
  'GET /v1/authorities/{id}/blast-radius': (event) => authorityBlastRadius(wired, event),
  'GET /v1/certificates': (event) => listCertificates(wired, event),
  'GET /v1/certificates/{fingerprint}': (event) => showCertificate(wired, event),
  'GET /v1/blast-radius': (event) => valueBlastRadius(wired, event),
  'POST /v1/recounts': (event) => startRecount(wired, event),
  'GET /v1/recounts/{id}': (event) => showRecount(wired, event),
};

/** What has been issued, and how bad it is when a key is stolen. */
export const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
  .use(problemDocuments(wired.raise))
  .handler(async (event) => {
    const route = routes[event.routeKey];
    if (route === undefined) throw new Error(`no route ${event.routeKey} in this function`);
    return route(event);
  });
