/**
 * The local ACM PCA endpoint as a process: `node localstack/acm-pca/main.ts --port P --state DIR`, and the options that `usage`
 * names. One JSON line on standard output when it is ready; it says that it is an emulator. Ends on SIGTERM, and when its parent
 * goes, if that holds an IPC channel.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { lockState } from '../../shared/adapters/sqlite/state-lock.ts';
import { StorageError } from '../../shared/adapters/sqlite/storage-error.ts';
import { readQuotaChoice } from './control.ts';
import type { QuotaChoice } from './quotas.ts';
import { type AcmPcaEndpointOptions, startAcmPcaEndpoint } from './server.ts';
import { databaseFileName } from './store.ts';
import { defaultAuditReportPolicy } from './switches.ts';

const usage = `usage: main.ts --port P --state DIR [--account 000000000000] [--region us-east-1]
               [--issue-delay-ms N|MIN-MAX] [--create-delay-ms N] [--report-delay-ms N] [--report-interval-ms N]
               [--quotas aws|none|FILE|JSON] [--control]`;

type DelayRange = { readonly min: number; readonly max: number };

function parseDelayRange(text: string): DelayRange | undefined {
  const parts = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(text);
  if (parts === null) return undefined;
  const min = Number(parts[1]);
  const max = Number(parts[2] ?? parts[1]);
  return min <= max ? { min, max } : undefined;
}

/** A name, JSON in place, or a file of it. The message of what it throws is for people. */
function parseQuotas(text: string): QuotaChoice {
  if (text === 'aws' || text === 'none') return text;
  return readQuotaChoice(JSON.parse(text.startsWith('{') ? text : readFileSync(text, 'utf8')));
}

function parseDelay(text: string): number | undefined {
  const range = parseDelayRange(text);
  return range?.min === range?.max ? range?.min : undefined;
}

/** The value, or the fault of the option it was given with. */
function attempt<T>(option: string, parse: () => T): { readonly value?: T; readonly faults: readonly string[] } {
  try {
    return { value: parse(), faults: [] };
  } catch (error) {
    return { faults: [`${option}: ${error instanceof Error ? error.message : 'not valid'}`] };
  }
}

const optionTypes = {
  port: { type: 'string' },
  state: { type: 'string' },
  account: { type: 'string', default: '000000000000' },
  region: { type: 'string', default: 'us-east-1' },
  'issue-delay-ms': { type: 'string', default: '0-20' },
  'create-delay-ms': { type: 'string', default: '50' },
  'report-delay-ms': { type: 'string', default: String(defaultAuditReportPolicy.delayMs) },
  'report-interval-ms': { type: 'string', default: String(defaultAuditReportPolicy.intervalMs) },
  quotas: { type: 'string', default: 'none' },
  control: { type: 'boolean', default: false },
} as const;

/** The options, or every fault of the command line. */
function readOptions(args: readonly string[]): AcmPcaEndpointOptions | readonly string[] {
  const { values } = parseArgs({ args: [...args], options: optionTypes });
  const port = /^\d{1,5}$/.test(values.port ?? '') ? Number(values.port) : -1;
  const issueDelayMs = parseDelayRange(values['issue-delay-ms']);
  const createDelayMs = parseDelay(values['create-delay-ms']);
  const delayMs = parseDelay(values['report-delay-ms']);
  const intervalMs = parseDelay(values['report-interval-ms']);
  const quotas = attempt('--quotas', () => parseQuotas(values.quotas));
  const faults = [
    ...(port >= 0 && port <= 65_535 ? [] : ['--port: a port number, 0 for any']),
    ...(values.state ? [] : ['--state: a folder']),
    ...(/^[0-9]{12}$/.test(values.account) ? [] : ['--account: twelve digits']),
    ...(/^[a-z]{2}(-[a-z]+)+-[0-9]$/.test(values.region) ? [] : ['--region: the name of a Region']),
    ...(issueDelayMs === undefined ? ['--issue-delay-ms: N or MIN-MAX'] : []),
    ...(createDelayMs === undefined ? ['--create-delay-ms: N'] : []),
    ...(delayMs === undefined ? ['--report-delay-ms: N'] : []),
    ...(intervalMs === undefined ? ['--report-interval-ms: N'] : []),
    ...quotas.faults,
  ];
  if (faults.length > 0) return faults;
  return {
    port,
    stateDir: values.state ?? '',
    account: values.account,
    region: values.region,
    ...(issueDelayMs === undefined ? {} : { issueDelayMs }),
    ...(createDelayMs === undefined ? {} : { createDelayMs }),
    ...(quotas.value === undefined ? {} : { quotas: quotas.value }),
    switches: {
      auditReports: {
        ...defaultAuditReportPolicy,
        ...(delayMs === undefined ? {} : { delayMs }),
        ...(intervalMs === undefined ? {} : { intervalMs }),
      },
    },
    control: values.control,
    clock: () => Date.now(),
    randomBytes: (count) => randomBytes(count),
    log: (message) => process.stderr.write(`${message}\n`),
  };
}

function parseCommandLine(): AcmPcaEndpointOptions {
  try {
    const options = readOptions(process.argv.slice(2));
    if (!('length' in options)) return options;
    process.stderr.write(`${options.join('\n')}\n${usage}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : 'bad arguments'}\n${usage}\n`);
  }
  process.exit(2);
}

const stateWaitMsMax = 10_000;

/**
 * One process on one state: CAs are held in memory, and one that another process makes would not be seen. The endpoint of a
 * run that was killed answers what it has begun before it ends, so the next one waits for it.
 */
async function takeState(stateDir: string): Promise<void> {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const until = performance.now() + stateWaitMsMax;
  for (;;) {
    try {
      lockState(join(stateDir, databaseFileName));
      return;
    } catch (error) {
      const isBusy = error instanceof StorageError && error.code === 'state-in-use';
      if (!isBusy || performance.now() > until) throw error;
      await sleep(50);
    }
  }
}

async function main(): Promise<void> {
  const options = parseCommandLine();
  try {
    await takeState(options.stateDir);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : 'the state cannot be taken'}\n`);
    process.exit(1);
  }
  const endpoint = await startAcmPcaEndpoint(options);
  const stop = (): void => {
    endpoint.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', stop);
  if (process.connected) {
    // Ctrl-C reaches the whole process group: the parent still drains what it has and needs this endpoint for it.
    process.on('SIGINT', () => undefined);
    process.once('disconnect', stop);
  } else {
    process.once('SIGINT', stop);
  }
  const ready = {
    event: 'ready',
    url: endpoint.url,
    account: options.account,
    region: options.region,
    emulator: true,
    caKeys: 'software',
    fipsStatus: 'none',
    requestSignatures: 'not verified',
    quotas: endpoint.view().quotas,
    control: options.control === true,
    notice: 'An emulator of ACM PCA: CA keys are in software, FIPS status none, request signatures are not verified.',
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  if (process.connected) {
    // The parent may be gone by now: 'disconnect' then ends this process as it should.
    process.send?.({ kind: 'ready', url: endpoint.url }, () => undefined);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : 'failed to start'}\n`);
  process.exit(1);
});
