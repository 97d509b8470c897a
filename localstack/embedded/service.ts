/**
 * The process that serves: front, event source mappings and schedules over one ledger. Started by main.ts, which gives it
 * its environment; says `{"kind":"ready","url"}` on the IPC channel. On SIGTERM, or when its parent goes, it drains: requests
 * under way are answered, batches under way are finished, what is accepted stays in the ledger, and it exits with 0. A second
 * SIGTERM, or the end of its grace, ends it at once with 1: what was under way is taken up by the next start.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { processEmbeddedStack } from '../../shared/adapters/stack/embedded-stack.ts';
import { enrolmentQueueName, signingQueueName } from '../../shared/adapters/stack/stack.ts';
import type { TlsMaterial } from './front.ts';
import { hostReport, startHost } from './host.ts';
import type { ServiceMessage } from './service-process.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '3000' },
    listen: { type: 'string', default: '127.0.0.1' },
    'tls-cert': { type: 'string' },
    'tls-key': { type: 'string' },
    'tls-client-ca': { type: 'string' },
    'grace-ms': { type: 'string', default: '14000' },
  },
});

/** Below the 15 s after which the parent kills. */
const graceMs = Number(values['grace-ms']);
/** Of the grace, what is left to the batches once the requests are answered. */
const batchGraceMs = Math.min(4_000, graceMs / 2);

function tell(message: ServiceMessage): void {
  if (process.connected) process.send?.(message);
}

function readTls(): TlsMaterial | undefined {
  const { 'tls-cert': certificate, 'tls-key': key, 'tls-client-ca': clientCa } = values;
  if (certificate === undefined || key === undefined) return undefined;
  return {
    certificatePem: readFileSync(certificate, 'utf8'),
    privateKeyPem: readFileSync(key, 'utf8'),
    ...(clientCa === undefined ? {} : { clientCaPem: readFileSync(clientCa, 'utf8') }),
  };
}

async function main(): Promise<void> {
  // A full disk takes the log first: what cannot be written to it must not stop the service.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const stack = processEmbeddedStack();
  const { logger, raise } = stack;
  const servedQueues = new Set([enrolmentQueueName, ...[...stack.environment.backends].map(signingQueueName)]);
  const tls = readTls();
  const host = await startHost({
    projectDir: join(import.meta.dirname, '..', '..'),
    queue: stack.queue,
    servedQueues,
    address: values.listen,
    port: Number(values.port),
    ...(tls === undefined ? {} : { tls }),
    onError: hostReport(raise),
  });

  let stopping = false;
  const drain = async () => {
    await host.stop(graceMs - batchGraceMs);
    await stack.close();
    process.exit(0);
  };
  const stop = () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => exitNow('the grace is over'), graceMs);
    drain().catch((cause: unknown) => exitNow('stopping failed', cause));
  };
  const exitNow = (reason: string, cause?: unknown) => {
    logger.warn('ends without having drained', { reason, ...(cause === undefined ? {} : { error: cause as Error }) });
    process.exit(1);
  };
  let terminations = 0;
  process.on('SIGTERM', () => {
    terminations += 1;
    if (terminations > 1) exitNow('a second SIGTERM');
    else stop();
  });
  process.on('disconnect', stop);
  // Ctrl-C reaches every process of the terminal; the parent decides when this one stops.
  process.on('SIGINT', () => undefined);
  tell({ kind: 'ready', url: host.url });
}

main().catch((cause: unknown) => {
  const error = cause as { readonly code?: unknown; readonly message?: unknown };
  tell({ kind: 'refused', code: String(error.code ?? 'internal'), message: String(error.message ?? cause) });
  // The message has to reach the parent before the channel closes.
  setTimeout(() => process.exit(1), 50);
});
