/**
 * The local ACM PCA endpoint as a process:
 * `node localstack/acm-pca/main.ts --port P --state DIR [--account ID] [--region R] [--issue-delay-ms N|MIN-MAX]
 * [--create-delay-ms N]`. One JSON line on standard output when it is ready; it says that it is an emulator. Ends on SIGTERM,
 * and when its parent goes, if that holds an IPC channel.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type AcmPcaEndpointOptions, startAcmPcaEndpoint } from './server.ts';

const usage =
  'usage: main.ts --port P --state DIR [--account 000000000000] [--region us-east-1] [--issue-delay-ms N|MIN-MAX] [--create-delay-ms N]';

type DelayRange = { readonly min: number; readonly max: number };

function parseDelayRange(text: string): DelayRange | undefined {
  const parts = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(text);
  if (parts === null) return undefined;
  const min = Number(parts[1]);
  const max = Number(parts[2] ?? parts[1]);
  return min <= max ? { min, max } : undefined;
}

/** The options, or every fault of the command line. */
function readOptions(args: readonly string[]): AcmPcaEndpointOptions | readonly string[] {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string' },
      state: { type: 'string' },
      account: { type: 'string', default: '000000000000' },
      region: { type: 'string', default: 'us-east-1' },
      'issue-delay-ms': { type: 'string', default: '0-20' },
      'create-delay-ms': { type: 'string', default: '50' },
    },
  });
  const port = /^\d{1,5}$/.test(values.port ?? '') ? Number(values.port) : -1;
  const issueDelayMs = parseDelayRange(values['issue-delay-ms']);
  const createDelayMs = parseDelayRange(values['create-delay-ms'])?.min;
  const faults = [
    ...(port >= 0 && port <= 65_535 ? [] : ['--port: a port number, 0 for any']),
    ...(values.state ? [] : ['--state: a folder']),
    ...(/^[0-9]{12}$/.test(values.account) ? [] : ['--account: twelve digits']),
    ...(/^[a-z]{2}(-[a-z]+)+-[0-9]$/.test(values.region) ? [] : ['--region: the name of a Region']),
    ...(issueDelayMs === undefined ? ['--issue-delay-ms: N or MIN-MAX'] : []),
    ...(createDelayMs === undefined ? ['--create-delay-ms: N'] : []),
  ];
  if (faults.length > 0 || issueDelayMs === undefined || createDelayMs === undefined) return faults;
  return {
    port,
    stateDir: values.state ?? '',
    account: values.account,
    region: values.region,
    issueDelayMs,
    createDelayMs,
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

async function main(): Promise<void> {
  const options = parseCommandLine();
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
    notice: 'An emulator of ACM PCA: CA keys are in software, FIPS status none, request signatures are not verified.',
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  if (process.connected) process.send?.({ kind: 'ready', url: endpoint.url });
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : 'failed to start'}\n`);
  process.exit(1);
});
