import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlView } from '../localstack/acm-pca/control.ts';
import { benchCommand } from './command.ts';
import { withUndo } from './interruption.ts';
import { type PacingOptions, pacingUsage, parsePacingOptions } from './pacing/options.ts';
import { startSigner } from './pacing/signers.ts';
import { type PacingWorld, withPacingWorld } from './pacing/world.ts';

export interface PacingResult {
  readonly kind: 'pacing';
  readonly signers: number;
  readonly requests: number;
  /** IssueCertificate a second: the quota of the endpoint, less what is left to others. */
  readonly ratePerSecond: number;
  readonly shareForOthers: number;
  /** From the first ARN to the last. */
  readonly seconds: number;
  /** ARNs a second from one second after the first. */
  readonly perSecondAfterFirstSecond: number;
  readonly shareOfRate: number;
  /** As the endpoint counted. */
  readonly calls: Readonly<Record<'IssueCertificate' | 'GetCertificate', { accepted: number; throttled: number }>>;
  readonly throttledShare: number;
  readonly certificatesAtCa: number;
  readonly issuedInLedger: number;
  readonly deadLetters: number;
  /** Messages not settled by their delivery, by outcome and code. */
  readonly deferred: Readonly<Record<string, number>>;
  /** Writes to the permit store. */
  readonly exchanges: Readonly<Record<'stored' | 'conflict', number>>;
}

const shareOfRateMin = 0.98;
const throttledShareMax = 0.02;
/** The time that the rate allows, three times over, and this. */
const graceMs = 60_000;
const lookMs = 200;

/** Exit status 0 when rate, throttling and certificates are as they should be. */
export const run = benchCommand({
  usage: pacingUsage,
  parse: parsePacingOptions,
  measure(options) {
    process.stderr.write(`bench: ${options.requests} requests are made and approved\n`);
    return withPacingWorld(options.requests, (world) => measure(world, options));
  },
  render,
  isSound,
});

function isSound(result: PacingResult): boolean {
  return (
    result.shareOfRate >= shareOfRateMin &&
    result.throttledShare < throttledShareMax &&
    result.certificatesAtCa === result.requests &&
    result.issuedInLedger === result.requests
  );
}

async function measure(world: PacingWorld, options: PacingOptions): Promise<PacingResult> {
  const { quota, requests, signers } = options;
  // Only now: the CAs were made without quotas.
  const before = await world.control({ quotas: { IssueCertificate: quota, GetCertificate: 3 * quota } });
  const instants: number[] = [];
  const deferred: Record<string, number> = {};
  const exchanges = { stored: 0, conflict: 0 };
  const observer = {
    issued: () => void instants.push(performance.now()),
    deferred: ({ code, kind }: { readonly kind: string; readonly code: string }) => {
      deferred[`${kind} ${code}`] = (deferred[`${kind} ${code}`] ?? 0) + 1;
    },
    exchanged: (kind: 'stored' | 'conflict') => {
      exchanges[kind] += 1;
    },
    failed: (cause: unknown) => void process.stderr.write(`bench: ${JSON.stringify(cause)} ${String(cause)}\n`),
  };
  process.stderr.write(`bench: ${signers} signers at ${quota}/s\n`);
  const running = Array.from({ length: signers }, () => startSigner(world, options, observer));
  await withUndo(
    () => Promise.all(running.map((signer) => signer.stop())),
    () => untilSettled(world, performance.now() + (3_000 * requests) / Math.min(quota, options.rate) + graceMs),
  );
  const calls = callsOf(before, await world.control());
  const figures = rateOf(instants);
  const ratePerSecond = Math.min(quota, options.rate * (1 - options.shareForOthers));
  const all = Object.values(calls);
  const throttled = all.reduce((sum, call) => sum + call.throttled, 0);
  const ended = await endOf(world);
  return {
    kind: 'pacing',
    signers,
    requests,
    ratePerSecond,
    shareForOthers: options.shareForOthers,
    ...figures,
    shareOfRate: rounded(figures.perSecondAfterFirstSecond / ratePerSecond, 4),
    calls,
    throttledShare: rounded(throttled / Math.max(1, throttled + all.reduce((sum, call) => sum + call.accepted, 0)), 5),
    ...ended,
    deferred,
    exchanges,
  };
}

async function untilSettled({ caId, store }: PacingWorld, deadline: number): Promise<void> {
  for (;;) {
    const { approved, intended, received, submitted } = await store.ledger.unsettled(caId);
    if (approved + intended + received + submitted === 0) return;
    if (performance.now() > deadline) {
      process.stderr.write(`bench: given up with ${approved} approved, ${intended} intended, ${submitted} submitted\n`);
      return;
    }
    await sleep(lookMs);
  }
}

function callsOf(before: ControlView, after: ControlView): PacingResult['calls'] {
  const since = (operation: 'IssueCertificate' | 'GetCertificate') => ({
    accepted: (after.operations[operation]?.accepted ?? 0) - (before.operations[operation]?.accepted ?? 0),
    throttled: (after.operations[operation]?.throttled ?? 0) - (before.operations[operation]?.throttled ?? 0),
  });
  return { IssueCertificate: since('IssueCertificate'), GetCertificate: since('GetCertificate') };
}

function rateOf(instants: readonly number[]) {
  const [first = 0] = instants;
  const last = instants.at(-1) ?? first;
  const from = first + 1_000;
  const after = instants.filter((at) => at > from).length;
  return {
    seconds: rounded((last - first) / 1000, 2),
    perSecondAfterFirstSecond: last > from ? rounded((after * 1000) / (last - from), 3) : 0,
  };
}

async function endOf({ authorities, caId, control, queue, store }: PacingWorld) {
  const issuer = await authorities.newest(caId);
  const { authorities: atCa } = await control();
  const counters = await store.ledger.counters(caId);
  const total = counters.filter(({ dimension }) => dimension === 'total');
  const dead = store.queue(`${queue.name}-dead`);
  const { visible } = await dead.depth();
  return {
    certificatesAtCa: atCa[issuer?.backendRef ?? '']?.certificates.issued ?? 0,
    issuedInLedger: total.reduce((sum, { issued }) => sum + issued, 0),
    deadLetters: visible,
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function render(result: PacingResult): string {
  const { IssueCertificate: issue, GetCertificate: get } = result.calls;
  return `${[
    `${result.signers} signers, ${result.requests} requests, ${result.ratePerSecond}/s`,
    `after the first second: ${result.perSecondAfterFirstSecond}/s, ${(result.shareOfRate * 100).toFixed(2)} % of the rate; ${result.seconds} s in all`,
    `throttled: ${(result.throttledShare * 100).toFixed(3)} % of the calls (IssueCertificate ${issue.throttled} of ${issue.accepted + issue.throttled}, GetCertificate ${get.throttled} of ${get.accepted + get.throttled})`,
    `certificates at the CA: ${result.certificatesAtCa}; issued in the ledger: ${result.issuedInLedger}; dead letters: ${result.deadLetters}`,
    `deferred: ${JSON.stringify(result.deferred)}; writes to the permit store: ${JSON.stringify(result.exchanges)}`,
  ].join('\n')}\n`;
}
