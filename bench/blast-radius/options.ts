import { parseArgs } from 'node:util';

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

export type ParsedBlastRadiusOptions =
  | { readonly kind: 'options'; readonly options: BlastRadiusOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly faults: readonly string[] };

/** Reads the command line; every fault at once. */
export function parseBlastRadiusOptions(args: readonly string[]): ParsedBlastRadiusOptions {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (cause) {
    return { kind: 'usage', faults: [(cause as Error).message] };
  }
  if (values.help) return { kind: 'help' };
  const faults: string[] = [];
  const count = (name: 'rows' | 'small-rows' | 'owners' | 'calls', otherwise: number, max: number) => {
    const text = values[name];
    if (text === undefined) return otherwise;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= 10 && value <= max) return value;
    faults.push(`--${name}: a whole number from 10 to ${max}`);
    return otherwise;
  };
  const options: BlastRadiusOptions = {
    json: values.json,
    rows: count('rows', 1_000_000, 20_000_000),
    smallRows: count('small-rows', 10_000, 1_000_000),
    owners: count('owners', 10_000, 1_000_000),
    calls: count('calls', 300, 10_000),
  };
  return faults.length > 0 ? { kind: 'usage', faults } : { kind: 'options', options };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      rows: { type: 'string' },
      'small-rows': { type: 'string' },
      owners: { type: 'string' },
      calls: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}
