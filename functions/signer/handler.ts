import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { runBatch } from '../../shared/adapters/aws-lambda/queue-batch.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import { wiring } from './wiring.ts';

const wired = wiring();

/** Signing queue → backend → `issued`. Deployed once for each kind of backend; the environment says which it holds. */
export const handler = middy<SQSEvent, SQSBatchResponse>().handler(async (event) => {
  const ports = await wired;
  return runBatch(event, (issuanceIds) => issueCertificates(ports, issuanceIds));
});
