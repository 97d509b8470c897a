import { type ParsedOptions, readOptions } from '../read-options.ts';

/** `npm run bench -- blast-radius OPTIONS`. */
export interface BlastRadiusOptions {
  readonly json: boolean;
  readonly rows: number;
  readonly smallRows: number;
  readonly owners: number;
  readonly calls: number;
}

export const blastRadiusUsage = `Usage: npm run bench -- blast-radius [OPTIONS]

Measures the blast radius of a root with three issuance CAs below it, over a small ledger and a large one with as many owners.

  --rows N        certificates of the large ledger (1000000)
  --small-rows N  certificates of the small one (10000)
  --owners N      owners, in both (10000)
  --calls N       timed calls of each headline (300)
  --json          one JSON object as the last line of standard output
  --help          this text

Exit status 0 when p99 of the headline is at most 50 ms (of CPU, where more wants to run than there are processors), the median of the root at most 1.2 times that of the small ledger, every figure equal to
a count of all certificates at both sizes, and a recount finds the counters equal.
`;

/** Reads the command line; every fault at once. */
export function parseBlastRadiusOptions(args: readonly string[]): ParsedOptions<BlastRadiusOptions> {
  const string = { type: 'string' } as const;
  const named = { rows: string, 'small-rows': string, owners: string, calls: string };
  return readOptions(args, named, ({ count, flag }) => ({
    json: flag('json'),
    rows: count('rows', 1_000_000, 10, 20_000_000),
    smallRows: count('small-rows', 10_000, 10, 1_000_000),
    owners: count('owners', 10_000, 10, 1_000_000),
    calls: count('calls', 300, 10, 10_000),
  }));
}
