import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { RaiseAlarm } from '../../issuance/alarms.ts';
import type { HttpResponse } from './http-response.ts';
import { problemDocuments } from './problem-documents.ts';

/** Routes of one function by their key in serverless.yml: `GET /v1/authorities/{id}`. */
export type Routes = Readonly<Record<string, (event: APIGatewayProxyEventV2) => Promise<HttpResponse>>>;

/** A handler of several routes. What they throw is answered as a problem document; a route of no function is a mistake of ours. */
export function routed(raise: RaiseAlarm, routes: Routes) {
  return middy<APIGatewayProxyEventV2, HttpResponse>()
    .use(problemDocuments(raise))
    .handler(async (event) => {
      const route = Object.hasOwn(routes, event.routeKey) ? routes[event.routeKey] : undefined;
      if (route === undefined) throw new Error(`no route ${event.routeKey} in this function`);
      return route(event);
    });
}
