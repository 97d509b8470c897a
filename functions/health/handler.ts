import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { type HttpResponse, jsonResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { wiring } from './wiring.ts';

const stack = wiring();

async function wordFor(check: () => Promise<unknown>): Promise<'ok' | 'failing'> {
  try {
    await check();
    return 'ok';
  } catch {
    return 'failing';
  }
}

/** GET /healthz: 200 while serving; what each dependency says, in a word each. */
export const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
  .use(problemDocuments(stack.raise))
  .handler(async () => {
    const ledger = await wordFor(() => stack.registry.list());
    const queue = await wordFor(() => stack.enrolmentQueue.depth());
    const authorities: Record<string, string> = {};
    for (const authority of stack.hierarchy.authorities.filter(({ tier }) => tier === 'issuance')) {
      const installed = ledger === 'ok' ? await stack.authorities.newest(authority.id) : undefined;
      const ready = installed !== undefined && stack.environment.backends.has(authority.backend);
      authorities[authority.id] = ready ? 'ready' : 'absent';
    }
    return jsonResponse(200, {
      status: ledger === 'ok' && queue === 'ok' ? 'serving' : 'degraded',
      dependencies: { ledger, queue },
      authorities,
    });
  });
