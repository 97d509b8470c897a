/** The sample hierarchy with real certificates, an empty ledger in memory, and the routes of the inventory over both. */
import { randomBytes } from 'node:crypto';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { authorityBlastRadius, valueBlastRadius } from '../../functions/inventory/blast-radius.ts';
import { showRecount, startRecount } from '../../functions/inventory/recounts.ts';
import { secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { publishedPrices } from '../../shared/inventory/prices.ts';
import { createAuthorityDirectory } from '../../shared/issuance/authority-directory.ts';
import { rememberEstimates } from '../../shared/issuance/estimate-rotation.ts';
import type { OperatorRole } from '../../shared/issuance/issuance-record.ts';
import { createRecounts } from '../../shared/issuance/recount.ts';
import { build, newWorld } from './hierarchy-world.ts';
import { ledgerTime } from './ledger-fixtures.ts';
import { validateResponse } from './openapi.ts';
import { openHarness } from './sqlite-harness.ts';

const routes = {
  'GET /v1/authorities/{id}/blast-radius': authorityBlastRadius,
  'GET /v1/blast-radius': valueBlastRadius,
  'POST /v1/recounts': startRecount,
  'GET /v1/recounts/{id}': showRecount,
} as const;

export type InventoryRoute = keyof typeof routes;

export async function openBlastRadiusWorld(where: 'memory' | 'file' = 'memory') {
  const hierarchyWorld = newWorld();
  await build(hierarchyWorld, ledgerTime);
  const store = await openHarness(where);
  let now = ledgerTime;
  const clock = () => now;
  const failures: unknown[] = [];
  const wired = {
    ...store,
    hierarchy: hierarchyWorld.hierarchy,
    authorities: createAuthorityDirectory(hierarchyWorld.registry, clock),
    estimateRotation: rememberEstimates(
      {
        hierarchy: hierarchyWorld.hierarchy,
        inventory: store.inventory,
        prices: publishedPrices,
        issueRate: async () => ({ perSecond: 25, basis: 'a quota' }),
      },
      0,
    ),
    clock,
    recounts: createRecounts({
      source: store.inventory,
      clock,
      random: (bytes) => randomBytes(bytes),
      pause: async () => undefined,
      wait: () => new Promise(() => undefined),
      onFailed: (cause) => failures.push(cause),
    }),
  };

  async function operatorWith(...roles: readonly OperatorRole[]): Promise<string> {
    const secret = `sw_o_${randomBytes(32).toString('base64url')}`;
    const id = `operator-${secret.slice(5, 12)}`;
    await store.operators.create({ id, name: id, roles, createdAt: 0, sha256: secretSha256(secret) });
    return secret;
  }

  return {
    ...hierarchyWorld,
    store,
    wired,
    operatorWith,
    setNow: (at: number) => {
      now = at;
    },
    /** Calls a route as the host does, and holds its answer to the description. */
    async call(
      route: InventoryRoute,
      token: string,
      options: { readonly id?: string; readonly query?: Readonly<Record<string, string>> } = {},
    ) {
      const event = {
        routeKey: route,
        headers: { authorization: `Bearer ${token}` },
        pathParameters: options.id === undefined ? undefined : { id: options.id },
        queryStringParameters: options.query,
      } as unknown as APIGatewayProxyEventV2;
      const answer = await answerOf(() => routes[route](wired, event), event);
      const [method = '', path = ''] = route.split(' ');
      const faults = validateResponse(
        method,
        path.replace('{id}', options.id ?? 'x'),
        answer.statusCode,
        String(answer.headers?.['content-type']),
        answer.body ?? '',
        Object.fromEntries(Object.entries(answer.headers ?? {}).map(([name, value]) => [name, String(value)])),
      );
      if (faults.length > 0) throw new Error(faults.join('\n'));
      return { status: answer.statusCode, body: JSON.parse(answer.body ?? 'null'), headers: answer.headers };
    },
    failures,
    close: () => store.close(),
  };
}

async function answerOf(run: () => Promise<HttpResponse>, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  try {
    return await run();
  } catch (error) {
    const request = { error, event, response: undefined as HttpResponse | undefined };
    problemDocuments(() => {
      throw error;
    }).onError!(request as never);
    return request.response!;
  }
}

export type BlastRadiusWorld = Awaited<ReturnType<typeof openBlastRadiusWorld>>;
