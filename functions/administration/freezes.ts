import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { pathParameter } from '../../shared/adapters/aws-lambda/http-request.ts';
import { type HttpResponse, jsonResponse, rfc3339 } from '../../shared/adapters/aws-lambda/http-response.ts';
import { type LoggedCallerPorts, loggedOperator } from '../../shared/adapters/aws-lambda/logged-operator.ts';
import {
  type FreezeAuthorityPorts,
  type FreezeOutcome,
  freezeAuthority,
  unfreezeAuthority,
} from '../../shared/issuance/freeze-authority.ts';

type Wired = FreezeAuthorityPorts & LoggedCallerPorts;

const idForm = /^[A-Za-z0-9._-]{1,128}$/;

/** The id of the path, and what of it may stand in the log. */
async function operatorAndId(wired: Wired, event: APIGatewayProxyEventV2, action: string) {
  const id = pathParameter(event, 'id');
  const subject = idForm.test(id) ? id : 'authority';
  return { operator: await loggedOperator(wired, event, 'hierarchy:apply', action, subject), id };
}

function present(id: string, { changed, fence }: FreezeOutcome) {
  return { authority: id, frozen: fence.frozen, changedAt: rfc3339(fence.at), changedBy: fence.by, changed };
}

/** POST /v1/authorities/{id}/freeze. */
export async function freeze(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const { id, operator } = await operatorAndId(wired, event, 'hierarchy:freeze');
  return jsonResponse(200, present(id, await freezeAuthority(wired, operator.id, id)));
}

/** POST /v1/authorities/{id}/unfreeze. */
export async function unfreeze(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const { id, operator } = await operatorAndId(wired, event, 'hierarchy:unfreeze');
  return jsonResponse(200, present(id, await unfreezeAuthority(wired, operator.id, id)));
}
