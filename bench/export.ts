import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PassThrough } from 'node:stream';
import { openSqliteStore } from '../shared/adapters/sqlite/store.ts';
import { keepInventory } from '../shared/issuance/keep-inventory.ts';
import { seedCertificates } from './blast-radius/seed.ts';
import { benchCommand } from './command.ts';
import { type Growth, watchGrowth } from './export/growth.ts';
import { type ExportOptions, exportUsage, parseExportOptions } from './export/options.ts';
import { createSerialSum, type Exported, type ExportFormat, readExport } from './export/sink.ts';
import { hierarchyVariant } from './hierarchy-variant.ts';
import { withTemporaryFolder, withUndo } from './interruption.ts';
import { type MeasuredService, startMeasuredService } from './service.ts';
import { rounded } from './spread.ts';

interface FormatResult {
  readonly format: ExportFormat;
  readonly rows: number;
  readonly mib: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly isWhole: boolean;
  /** Of the service, since before its first export; of the command, since its first page. */
  readonly service: Growth;
  readonly command: Growth;
}

export interface ExportResult {
  readonly kind: 'export';
  readonly rows: number;
  readonly growthMiBMax: number;
  readonly formats: readonly FormatResult[];
  readonly sound: boolean;
}

const formats: readonly ExportFormat[] = ['ndjson', 'csv', 'json'];
const at = Date.parse('2026-11-23T00:00:00Z');

/** Exit status 0 when nothing is missing or twice, and nothing grows. */
export const run = benchCommand({
  usage: exportUsage,
  parse: parseExportOptions,
  measure: (options) => withTemporaryFolder((dir) => measure(dir, options)),
  render,
  isSound: ({ sound }) => sound,
});

async function measure(dir: string, options: ExportOptions): Promise<ExportResult> {
  const stateDir = join(dir, 'state');
  const hierarchyFile = join(dir, 'hierarchy.yaml');
  writeFileSync(hierarchyFile, hierarchyVariant(readFileSync('hierarchy.yaml', 'utf8'), () => true).text);
  const start = () => startMeasuredService({ stateDir, hierarchyFile, profiles: ['device'] });
  // The first start makes the state: CAs, tokens, tables.
  await (await start()).stop();
  const ledger = join(stateDir, 'ledger.sqlite');
  await seedCertificates(ledger, { rows: options.rows, owners: options.owners, at }, (done) => {
    if (done % 100_000 === 0) process.stderr.write(`bench: ledger: ${done} of ${options.rows} certificates\n`);
  });
  await settle(ledger);
  const counted = countLedger(ledger);
  const service = await start();
  const results = await withUndo(
    () => service.stop(),
    async () => {
      const done: FormatResult[] = [];
      for (const format of formats) done.push(await exportOnce(service, stateDir, format, counted));
      return done;
    },
  );
  const { growthMiBMax, rows } = options;
  const grewNot = ({ growthMiB }: Growth) => growthMiB < growthMiBMax;
  const sound = results.every((one) => one.isWhole && grewNot(one.service) && grewNot(one.command));
  return { kind: 'export', rows, growthMiBMax, formats: results, sound };
}

/** What the upkeep would do of a ledger that came at once: it is no part of an export, and fills the service's own cache. */
async function settle(path: string): Promise<void> {
  const store = openSqliteStore({ path, clock: Date.now });
  try {
    while ((await keepInventory({ inventory: store.inventory, clock: Date.now })).more);
  } finally {
    store.close();
  }
}

/** The serials of the ledger, one by one: what every export is held against. */
function countLedger(path: string): Pick<Exported, 'rows' | 'serialsDigest'> {
  const database = new DatabaseSync(path, { readOnly: true });
  const serials = createSerialSum();
  let rows = 0;
  try {
    const all = database.prepare("SELECT serial FROM issuances WHERE state IN ('issued', 'revoked')");
    for (const { serial } of all.iterate()) {
      serials.add(serial as string);
      rows += 1;
    }
  } finally {
    database.close();
  }
  return { rows, serialsDigest: serials.digest() };
}

async function exportOnce(
  { host, port, processes }: MeasuredService,
  stateDir: string,
  format: ExportFormat,
  counted: Pick<Exported, 'rows' | 'serialsDigest'>,
): Promise<FormatResult> {
  process.stderr.write(`bench: ${format}\n`);
  const script = join(import.meta.dirname, '..', 'cli', 'sealwright.ts');
  const options = ['--all', '--format', format, '--url', `http://${host}:${port}`, '--state', stateDir];
  const servicePid = processes.find(({ name }) => name === 'service')?.pid;
  if (servicePid === undefined) throw new Error('memory of a process is read from /proc, which is not there');
  const serviceGrowth = watchGrowth(servicePid);
  serviceGrowth.mark();
  const startedAt = performance.now();
  const command = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, 'search', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(command, 'exit');
  const commandGrowth = watchGrowth(command.pid!);
  command.stdout.once('data', () => commandGrowth.mark());
  const sink = new PassThrough();
  command.stdout.pipe(sink);
  const exported = await readExport(sink, format);
  const [status] = await ended;
  const seconds = (performance.now() - startedAt) / 1000;
  if (status !== 0) throw new Error(`the command ended with ${status}`);
  return {
    format,
    rows: exported.rows,
    mib: rounded(exported.bytes / 2 ** 20, 1),
    seconds: rounded(seconds, 1),
    rowsPerSecond: Math.round(exported.rows / seconds),
    isWhole: exported.rows === counted.rows && exported.serialsDigest === counted.serialsDigest,
    service: serviceGrowth.end()!,
    command: commandGrowth.end()!,
  };
}

function render({ formats: results, growthMiBMax, rows, sound }: ExportResult): string {
  const memory = ({ beforeMiB, growthMiB, mostMiB }: Growth) => `+${growthMiB} MiB (${beforeMiB} to ${mostMiB})`;
  return `${[
    ...results.map(
      (one) =>
        `${one.format.padEnd(6)} ${one.rows} rows, ${one.mib} MiB, ${one.seconds} s; service ${memory(one.service)}, command ${memory(one.command)}${one.isWhole ? '' : '; NOT what the ledger has'}`,
    ),
    `${sound ? 'sound' : 'NOT sound'}: ${rows} certificates, growth under ${growthMiBMax} MiB`,
  ].join('\n')}\n`;
}
