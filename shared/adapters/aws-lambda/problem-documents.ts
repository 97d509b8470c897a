import type { MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { type AlarmName, alarmOfFailure, type RaiseAlarm } from '../../issuance/alarms.ts';
import { errorDescriptions, SealwrightError } from '../../issuance/errors.ts';
import { MalformedError } from '../../pki/malformed.ts';
import { type HttpResponse, problemResponse } from './http-response.ts';

/** Errors of an adapter that mean the ledger, or a queue, cannot be read or written now; they carry one of these codes. */
const storageCodes: ReadonlySet<unknown> = new Set([
  'storage-full',
  'storage-failed',
  'ledger-overloaded',
  'storage-closed',
  'state-corrupt',
  'queue-throttled',
  'queue-unavailable',
]);
const storageRetryAfterMs = 5_000;

/** What these mean was alarmed where it happened; who asks again hears it again. */
const alarmedElsewhere: ReadonlySet<string> = new Set(['issuance-failed', 'issuance-misissued', 'issuance-lapsed']);

/**
 * The one place that maps errors to what a client hears. An error of the closed union becomes its problem document; any
 * other is a plain 500 whose detail goes to the log only.
 */
export function problemDocuments(raise: RaiseAlarm): MiddlewareObj<APIGatewayProxyEventV2, HttpResponse> {
  return {
    onError: (request) => {
      const { error, event } = request;
      const requestId = event.requestContext?.requestId;
      request.response = responseFor(error, requestId);
      const alarm = request.response.statusCode < 500 ? undefined : alarmOf(error);
      if (alarm !== undefined) {
        raise(alarm, {
          route: event.routeKey,
          requestId,
          error: error instanceof Error ? error : new Error(String(error)),
        });
      }
    },
  };
}

function alarmOf(error: unknown): AlarmName | undefined {
  // Stopping: what is asked meanwhile is answered 503, and nothing is wrong.
  if ((error as { readonly code?: unknown } | null)?.code === 'storage-closed') return undefined;
  if (!(error instanceof SealwrightError)) return alarmOfFailure(error, 'request-failed');
  if (alarmedElsewhere.has(error.code)) return undefined;
  if (error.code === 'queue-too-deep' || error.code === 'backend-unavailable') return error.code;
  return 'request-failed';
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
  // Whether it took effect is not known, and need not be: the same request again is the same issuance.
  if (isTimeout(error)) return problemResponse('took-too-long', { retryAfterMs: storageRetryAfterMs, requestId });
  if (storageCodes.has((error as { readonly code?: unknown } | null)?.code)) {
    return problemResponse('storage-unavailable', { retryAfterMs: storageRetryAfterMs, requestId });
  }
  return problemResponse('internal', { requestId });
}

/** Middy's own, just before the function's time is over: something behind it, or the process itself, stood still. */
function isTimeout(error: unknown): boolean {
  const { cause, name } = (error ?? {}) as { readonly name?: unknown; readonly cause?: { readonly package?: unknown } };
  return name === 'TimeoutError' && cause?.package === '@middy/core';
}
