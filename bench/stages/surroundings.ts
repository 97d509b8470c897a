import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { startFront, type TlsMaterial } from '../../localstack/embedded/front.ts';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { enrolmentQueueName } from '../../shared/adapters/stack/stack.ts';
import type { PreparedRequest } from '../client/requests.ts';
import { startClient } from '../client.ts';
import { measureWarm } from './measure.ts';
import type { Stage } from './stage.ts';
import type { MeasuredAuthority, StageWorld } from './world.ts';

const concurrency = 16;
const batchSize = 10;
const secondsMax = 60;

/** The reads of one journey: by request (none yet), by the validator and the signer, of holders, and for the answer. */
export async function measureReads(world: StageWorld, issuanceIds: readonly string[], warmUp: number): Promise<Stage> {
  const { ledger } = world.stack;
  const { measurement } = await measureWarm(issuanceIds, warmUp, 1, async (issuanceId) => {
    await ledger.current(`${issuanceId}-unknown`);
    const [record] = await ledger.getMany([issuanceId]);
    await ledger.holders(record!.names, record!.spkiSha256);
    await ledger.getMany([issuanceId]);
    await ledger.get(issuanceId);
  });
  return { stage: 'ledger: reads', timesPerCertificate: 1, cpuUsPerCall: measurement.cpuUs };
}

/** A message sent by itself, received and acknowledged in a batch, as the event source mappings do; two queues a journey. */
export async function measureQueue(world: StageWorld, issuanceIds: readonly string[], warmUp: number): Promise<Stage> {
  const queue = world.stack.queue(enrolmentQueueName);
  const groups: (readonly string[])[] = [];
  for (let at = 0; at + batchSize <= issuanceIds.length; at += batchSize)
    groups.push(issuanceIds.slice(at, at + batchSize));
  const { measurement } = await measureWarm(groups, Math.floor(warmUp / batchSize), 1, async (group) => {
    await Promise.all(group.map((id) => queue.send([id])));
    const messages = await queue.receive({ countMax: batchSize, visibilityMs: 60_000, waitMsMax: 0 });
    await queue.acknowledge(messages.map(({ receipt }) => receipt));
  });
  return {
    stage: 'queue: send, receive, acknowledge',
    timesPerCertificate: 2,
    cpuUsPerCall: measurement.cpuUs / batchSize,
  };
}

/**
 * The enrolment handler on requests that are issued already: it does everything but issue. `inner` is what of it other
 * stages have counted, in microseconds; what is left is authentication, decoding, and the answer.
 */
export async function measureHandler(
  world: StageWorld,
  under: MeasuredAuthority,
  requests: readonly PreparedRequest[],
  warmUp: number,
  innerUs: number,
): Promise<{ readonly stage: Stage; readonly answer: HttpResponse }> {
  const { handler } = await import('../../functions/enroll/handler.ts');
  const invoke = handler as unknown as (event: APIGatewayProxyEventV2, context: object) => Promise<HttpResponse>;
  const { answers, measurement } = await measureWarm(requests, warmUp, concurrency, ({ csrPem }) =>
    invoke(enrolmentEvent(world.secret, under.profile.name, csrPem), { functionName: 'bench' }),
  );
  const other = answers.find(({ statusCode }) => statusCode !== 200);
  if (other !== undefined) throw new Error(`the handler answered ${other.statusCode}: ${other.body}`);
  const cpuUsPerCall = Math.max(0, measurement.cpuUs - innerUs);
  const stage = { stage: 'enrol handler: caller, body, answer', timesPerCertificate: 1, cpuUsPerCall };
  return { stage, answer: answers[0]! };
}

function enrolmentEvent(secret: string, profile: string, csrPem: string): APIGatewayProxyEventV2 {
  const headers = {
    host: '127.0.0.1',
    authorization: `Bearer ${secret}`,
    'content-type': 'application/x-pem-file',
    prefer: 'wait=10',
  };
  const event = {
    version: '2.0',
    routeKey: 'POST /v1/enrollments',
    rawPath: '/v1/enrollments',
    rawQueryString: `profile=${profile}`,
    queryStringParameters: { profile },
    headers,
    body: Buffer.from(csrPem).toString('base64'),
    isBase64Encoded: true,
    requestContext: { requestId: 'bench', http: { method: 'POST', path: '/v1/enrollments' } },
  };
  return event as unknown as APIGatewayProxyEventV2;
}

/**
 * The front with a handler that has its answer ready: sockets, TLS where there is some, HTTP, the event made and the
 * answer written. `tls` is of a server that answers for localhost.
 */
export async function measureFront(
  answer: HttpResponse,
  count: number,
  warmUp: number,
  tls: TlsMaterial | undefined,
): Promise<Stage> {
  const front = await startFront([{ method: 'POST', path: '/v1/enrollments', handler: async () => answer }], {
    address: '127.0.0.1',
    port: 0,
    ...(tls === undefined ? {} : { tls }),
    onError: (cause) => {
      throw cause;
    },
  });
  const client = startClient();
  try {
    const { hostname: host, port } = new URL(front.url);
    const head = [
      'POST /v1/enrollments?profile=service HTTP/1.1',
      `host: ${host}:${port}`,
      `authorization: Bearer ${'x'.repeat(48)}`,
      'content-type: application/x-pem-file',
      'prefer: wait=10',
      '',
    ].join('\r\n');
    const task = {
      kind: 'load',
      target: { host, port: Number(port), ...(tls === undefined ? {} : { tlsAnchorsPem: tls.certificatePem }) },
      dialect: { kind: 'sealwright', head },
      connections: concurrency,
      secondsMax,
    } as const;
    await client.ask({ kind: 'prepare', tag: 'front', count: warmUp }, 'prepared');
    await client.ask({ ...task, watch: [] }, 'loaded');
    await client.ask({ kind: 'prepare', tag: 'front', count }, 'prepared');
    const before = process.cpuUsage();
    const { summary } = await client.ask({ ...task, watch: [] }, 'loaded');
    const { user, system } = process.cpuUsage(before);
    return {
      stage: tls === undefined ? 'HTTP front' : 'HTTPS front',
      timesPerCertificate: 1,
      cpuUsPerCall: (user + system) / summary.answered,
    };
  } finally {
    client.stop();
    await front.close(1_000);
  }
}
