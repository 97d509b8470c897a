import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { pathParameter } from '../../shared/adapters/aws-lambda/http-request.ts';
import { type HttpResponse, jsonResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import type { Recount, Recounts } from '../../shared/issuance/recount.ts';
import { type CallerPorts, inventoryReader } from './caller.ts';
import { presentRecount } from './present.ts';

type Wired = CallerPorts & { readonly recounts: Recounts };

/** A small ledger is counted before the answer; a large one while the caller asks again. */
const waitMsMax = 2_000;
const retryAfterSeconds = 1;

/** POST /v1/recounts: begins a recount, or finds the one that runs. 200 when it has ended, else 202 with its place. */
export async function startRecount(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const operator = await inventoryReader(wired, event, 'inventory:recount', 'counters');
  const recount = await wired.recounts.start(waitMsMax);
  await wired.operatorLog.append({
    at: wired.clock(),
    operatorId: operator.id,
    action: 'inventory:recount',
    subject: recount.id,
    outcome: 'done',
  });
  return answerOf(recount);
}

/** GET /v1/recounts/{id}. The service remembers the last one only. */
export async function showRecount(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  await inventoryReader(wired, event, 'inventory:recount', 'counters');
  const recount = wired.recounts.find(pathParameter(event, 'id'));
  if (recount === undefined) throw new SealwrightError('not-found');
  return answerOf(recount);
}

function answerOf(recount: Recount): HttpResponse {
  const body = presentRecount(recount);
  if (recount.endedAt !== undefined) return jsonResponse(200, body);
  const headers = { location: `/v1/recounts/${recount.id}`, 'retry-after': String(retryAfterSeconds) };
  return jsonResponse(202, body, headers);
}
