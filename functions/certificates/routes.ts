import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { authenticateAny, type Caller } from '../../shared/adapters/aws-lambda/callers.ts';
import { certificateFormatOf, pathParameter } from '../../shared/adapters/aws-lambda/http-request.ts';
import {
  type HttpResponse,
  issuanceResponse,
  jsonResponse,
  rfc3339,
  textResponse,
} from '../../shared/adapters/aws-lambda/http-response.ts';
import type { Stack } from '../../shared/adapters/stack/stack.ts';
import { type AuthorityDescription, describeAuthorities } from '../../shared/issuance/describe-authorities.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import { parseIssuanceId } from '../../shared/issuance/ids.ts';
import type { InventoryReads } from '../../shared/issuance/inventory-ports.ts';
import type { IssuanceRecord } from '../../shared/issuance/issuance-record.ts';
import { issuerChain } from '../../shared/issuance/issuer-chain.ts';
import { encodePem } from '../../shared/pki/pem.ts';

function maySee(caller: Caller, record: IssuanceRecord): boolean {
  return caller.kind === 'device'
    ? caller.credential.principal === record.principal
    : caller.operator.roles.includes('inventory:read');
}

/** GET /v1/enrollments/{issuanceId}. Somebody else's is answered like one that does not exist. */
export async function enrollment(stack: Stack, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const caller = await authenticateAny(event, stack.credentials, stack.operators, stack.clock);
  const issuanceId = pathParameter(event, 'issuanceId');
  const record = parseIssuanceId(issuanceId) === undefined ? undefined : await stack.ledger.get(issuanceId);
  if (record === undefined || !maySee(caller, record)) throw new SealwrightError('not-found');
  const chain = await issuerChain(stack.authorities, record);
  return issuanceResponse(record, { format: certificateFormatOf(event), chain, at: stack.clock() });
}

function presentAuthority(authority: AuthorityDescription) {
  const time = (at: number | undefined) => (at === undefined ? null : rfc3339(at));
  return {
    ...authority,
    parent: authority.parent ?? null,
    keyId: authority.keyId ?? null,
    notBefore: time(authority.notBefore),
    notAfter: time(authority.notAfter),
  };
}

type Described = Stack & { readonly inventory: InventoryReads };

const describe = (stack: Described) =>
  describeAuthorities(stack.hierarchy, stack.authorities, stack.inventory, stack.environment.backends, stack.clock());

/** GET /v1/authorities. */
export async function listAuthorities(stack: Described): Promise<HttpResponse> {
  return jsonResponse(200, { authorities: (await describe(stack)).map(presentAuthority) });
}

/** GET /v1/authorities/{id}. */
export async function authority(stack: Described, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const id = pathParameter(event, 'id');
  const found = (await describe(stack)).find((one) => one.id === id);
  if (found === undefined) throw new SealwrightError('not-found');
  return jsonResponse(200, presentAuthority(found));
}

/** GET /v1/authorities/{id}/certificate: PEM, the CA's own certificate first, the root last. */
export async function authorityCertificate(stack: Stack, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const found = await stack.authorities.newest(pathParameter(event, 'id'));
  if (found === undefined) throw new SealwrightError('not-found');
  const pem = [found.certificateDer, ...found.chain].map((der) => encodePem('CERTIFICATE', der)).join('');
  return textResponse(200, 'application/x-pem-file', pem);
}
