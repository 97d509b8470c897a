import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { authenticateOperator } from '../../shared/adapters/aws-lambda/callers.ts';
import { pathParameter, readJsonBody } from '../../shared/adapters/aws-lambda/http-request.ts';
import { type HttpResponse, jsonResponse, rfc3339 } from '../../shared/adapters/aws-lambda/http-response.ts';
import {
  createCredential,
  parseNewCredential,
  revokeCredential,
} from '../../shared/issuance/administer-credentials.ts';
import type { EnrolmentCredential, Operator, OperatorRole } from '../../shared/issuance/issuance-record.ts';
import { releaseName } from '../../shared/issuance/release-name.ts';
import type { wiring } from './wiring.ts';

type Wired = ReturnType<typeof wiring>;

const pageMax = 1_000;

function operatorOf(wired: Wired, event: APIGatewayProxyEventV2, role: OperatorRole): Promise<Operator> {
  return authenticateOperator(event, wired.operators, wired.clock, role);
}

/** A credential without the hash of its secret. */
function present({ sha256: _, ...credential }: EnrolmentCredential) {
  const { createdAt, expiresAt, revokedAt } = credential;
  return {
    ...credential,
    createdAt: rfc3339(createdAt),
    expiresAt: rfc3339(expiresAt),
    revokedAt: revokedAt === undefined ? null : rfc3339(revokedAt),
  };
}

/** POST /v1/credentials. The secret is in this answer only. */
export async function create(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const operator = await operatorOf(wired, event, 'credential:write');
  const wanted = parseNewCredential(readJsonBody(event), wired.hierarchy, wired.clock());
  const { credential, secret } = await createCredential(wired, operator.id, wanted);
  return jsonResponse(201, { credential: present(credential), secret });
}

/** GET /v1/credentials. */
export async function list(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  await operatorOf(wired, event, 'credential:write');
  const page = await wired.credentials.list(pageMax, event.queryStringParameters?.cursor);
  return jsonResponse(200, {
    credentials: page.map(present),
    nextCursor: page.length === pageMax ? page.at(-1)!.id : null,
  });
}

/** DELETE /v1/credentials/{id}. */
export async function revoke(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const operator = await operatorOf(wired, event, 'credential:write');
  await revokeCredential(wired, operator.id, pathParameter(event, 'id'));
  return { statusCode: 204 };
}

/** DELETE /v1/names/{name}. */
export async function release(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const operator = await operatorOf(wired, event, 'name:release');
  await releaseName(wired, operator.id, pathParameter(event, 'name'));
  return { statusCode: 204 };
}
