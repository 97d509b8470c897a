import { type Column, renderTable } from '../cli/terminal/table.ts';
import type { Environment } from './environment.ts';
import type { BenchResult, RunResult, StagesResult } from './result.ts';
import type { Spread } from './spread.ts';

const mebibyte = 1024 * 1024;

/** The result for a person, at most 100 columns wide. */
export function renderResult(result: BenchResult): string {
  const { endToEnd, skipped, stages } = result;
  return [
    renderEnvironment(result.environment),
    renderSettings(result),
    endToEnd.length === 0 ? '' : `\n${renderEndToEnd(result)}\n${renderProcesses(result)}`,
    stages === null ? '' : `\n${renderStages(stages)}`,
    ...skipped.map(({ backend, reason }) => `\nleft out: ${backend}: ${reason}\n`),
  ].join('');
}

/** The machine, in lines. */
export function renderEnvironment(environment: Environment): string {
  const { cpuCount, cpuModel, disk, loadAverage, node, openssl, primitivesUs, sqlite } = environment;
  return [
    `Node ${node}, OpenSSL ${openssl}, ${cpuCount} CPUs (${cpuModel}), load average ${loadAverage}`,
    `SQLite ${sqlite.version}, journal ${sqlite.journalMode}, synchronous ${sqlite.synchronous}, on ${disk.filesystem}: fdatasync ${disk.fdatasyncUs} µs`,
    `P-256 in one thread: sign ${primitivesUs.ecdsaP256Sign} µs, verify ${primitivesUs.ecdsaP256Verify} µs, import ${primitivesUs.publicKeyImport} µs`,
    '',
  ].join('\n');
}

function renderSettings({ settings }: BenchResult): string {
  const { certificates, connections, runs, seconds, tls, warmUp } = settings;
  const extent = seconds === null ? `${certificates} certificates` : `${seconds} s`;
  const transport = tls ? 'TLS' : 'plain HTTP';
  const loads = `${connections.join(', ')} connections, ${transport}`;
  return `${runs} runs of ${extent}, ${loads}, warm-up ${warmUp} certificates\n`;
}

function right(header: string): Column {
  return { header, align: 'right', widthMin: 4 };
}

function renderEndToEnd({ endToEnd }: BenchResult): string {
  const columns: readonly Column[] = [
    { header: 'backend' },
    right('conn.'),
    right('certificates/s'),
    right('CPU ms each'),
    right('p50 ms'),
    right('p99 ms'),
    right('issued'),
    right('verified'),
    right('recorded'),
  ];
  const rows = endToEnd.map(({ backend, connections, runs, spread }) => [
    backend,
    connections,
    spreadText(spread.certificatesPerSecond, 0),
    spread.cpuMsPerCertificate === null ? 'unknown' : spreadText(spread.cpuMsPerCertificate, 2),
    spread.latencyMsP50.median.toFixed(1),
    spread.latencyMsP99.median.toFixed(1),
    total(runs, 'certificates'),
    total(runs, 'verified'),
    total(runs, 'recorded'),
  ]);
  return renderTable(columns, rows);
}

function total(runs: readonly RunResult[], count: 'certificates' | 'verified' | 'recorded'): number {
  return runs.reduce((sum, run) => sum + run[count], 0);
}

/** Median, and between which values it lies. */
function spreadText({ min, median, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

function renderProcesses({ endToEnd }: BenchResult): string {
  const columns: readonly Column[] = [
    { header: 'backend' },
    right('conn.'),
    { header: 'process' },
    right('CPU ms each'),
    right('main thread ms each'),
    right('memory MiB'),
  ];
  const rows = endToEnd.flatMap(({ backend, connections, runs }) => {
    const last = runs.at(-1)!;
    const processes = last.processes.map((one) => [
      backend,
      connections,
      one.name,
      one.cpuMsPerCertificate.toFixed(3),
      one.mainThreadCpuMsPerCertificate.toFixed(3),
      Math.round(one.rssMaxBytes / mebibyte),
    ]);
    return [...processes, [backend, connections, 'client', last.clientCpuMsPerCertificate.toFixed(3), '', '']];
  });
  return renderTable(columns, rows);
}

function renderStages({ byBackend, stages }: StagesResult): string {
  const columns: readonly Column[] = [
    { header: 'stage' },
    right('µs a call'),
    right('calls'),
    right('µs a certificate'),
    right('share'),
  ];
  const rows = stages.map(({ cpuUsPerCall, cpuUsPerCertificate, share, stage, timesPerCertificate }) => [
    stage,
    cpuUsPerCall.toFixed(1),
    timesPerCertificate,
    cpuUsPerCertificate.toFixed(1),
    `${(share * 100).toFixed(1)} %`,
  ]);
  const remainders = byBackend.map(
    ({ backend, endToEndUs, remainderUs, stagesUs }) =>
      `${backend}: ${endToEndUs.toFixed(0)} µs end to end = ${stagesUs.toFixed(0)} in stages + ${remainderUs.toFixed(0)} besides\n`,
  );
  return [renderTable(columns, rows), ...remainders].join('');
}
