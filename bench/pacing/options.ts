import { parseArgs } from 'node:util';

/** `npm run bench -- pacing OPTIONS`. */
export interface PacingOptions {
  readonly json: boolean;
  readonly signers: number;
  readonly requests: number;
  /** IssueCertificate calls a second that the signers take for the quota. GetCertificate: three times as many. */
  readonly rate: number;
  /** What the endpoint takes. */
  readonly quota: number;
  readonly shareForOthers: number;
}

export const pacingUsage = `Usage: npm run bench -- pacing [OPTIONS]

Measures how well concurrent signers keep to a quota they share through the ledger, against the local ACM PCA endpoint.

  --signers N    concurrent signers, each with a pacing budget and a backend of its own (2)
  --requests N   approved issuances, there before the first call (5000)
  --rate R       quota of IssueCertificate the signers are configured for, a second (25, as AWS has it)
  --quota Q      what the endpoint really takes, when that is another (R)
  --others S     share of the quota left to others, 0 to 0.9 (0)
  --json         one JSON object as the last line of standard output
  --help         this text

Signers run in one process, since the SQLite ledger has one; they share nothing but the ledger. The ACM PCA endpoint is a process
of its own. Exit status 0 when at least 98 % of the rate was reached after the first second, fewer than 2 % of the calls
were throttled, and the CA has a certificate for each request.
`;

export type ParsedPacingOptions =
  | { readonly kind: 'options'; readonly options: PacingOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly faults: readonly string[] };

/** Reads the command line; every fault at once. */
export function parsePacingOptions(args: readonly string[]): ParsedPacingOptions {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (cause) {
    return { kind: 'usage', faults: [(cause as Error).message] };
  }
  if (values.help) return { kind: 'help' };
  const faults: string[] = [];
  const number = (name: 'signers' | 'requests' | 'rate' | 'quota' | 'others', otherwise: number, max: number) => {
    const text = values[name];
    if (text === undefined) return otherwise;
    const isShare = name === 'others';
    const value = (isShare ? /^0(\.\d{1,3})?$/ : /^\d{1,6}$/).test(text) ? Number(text) : Number.NaN;
    if (value >= (isShare ? 0 : 1) && value <= max) return value;
    faults.push(isShare ? '--others: from 0 to 0.9' : `--${name}: a whole number from 1 to ${max}`);
    return otherwise;
  };
  const rate = number('rate', 25, 2_000);
  const options: PacingOptions = {
    json: values.json,
    signers: number('signers', 2, 64),
    requests: number('requests', 5_000, 100_000),
    rate,
    quota: number('quota', rate, 2_000),
    shareForOthers: number('others', 0, 0.9),
  };
  return faults.length > 0 ? { kind: 'usage', faults } : { kind: 'options', options };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      signers: { type: 'string' },
      requests: { type: 'string' },
      rate: { type: 'string' },
      quota: { type: 'string' },
      others: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}
