/**
 * One enrolment as a device does it: POST, then wait as long as it is told to, until a certificate, a refusal, or the
 * end of its patience.
 */
import {
  type HttpAnswer,
  type HttpClient,
  headerOf,
  isObject,
  jsonOf,
  mediaTypeOf,
  type Problem,
  problemOf,
  retryAfterMsOf,
  textOf,
  UnreachableError,
} from './http-client.ts';

export interface Patience {
  /** POSTs and GETs of one enrolment, all told. */
  readonly triesMax: number;
  /** From the first POST to giving up. */
  readonly enrolmentMsMax: number;
  /** Tries in a row that nobody answers. */
  readonly unreachableMax: number;
}

/** A device that means it: a restart of the service is waited for. */
export const patienceDefault: Patience = { triesMax: 60, enrolmentMsMax: 120_000, unreachableMax: 30 };

export interface Enroller {
  readonly client: HttpClient;
  /** The enrolment credential's secret; sent to the service's own address only. */
  readonly deviceSecret: string;
  /** `Prefer: wait` in seconds; 0 polls from the start. */
  readonly preferWaitSeconds: number;
  /** Form of the answer: `pem`, or `json`, which says which extensions were dropped. */
  readonly accept: 'pem' | 'json';
  readonly patience: Patience;
  /** Wall clock, for Retry-After dates. */
  readonly now: () => number;
  /** Monotonic, for durations. */
  readonly monotonic: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly signal?: AbortSignal;
}

export type EnrolmentEnd =
  | {
      readonly kind: 'certificate';
      /** Leaf first, then its chain. */
      readonly chainPem: string;
      readonly latencyMs: number;
      /** The JSON answer, when that was asked for. */
      readonly details?: Readonly<Record<string, unknown>>;
      readonly issuanceId?: string;
    }
  | {
      /** `refused`: answered 4xx with a code. `failed`: anything else. */
      readonly kind: 'refused' | 'failed';
      /** Last HTTP status; 0 when no answer came. */
      readonly status: number;
      readonly code: string;
      readonly reasons: readonly string[];
      readonly problem?: Problem;
      readonly issuanceId?: string;
    };

/** Statuses that say: later. The same POST is the same issuance, so repeating it does no harm. */
const laterStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const backoffMsFirst = 250;
const backoffMsMax = 5_000;
const pollMsDefault = 1_000;
const reasonsMax = 200;

/** A body with the media type it is sent as. */
export interface EnrolmentBody {
  readonly bytes: Uint8Array | string;
  readonly contentType: string;
}

/** The body is sent as it is. Resolves in every case but an abort. */
export async function enrol(enroller: Enroller, profile: string, body: EnrolmentBody): Promise<EnrolmentEnd> {
  const { monotonic, patience } = enroller;
  const startedAt = monotonic();
  const deadline = startedAt + patience.enrolmentMsMax;
  const post: Step = { method: 'POST', path: `/v1/enrollments?profile=${encodeURIComponent(profile)}`, body };
  let step: Step = post;
  let issuanceId: string | undefined;
  let unreachable = 0;
  for (let tries = 1; ; tries += 1) {
    enroller.signal?.throwIfAborted();
    const answer = await sendStep(enroller, step, deadline - monotonic());
    unreachable = answer instanceof UnreachableError ? unreachable + 1 : 0;
    const verdict = judge(answer, step, enroller);
    issuanceId = verdict.issuanceId ?? issuanceId;
    const waitMs = verdict.waitMs ?? Math.min(backoffMsMax, backoffMsFirst * 2 ** Math.min(tries - 1, 10));
    const patient =
      tries < patience.triesMax && unreachable < patience.unreachableMax && monotonic() + waitMs < deadline;
    if (verdict.final || !patient) {
      const latency = verdict.end.kind === 'certificate' ? { latencyMs: monotonic() - startedAt } : {};
      return { ...verdict.end, ...latency, ...(issuanceId === undefined ? {} : { issuanceId }) };
    }
    step = verdict.location === undefined ? post : { method: 'GET', path: verdict.location };
    await enroller.sleep(waitMs, enroller.signal);
  }
}

interface Step {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: EnrolmentBody;
}

async function sendStep(enroller: Enroller, step: Step, leftMs: number): Promise<HttpAnswer | UnreachableError> {
  const waitSeconds = Math.min(enroller.preferWaitSeconds, Math.floor(leftMs / 1000));
  const accept = enroller.accept === 'json' ? 'application/json' : 'application/x-pem-file';
  try {
    return await enroller.client.send({
      method: step.method,
      path: step.path,
      headers: {
        accept: `${accept}, application/problem+json`,
        authorization: `Bearer ${enroller.deviceSecret}`,
        ...(step.body === undefined ? {} : { 'content-type': step.body.contentType }),
        ...(step.method === 'POST' && waitSeconds > 0 ? { prefer: `wait=${waitSeconds}` } : {}),
      },
      ...(step.body === undefined ? {} : { body: step.body.bytes }),
      ...(enroller.signal === undefined ? {} : { signal: enroller.signal }),
      repeatable: true,
    });
  } catch (error) {
    if (error instanceof UnreachableError) return error;
    throw error;
  }
}

/** What an answer means. Not final: wait, then GET `location`, or repeat the POST where there is none; `end` is where it stands. */
interface Verdict {
  readonly final: boolean;
  readonly end: EnrolmentEnd;
  readonly waitMs?: number | undefined;
  readonly location?: string | undefined;
  readonly issuanceId?: string | undefined;
}

function judge(answer: HttpAnswer | UnreachableError, step: Step, enroller: Enroller): Verdict {
  const location = step.method === 'GET' ? step.path : undefined;
  if (answer instanceof UnreachableError)
    return { final: false, location, end: failure(0, answer.code, [answer.message]) };
  const waitMs = retryAfterMsOf(answer, enroller.now());
  if (answer.status === 200) return { final: true, ...certificateOf(answer, enroller.accept) };
  if (answer.status === 202) return accepted(answer, location, enroller, waitMs);
  const problem = problemOf(answer);
  const reasons = problem === undefined ? [] : reasonsOf(problem);
  const code = problem?.code ?? 'answer-without-a-code';
  if (laterStatuses.has(answer.status)) {
    // A lapsed issuance stays so: the same POST starts the next one.
    return {
      final: false,
      waitMs,
      location: code === 'issuance-lapsed' ? undefined : location,
      end: failure(answer.status, code, reasons),
    };
  }
  // An issuance that was taken can only be refused by policy; any other 4xx to its GET is a fault of the service.
  const refusal = step.method === 'POST' ? answer.status >= 400 && answer.status < 500 : answer.status === 422;
  const kind = refusal && problem !== undefined ? 'refused' : 'failed';
  return {
    final: true,
    end: { kind, status: answer.status, code, reasons, ...(problem === undefined ? {} : { problem }) },
  };
}

function certificateOf(answer: HttpAnswer, accept: Enroller['accept']): Pick<Verdict, 'end' | 'issuanceId'> {
  const mediaType = mediaTypeOf(answer);
  if (accept === 'pem' && mediaType === 'application/x-pem-file') {
    return { end: { kind: 'certificate', chainPem: answer.body.toString('latin1'), latencyMs: 0 } };
  }
  const details = jsonOf(answer);
  if (accept === 'json' && mediaType === 'application/json' && isObject(details)) {
    const chain = Array.isArray(details.chain) ? details.chain : [details.chain];
    const chainPem = [details.certificate, ...chain].map(textOf).join('');
    return {
      end: { kind: 'certificate', chainPem, latencyMs: 0, details },
      issuanceId: textOf(details.issuanceId) || undefined,
    };
  }
  return {
    end: failure(200, 'answer-unreadable', [`not the ${accept === 'pem' ? 'PEM' : 'JSON'} that was asked for`]),
  };
}

function accepted(
  answer: HttpAnswer,
  locationNow: string | undefined,
  enroller: Enroller,
  waitMs: number | undefined,
): Verdict {
  const value = jsonOf(answer);
  const body = isObject(value) ? value : {};
  const issuanceId = textOf(body.issuanceId).slice(0, 200) || undefined;
  const location = locationPathOf(headerOf(answer, 'location'), enroller.client.baseUrl) ?? locationNow;
  if (location === undefined) {
    return {
      final: true,
      issuanceId,
      end: failure(202, 'location-missing', ['a 202 without a Location of this service']),
    };
  }
  const seconds = body.retryAfterSeconds;
  const bodyWaitMs =
    typeof seconds === 'number' && seconds >= 0 ? Math.min(60_000, Math.max(50, seconds * 1000)) : pollMsDefault;
  const status = textOf(body.status) || 'accepted';
  return {
    final: false,
    waitMs: waitMs ?? bodyWaitMs,
    location,
    issuanceId,
    end: failure(202, 'still-pending', [`the issuance is ${status}`]),
  };
}

/**
 * Path of a Location below the service's own address; undefined for any other: the secret would go with it.
 */
export function locationPathOf(location: string | undefined, baseUrl: string): string | undefined {
  if (location === undefined || !URL.canParse(location, `${baseUrl}/`)) return undefined;
  const base = new URL(baseUrl);
  const target = new URL(location, `${baseUrl}/`);
  const prefix = base.pathname.replace(/\/+$/, '');
  if (target.origin !== base.origin) return undefined;
  const path = target.pathname + target.search;
  return prefix !== '' && path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path;
}

function reasonsOf(problem: Problem): readonly string[] {
  if (problem.violations.length === 0) return [problem.detail ?? problem.title];
  return problem.violations.slice(0, reasonsMax).map(({ code, message }) => `${code}: ${message}`);
}

function failure(status: number, code: string, reasons: readonly string[]): EnrolmentEnd {
  return { kind: 'failed', status, code, reasons };
}

/** The media type of a request's bytes: DER begins with a SEQUENCE, PEM has its line somewhere; anything else is text, judged by the service. */
export function requestContentType(bytes: Uint8Array): string {
  if (looksLikeDer(bytes)) return 'application/pkcs10';
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return text.includes('-----BEGIN ') ? 'application/x-pem-file' : 'text/plain';
}

/** 0x30 is also the digit '0': a length in the long form, or one that fits the body, tells DER from text. */
function looksLikeDer(bytes: Uint8Array): boolean {
  const length = bytes[1];
  return bytes[0] === 0x30 && length !== undefined && (length >= 0x80 || length === bytes.byteLength - 2);
}
