import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { type BatchContext, runBatch } from '../../shared/adapters/aws-lambda/queue-batch.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import { sendLater } from '../../shared/issuance/send-later.ts';
import { wiring } from './wiring.ts';

const wired = wiring();

/** Signing queue → backend → `issued`. Deployed once for each kind of backend; the environment says which it holds. */
export const handler = middy<SQSEvent, SQSBatchResponse>().handler(async (event, context) => {
  const ports = await wired;
  const run = async (issuanceIds: readonly string[]) => sendLater(ports, await issueCertificates(ports, issuanceIds));
  return runBatch(event, run, context as BatchContext);
});
