import type { Logger } from '@aws-lambda-powertools/logger';
import type { MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { errorDescriptions, SealwrightError } from '../../issuance/errors.ts';
import { MalformedError } from '../../pki/malformed.ts';
import { type HttpResponse, problemResponse } from './http-response.ts';

/** Errors of an adapter that mean the ledger cannot be written now; they carry one of these codes. */
const storageCodes: ReadonlySet<unknown> = new Set([
  'storage-full',
  'storage-failed',
  'ledger-overloaded',
  'storage-closed',
  'state-corrupt',
]);
const storageRetryAfterMs = 5_000;

/**
 * The one place that maps errors to what a client hears. An error of the closed union becomes its problem document; any
 * other is a plain 500 whose detail goes to the log only.
 */
export function problemDocuments(logger: Logger): MiddlewareObj<APIGatewayProxyEventV2, HttpResponse> {
  return {
    onError: (request) => {
      const { error, event } = request;
      const requestId = event.requestContext?.requestId;
      request.response = responseFor(error, requestId);
      if (request.response.statusCode >= 500 && !isOutcome(error)) {
        logger.error('request failed', {
          route: event.routeKey,
          requestId,
          error: error instanceof Error ? error : new Error(String(error)),
        });
      }
    },
  };
}

/**
 * An outcome that the ledger holds, or a state that a client is to wait out: told when it came about, not each time that
 * somebody asks for it.
 */
function isOutcome(error: unknown): boolean {
  return error instanceof SealwrightError && error.code !== 'internal';
}

function responseFor(error: unknown, requestId: string | undefined): HttpResponse {
  if (error instanceof MalformedError) return problemResponse(error.code, { requestId });
  if (error instanceof SealwrightError) {
    const { code, clientDetail, violations, retryAfterMs } = error;
    return problemResponse(code, {
      clientDetail,
      violations,
      retryAfterMs,
      ...(errorDescriptions[code].status >= 500 ? { requestId } : {}),
    });
  }
  if (storageCodes.has((error as { readonly code?: unknown } | null)?.code)) {
    return problemResponse('storage-unavailable', { retryAfterMs: storageRetryAfterMs, requestId });
  }
  return problemResponse('internal', { requestId });
}
