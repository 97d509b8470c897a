/** The client, in a process of its own so that its CPU is not counted as the server's. Told what to do on its IPC channel. */
import { percentile } from '../spread.ts';
import { type LoadResult, runLoad } from './load.ts';
import type { ClientAnswer, ClientTask, LoadSummary, VerifySummary } from './messages.ts';
import { type PreparedRequest, prepareRequests } from './requests.ts';
import { issuerKeyOf, replyFault } from './verify.ts';

let requests: readonly PreparedRequest[] = [];
let loaded: LoadResult | undefined;

async function perform(task: ClientTask): Promise<ClientAnswer> {
  switch (task.kind) {
    case 'prepare':
      loaded = undefined;
      requests = prepareRequests(task.tag, task.count);
      return { kind: 'prepared' };
    case 'load':
      loaded = await runLoad({ ...task, requests: requests.map((request) => wholeRequest(task.head, request)) });
      return { kind: 'loaded', summary: summaryOf(loaded) };
    case 'verify':
      return { kind: 'verified', summary: verify(task.issuerPem) };
  }
}

function wholeRequest(head: string, { csrPem }: PreparedRequest): Uint8Array {
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(csrPem)}\r\n\r\n${csrPem}`, 'latin1');
}

function summaryOf(load: LoadResult): LoadSummary {
  const { answered, clientCpuMs, latenciesMs, replies, seconds, usage } = load;
  const certificates = replies.filter((reply) => reply?.status === 200).length;
  const latencyMs =
    answered === 0 ? { p50: 0, p99: 0 } : { p50: percentile(latenciesMs, 0.5), p99: percentile(latenciesMs, 0.99) };
  return { answered, certificates, seconds, latencyMs, usage, clientCpuMs };
}

function verify(issuerPem: string): VerifySummary {
  const issuerKey = issuerKeyOf(issuerPem);
  const faults: Record<string, number> = {};
  let verified = 0;
  loaded?.replies.forEach((reply, index) => {
    if (reply === undefined) return;
    const fault = replyFault(reply, requests[index]!, issuerKey);
    if (fault === undefined) verified += 1;
    else faults[fault] = (faults[fault] ?? 0) + 1;
  });
  return { verified, faults };
}

process.on('message', async (task: ClientTask) => {
  const answer = await perform(task).catch(
    (cause: unknown): ClientAnswer => ({ kind: 'failed', message: cause instanceof Error ? cause.message : 'unknown' }),
  );
  process.send?.(answer);
});
process.on('disconnect', () => process.exit());
