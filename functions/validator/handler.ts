import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { type BatchContext, runBatch } from '../../shared/adapters/aws-lambda/queue-batch.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { wiring } from './wiring.ts';

const ports = wiring();

/** Enrolment queue → policy → `approved`, on to the signing queue of its CA's backend, or `rejected`. */
export const handler = middy<SQSEvent, SQSBatchResponse>().handler((event, context) =>
  runBatch(event, (issuanceIds) => validateEnrollments(ports, issuanceIds), context as BatchContext),
);
