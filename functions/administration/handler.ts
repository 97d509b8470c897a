import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { create, list, release, revoke } from './routes.ts';
import { wiring } from './wiring.ts';

const wired = wiring();

const routes: Readonly<Record<string, (event: APIGatewayProxyEventV2) => Promise<HttpResponse>>> = {
  'POST /v1/credentials': (event) => create(wired, event),
  'GET /v1/credentials': (event) => list(wired, event),
  'DELETE /v1/credentials/{id}': (event) => revoke(wired, event),
  'DELETE /v1/names/{name}': (event) => release(wired, event),
};

/** What operators do: enrolment credentials, name holds. */
export const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
  .use(problemDocuments(wired.logger))
  .handler(async (event) => {
    const route = routes[event.routeKey];
    if (route === undefined) throw new Error(`no route ${event.routeKey} in this function`);
    return route(event);
  });
