import { type Column, renderTable } from '../../cli/terminal/table.ts';
import { spreadOf } from '../spread.ts';
import { cpuMsOf, otherWorkOf, pairedRatios, rateOf, type SideRun } from './result.ts';
import { type ComparisonName, comparisons, type Side } from './side.ts';

const mebibyte = 1024 * 1024;

function right(header: string): Column {
  return { header, align: 'right', widthMin: 4 };
}

/** The result for a person, at most 100 columns wide. */
export function renderPeers(sides: readonly Side[], runs: readonly SideRun[]): string {
  return [renderSides(sides, runs), renderRates(sides, runs), renderRuns(runs), renderRatios(runs)].join('\n');
}

function renderSides(sides: readonly Side[], runs: readonly SideRun[]): string {
  const columns: readonly Column[] = [
    { header: 'side', widthMin: 24 },
    { header: 'what it is, how spoken to, how durable, how its records are counted', overflow: 'wrap', widthMin: 40 },
  ];
  const rows = sides.flatMap(({ counted, description, name }) => {
    const own = runs.filter(({ side }) => side === name);
    const settings = [...new Set(own.map(({ durability }) => durability.settings))];
    const transports = [...new Set(own.map(({ load }) => load.transport))];
    return [
      [name, description],
      ['', `spoken: ${transports.join('; ')}`],
      ['', `durable: ${settings.join('; ')}`],
      ['', `counted: ${counted}`],
    ];
  });
  return renderTable(columns, rows);
}

function renderRates(sides: readonly Side[], runs: readonly SideRun[]): string {
  const columns: readonly Column[] = [
    { header: 'side', widthMin: 24 },
    right('certificates/s'),
    right('CPU ms each'),
    right('p50 ms'),
    right('p99 ms'),
    right('memory MiB'),
  ];
  const rows = sides.map(({ name }) => {
    const own = runs.filter(({ side }) => side === name);
    const median = (value: (run: SideRun) => number, digits: number) =>
      spreadOf(own.map(value))?.median.toFixed(digits) ?? 'unknown';
    return [
      name,
      spreadText(own.map(rateOf), 0),
      spreadText(own.map(cpuMsOf), 3),
      median(({ load }) => load.latencyMs.p50, 1),
      median(({ load }) => load.latencyMs.p99, 1),
      median(({ load }) => load.usage.reduce((sum, { rssMaxBytes }) => sum + rssMaxBytes / mebibyte, 0), 0),
    ];
  });
  return renderTable(columns, rows);
}

/** Median, and between which values it lies. */
function spreadText(values: readonly (number | undefined)[], digits: number): string {
  const spread = spreadOf(values.filter((value) => value !== undefined));
  if (spread === undefined) return 'unknown';
  const { max, median, min } = spread;
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

function renderRuns(runs: readonly SideRun[]): string {
  const columns: readonly Column[] = [
    right('round'),
    { header: 'side', widthMin: 24 },
    right('per s'),
    right('issued'),
    right('verified'),
    right('recorded'),
    right('client ms each'),
    right('other work'),
  ];
  const rows = runs.map((run) => {
    const { load, recorded, round, side, verified } = run;
    const other = otherWorkOf(run);
    return [
      round,
      side,
      rateOf(run).toFixed(0),
      load.certificates,
      verified,
      recorded,
      (load.clientCpuMs / Math.max(1, load.certificates)).toFixed(3),
      other === undefined ? 'unknown' : `${(other * 100).toFixed(0)} %`,
    ];
  });
  const faults = runs.flatMap(({ faults, round, side }) =>
    Object.entries(faults).map(([fault, count]) => `round ${round}, ${side}: ${count} × ${fault}\n`),
  );
  return [renderTable(columns, rows), ...faults].join('');
}

function renderRatios(runs: readonly SideRun[]): string {
  const columns: readonly Column[] = [
    { header: 'comparison', widthMin: 16 },
    { header: 'ours : peer', widthMin: 40 },
    right('rate'),
    right('CPU each'),
  ];
  const rows = (Object.keys(comparisons) as ComparisonName[]).flatMap((name) => {
    const rates = pairedRatios(runs, name, rateOf);
    if (rates.length === 0) return [];
    const { ours, peer } = comparisons[name];
    return [[name, `${ours} : ${peer}`, spreadText(rates, 2), spreadText(pairedRatios(runs, name, cpuMsOf), 2)]];
  });
  return renderTable(columns, rows);
}
