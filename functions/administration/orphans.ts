import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { authenticateOperator } from '../../shared/adapters/aws-lambda/callers.ts';
import { pathParameter, readJsonBody } from '../../shared/adapters/aws-lambda/http-request.ts';
import { type HttpResponse, jsonResponse, rfc3339 } from '../../shared/adapters/aws-lambda/http-response.ts';
import {
  type DecideOrphanPorts,
  decideOrphan,
  type ListedOrphan,
  listOrphans,
  parseOrphanDecision,
} from '../../shared/issuance/decide-orphan.ts';
import type { AuditStore, Clock, IssuanceLedger, OperatorLog, OperatorStore } from '../../shared/issuance/ports.ts';

interface Wired {
  readonly ledger: IssuanceLedger;
  readonly audits: AuditStore;
  readonly operators: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly clock: Clock;
  readonly reportingPorts: () => Promise<Omit<DecideOrphanPorts, 'operatorLog'>>;
}

const pageMax = 1_000;

function present({ record, intendedAt, absenceProvenFrom, lastReport }: ListedOrphan) {
  const time = (at: number | undefined) => (at === undefined ? null : rfc3339(at));
  const { issuanceId, caId, generation, profile, owner, fleet, names, spkiSha256, stateAt, intent } = record;
  return {
    issuanceId,
    authority: caId,
    generation,
    profile,
    owner,
    fleet,
    names,
    spkiSha256,
    suspectedAt: rfc3339(stateAt),
    intendedAt: time(intendedAt),
    notBefore: time(intent?.notBefore),
    notAfter: time(intent?.notAfter),
    absenceProvableFrom: time(absenceProvenFrom),
    lastReport:
      lastReport === undefined
        ? null
        : { reportId: lastReport.reportId, askedAt: rfc3339(lastReport.askedAt), status: lastReport.status.kind },
  };
}

/** GET /v1/orphans: the longest suspected first. */
export async function listOrphaned(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  await authenticateOperator(event, wired.operators, wired.clock, 'inventory:read');
  return jsonResponse(200, { orphans: (await listOrphans(wired, pageMax)).map(present) });
}

/** POST /v1/orphans/{issuanceId}/settlement. Whoever decides what a CA has signed may also apply a hierarchy. */
export async function settle(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const operator = await authenticateOperator(event, wired.operators, wired.clock, 'hierarchy:apply');
  const decision = parseOrphanDecision(readJsonBody(event));
  const issuanceId = pathParameter(event, 'issuanceId');
  const ports = { ...(await wired.reportingPorts()), operatorLog: wired.operatorLog };
  const status = await decideOrphan(ports, operator.id, issuanceId, decision);
  return jsonResponse(200, { issuanceId, status });
}
