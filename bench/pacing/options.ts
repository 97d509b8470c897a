import { type ParsedOptions, readOptions } from '../read-options.ts';

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

/** Reads the command line; every fault at once. */
export function parsePacingOptions(args: readonly string[]): ParsedOptions<PacingOptions> {
  const string = { type: 'string' } as const;
  const named = { signers: string, requests: string, rate: string, quota: string, others: string };
  return readOptions(args, named, ({ count, fault, flag, text }) => {
    const rate = count('rate', 25, 1, 2_000);
    const others = text('others') ?? '0';
    const shareForOthers = /^0(\.\d{1,3})?$/.test(others) ? Number(others) : Number.NaN;
    if (!(shareForOthers <= 0.9)) fault('--others: from 0 to 0.9');
    return {
      json: flag('json'),
      signers: count('signers', 2, 1, 64),
      requests: count('requests', 5_000, 1, 100_000),
      rate,
      quota: count('quota', rate, 1, 2_000),
      shareForOthers,
    };
  });
}
