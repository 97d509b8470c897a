import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { pathParameter } from '../../shared/adapters/aws-lambda/http-request.ts';
import { type HttpResponse, jsonResponse, rfc3339 } from '../../shared/adapters/aws-lambda/http-response.ts';
import type { BrokenDownBy } from '../../shared/inventory/blast-radius.ts';
import { countedDimensions } from '../../shared/inventory/counted.ts';
import { type BlastRadiusPorts, type BlastRadiusQuery, blastRadius } from '../../shared/issuance/blast-radius.ts';
import { breakdownPage } from '../../shared/issuance/breakdown-page.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import { type CallerPorts, inventoryReader, limitOf } from './caller.ts';
import { presentBlastRadius } from './present.ts';

type Wired = BlastRadiusPorts & CallerPorts;

const action = 'inventory:blast-radius';
const kinds = ['key', 'owner', 'fleet', 'credential'] as const;
const breakdowns = countedDimensions.filter((one): one is BrokenDownBy => one !== 'total');
const valueCharactersMax = 256;
const keyForm = /^(?:sha256:)?([0-9a-f]{64})$/i;
const idForm = /^[A-Za-z0-9._-]{1,128}$/;

/** GET /v1/authorities/{id}/blast-radius; with breakdown=owner|fleet|…, limit and cursor a page of all of its values. */
export async function authorityBlastRadius(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const id = pathParameter(event, 'id');
  const known = idForm.test(id);
  await inventoryReader(wired, event, action, known ? `authority ${id}` : 'authority');
  if (!known) throw new SealwrightError('not-found');
  const { breakdown, limit, cursor } = event.queryStringParameters ?? {};
  if (breakdown !== undefined) return page(wired, id, breakdown, limit, cursor);
  return jsonResponse(200, presentBlastRadius(await blastRadius(wired, { kind: 'authority', value: id })));
}

async function page(
  wired: Wired,
  caId: string,
  breakdown: string,
  limit: string | undefined,
  cursor: string | undefined,
): Promise<HttpResponse> {
  const dimension = breakdowns.find((one) => one === breakdown);
  if (dimension === undefined)
    throw new SealwrightError('request-malformed', { clientDetail: `breakdown is one of ${breakdowns.join(', ')}` });
  const countMax = limitOf(limit);
  const found = await breakdownPage(wired, { caId, dimension, countMax, ...(cursor === undefined ? {} : { cursor }) });
  return jsonResponse(200, {
    authority: caId,
    breakdown: dimension,
    asOf: rfc3339(found.asOf),
    values: found.values,
    nextCursor: found.nextCursor ?? null,
  });
}

/** GET /v1/blast-radius?key=|owner=|fleet=|credential=. */
export async function valueBlastRadius(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const query = queryOf(event.queryStringParameters ?? {});
  await inventoryReader(wired, event, action, query === undefined ? 'unknown' : query.kind);
  if (query === undefined)
    throw new SealwrightError('request-malformed', {
      clientDetail: `exactly one of ${kinds.join(', ')}, not empty; a key is the SHA-256 of its SubjectPublicKeyInfo in hex`,
    });
  return jsonResponse(200, presentBlastRadius(await blastRadius(wired, query)));
}

function queryOf(parameters: Readonly<Record<string, string | undefined>>): BlastRadiusQuery | undefined {
  const given = kinds.filter((kind) => parameters[kind] !== undefined);
  const [kind] = given;
  if (kind === undefined || given.length > 1) return undefined;
  const text = parameters[kind]!;
  if (text === '' || text.length > valueCharactersMax) return undefined;
  if (kind !== 'key') return { kind, value: text };
  const value = keyForm.exec(text)?.[1]?.toLowerCase();
  return value === undefined ? undefined : { kind, value };
}
