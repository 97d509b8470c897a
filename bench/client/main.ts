/** The client, in a process of its own so that its CPU is not counted as the server's. Told what to do on its IPC channel. */
import { percentile } from '../spread.ts';
import { type Dialect, successStatus, wholeRequests } from './dialect.ts';
import { type LoadResult, runLoad } from './load.ts';
import type { ClientAnswer, ClientTask, LoadSummary, VerifySummary } from './messages.ts';
import { type PreparedRequest, prepareRequests } from './requests.ts';
import { issuerKeyOf, replyFault } from './verify.ts';

let requests: readonly PreparedRequest[] = [];
/** The last load: what was sent, how, and what came back. */
let loaded:
  | { readonly sent: readonly PreparedRequest[]; readonly kind: Dialect['kind']; readonly load: LoadResult }
  | undefined;

async function perform(task: ClientTask): Promise<ClientAnswer> {
  switch (task.kind) {
    case 'prepare':
      loaded = undefined;
      requests = prepareRequests(task.tag, task.count);
      return { kind: 'prepared' };
    case 'load': {
      loaded = undefined;
      const { dialect, range } = task;
      const sent = range === undefined ? requests : requests.slice(range.from, range.to);
      const load = await runLoad({ ...task, requests: wholeRequests(dialect, sent) });
      loaded = { sent, kind: dialect.kind, load };
      return { kind: 'loaded', summary: summaryOf(load, successStatus[dialect.kind]) };
    }
    case 'verify':
      return { kind: 'verified', summary: verify(task.issuerPem) };
  }
}

function summaryOf(load: LoadResult, success: number): LoadSummary {
  const { answered, clientCpuMs, latenciesMs, machine, replies, seconds, transport, usage } = load;
  const certificates = replies.filter((reply) => reply?.status === success).length;
  const latencyMs =
    answered === 0 ? { p50: 0, p99: 0 } : { p50: percentile(latenciesMs, 0.5), p99: percentile(latenciesMs, 0.99) };
  return {
    answered,
    certificates,
    seconds,
    latencyMs,
    usage,
    clientCpuMs,
    transport,
    ...(machine === undefined ? {} : { machine }),
  };
}

function verify(issuerPem: string): VerifySummary {
  const issuerKey = issuerKeyOf(issuerPem);
  const faults: Record<string, number> = {};
  let verified = 0;
  loaded?.load.replies.forEach((reply, index) => {
    if (reply === undefined) return;
    const fault = replyFault(loaded!.kind, reply, loaded!.sent[index]!, issuerKey);
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
