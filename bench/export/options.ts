import { type ParsedOptions, readOptions } from '../read-options.ts';

/** `npm run bench -- export OPTIONS`. */
export interface ExportOptions {
  readonly json: boolean;
  readonly rows: number;
  readonly owners: number;
  readonly growthMiBMax: number;
}

export const exportUsage = `Usage: npm run bench -- export [OPTIONS]

Exports every certificate of a ledger as NDJSON, CSV and JSON: by the command, over HTTP, from the service as npm start runs it.
What comes out is counted and held against the ledger; memory is that of the two processes, as the kernel counts it.

  --rows N        certificates of the ledger (1000000)
  --owners N      owners (10000)
  --growth-mib N  how much the service, and the command, may grow in one export (64)
  --json          one JSON object as the last line of standard output
  --help          this text

Exit status 0 when each export has every serial of the ledger once, and neither process grows by more.
`;

/** Reads the command line; every fault at once. */
export function parseExportOptions(args: readonly string[]): ParsedOptions<ExportOptions> {
  const string = { type: 'string' } as const;
  return readOptions(args, { rows: string, owners: string, 'growth-mib': string }, ({ count, flag }) => ({
    json: flag('json'),
    rows: count('rows', 1_000_000, 10, 20_000_000),
    owners: count('owners', 10_000, 10, 1_000_000),
    growthMiBMax: count('growth-mib', 64, 1, 100_000),
  }));
}
