import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { expect, it } from 'vitest';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';

it('answers 503 with Retry-After when a function runs out of time: what came of it is not known (took-too-long)', async () => {
  const alarms: string[] = [];
  const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
    .use(problemDocuments((name) => void alarms.push(name)))
    .handler(() => new Promise(() => undefined));
  const event = { routeKey: 'POST /v1/enrollments', requestContext: { requestId: 'r-1' } };
  const context = { getRemainingTimeInMillis: () => 20 };
  const answer = (await handler(event as APIGatewayProxyEventV2, context as never)) as HttpResponse;
  expect(answer.statusCode).toBe(503);
  expect(JSON.parse(String(answer.body))).toMatchObject({ code: 'took-too-long', status: 503 });
  expect(answer.headers).toMatchObject({ 'retry-after': '5' });
  expect(alarms).toEqual(['request-failed']);
});
