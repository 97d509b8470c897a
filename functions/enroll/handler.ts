import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { authenticateDevice } from '../../shared/adapters/aws-lambda/callers.ts';
import { certificateFormatOf, preferredWaitMs, readEnrollment } from '../../shared/adapters/aws-lambda/http-request.ts';
import { type HttpResponse, issuanceResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { isPending } from '../../shared/issuance/issuance-state.ts';
import { issuerChain } from '../../shared/issuance/issuer-chain.ts';
import { receiveEnrollment } from '../../shared/issuance/receive-enrollment.ts';
import { wiring } from './wiring.ts';

const wired = wiring();

/** POST /v1/enrollments: a certification request becomes an issuance, or is refused at the door. */
export const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
  .use(problemDocuments(wired.raise))
  .handler(async (event) => {
    const caller = await authenticateDevice(event, wired.credentials, wired.clock);
    const { csrDer, profile } = readEnrollment(event);
    const waitMs = preferredWaitMs(event);
    let record = await receiveEnrollment(wired.ports, caller, profile, csrDer);
    if (waitMs > 0 && isPending(record.state)) {
      await wired.watch.untilSettled(record.issuanceId, waitMs);
      record = (await wired.ledger.get(record.issuanceId)) ?? record;
    }
    const chain = await issuerChain(wired.authorities, record);
    return issuanceResponse(record, { format: certificateFormatOf(event), chain, at: wired.clock() });
  });
