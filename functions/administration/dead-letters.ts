import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { authenticateOperator } from '../../shared/adapters/aws-lambda/callers.ts';
import { pathParameter } from '../../shared/adapters/aws-lambda/http-request.ts';
import { type HttpResponse, jsonResponse, rfc3339 } from '../../shared/adapters/aws-lambda/http-response.ts';
import {
  type DeadLetterDescription,
  describeDeadLetter,
  listDeadLetters,
  redriveDeadLetter,
} from '../../shared/issuance/administer-dead-letters.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import type { Operator } from '../../shared/issuance/issuance-record.ts';
import type { wiring } from './wiring.ts';

type Wired = ReturnType<typeof wiring>;

const pageDefault = 100;
const pageMax = 1_000;
const queueNameForm = /^[A-Za-z0-9_-]{1,80}$/;

function operatorOf(wired: Wired, event: APIGatewayProxyEventV2): Promise<Operator> {
  return authenticateOperator(event, wired.operators, wired.clock, 'dlq:write');
}

function present({ issuance, issuanceId, lastError, sentAt, deadAt, ...letter }: DeadLetterDescription) {
  return {
    ...letter,
    issuanceId: issuanceId ?? null,
    lastError: lastError ?? null,
    sentAt: rfc3339(sentAt),
    deadAt: deadAt === undefined ? null : rfc3339(deadAt),
    issuance:
      issuance === undefined
        ? null
        : {
            state: issuance.state,
            stateAt: rfc3339(issuance.stateAt),
            attempts: issuance.attempts,
            lastError:
              issuance.lastError === undefined ? null : { ...issuance.lastError, at: rfc3339(issuance.lastError.at) },
          },
  };
}

/** A whole number from 1 to 1,000. Throws `request-malformed`. */
function limitOf(text: string | undefined): number {
  if (text === undefined) return pageDefault;
  const limit = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > pageMax)
    throw new SealwrightError('request-malformed', { clientDetail: `limit is a whole number from 1 to ${pageMax}` });
  return limit;
}

/** GET /v1/dead-letters?queue=&limit=&cursor=. */
export async function listLetters(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  await operatorOf(wired, event);
  const { queue, limit, cursor } = event.queryStringParameters ?? {};
  if (queue !== undefined && !queueNameForm.test(queue))
    throw new SealwrightError('request-malformed', { clientDetail: 'queue is no name of a queue' });
  const { letters, nextCursor } = await listDeadLetters(wired, {
    ...(queue === undefined ? {} : { queue }),
    ...(cursor === undefined ? {} : { cursor }),
    countMax: limitOf(limit),
  });
  return jsonResponse(200, { deadLetters: letters.map(present), nextCursor: nextCursor ?? null });
}

/** GET /v1/dead-letters/{id}. */
export async function showLetter(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  await operatorOf(wired, event);
  return jsonResponse(200, present(await describeDeadLetter(wired, pathParameter(event, 'id'))));
}

/** POST /v1/dead-letters/{id}/redrive. */
export async function redriveLetter(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const operator = await operatorOf(wired, event);
  const { id, queue } = await redriveDeadLetter(wired, operator.id, pathParameter(event, 'id'));
  return jsonResponse(200, { id, queue });
}
