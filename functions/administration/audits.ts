import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { authenticateOperator } from '../../shared/adapters/aws-lambda/callers.ts';
import { type HttpResponse, jsonResponse, rfc3339 } from '../../shared/adapters/aws-lambda/http-response.ts';
import { type CompareReportPorts, compareReports } from '../../shared/issuance/compare-report.ts';
import type {
  AuditStore,
  Clock,
  Comparison,
  OperatorLog,
  OperatorStore,
  UnknownCertificate,
} from '../../shared/issuance/ports.ts';

interface Wired {
  readonly audits: AuditStore;
  readonly operators: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly clock: Clock;
  readonly reportingPorts: () => Promise<CompareReportPorts>;
}

/** An API Gateway waits for 30 s; what is not ready by then is there for the next call. */
const waitMsMax = 10_000;

function presentCertificate(certificate: UnknownCertificate) {
  const { arn, serialHex, subject, templateArn, notBefore, notAfter, issuedAt, revokedAt } = certificate;
  return {
    certificateArn: arn,
    serialNumber: serialHex,
    subject,
    templateArn,
    notBefore: rfc3339(notBefore),
    notAfter: rfc3339(notAfter),
    issuedAt: rfc3339(issuedAt),
    revokedAt: revokedAt === undefined ? null : rfc3339(revokedAt),
  };
}

function present(comparison: Comparison) {
  const { caId, generation, comparedAt, report, entries, undecided } = comparison;
  const { unknownCertificates, unknownIssuances } = comparison;
  return {
    authority: caId,
    generation,
    comparedAt: rfc3339(comparedAt),
    reportBegunAt: rfc3339(report.begunAt),
    certificates: entries,
    undecided,
    unknownCertificates: { count: unknownCertificates.count, named: unknownCertificates.named.map(presentCertificate) },
    unknownIssuances: {
      count: unknownIssuances.count,
      named: unknownIssuances.named.map(({ issuanceId, serial, at }) => ({
        issuanceId,
        serialNumber: serial,
        issuedAt: rfc3339(at),
      })),
    },
  };
}

/** GET /v1/audits: the last comparison of each CA with the ledger. */
export async function listAudits(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  await authenticateOperator(event, wired.operators, wired.clock, 'inventory:read');
  return jsonResponse(200, { audits: (await wired.audits.comparisons()).map(present), waiting: [] });
}

/** POST /v1/audits: compares every CA now, with a new report where the CA gives one, else with one of the last 30 minutes. */
export async function runAudits(wired: Wired, event: APIGatewayProxyEventV2): Promise<HttpResponse> {
  const operator = await authenticateOperator(event, wired.operators, wired.clock, 'hierarchy:apply');
  const { compared, waiting } = await compareReports(await wired.reportingPorts(), { dueAfterMs: 0, waitMsMax });
  await wired.operatorLog.append({
    at: wired.clock(),
    operatorId: operator.id,
    action: 'audit:run',
    subject: compared.map(({ caId, generation }) => `${caId}#${generation}`).join(' '),
    outcome: 'done',
  });
  return jsonResponse(200, {
    audits: compared.map(present),
    waiting: waiting.map(({ caId, generation, reason }) => ({ authority: caId, generation, reason })),
  });
}
