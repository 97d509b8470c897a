import { requestsMax } from '../end-to-end.ts';
import { type ParsedOptions, readOptions } from '../read-options.ts';
import { type SideName, sideNames } from './side.ts';
import { defaultCacheDir } from './toolchain.ts';

/** `npm run bench:peers -- OPTIONS`. */
export interface PeersOptions {
  readonly json: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly warmUp: number;
  readonly sides: readonly SideName[];
  readonly hierarchyFile: string;
  /** Where the peers are built. */
  readonly cacheDir: string;
  /** Whether to measure although a sync costs nothing there. */
  readonly isTmpfsAccepted: boolean;
  readonly cpuProfileDir: string | undefined;
}

export const peersUsage = `Usage: npm run bench:peers -- [OPTIONS]

Measures us against step-ca and cfssl in turn, A B C A B C, with one client and the same requests.
The peers are built with Go (1.25 or later, and a C compiler) the first time.

  --rounds N          timed parts of each side, each on an empty state (3)
  --seconds S         length of a timed part (10)
  --connections N     connections, each with one request under way (16)
  --warm-up N         certificates before a timed part (10000)
  --sides A,B         of: ${sideNames.slice(0, 3).join(', ')},
                      ${sideNames.slice(3).join(', ')} (all)
  --hierarchy FILE    our CAs and profiles (hierarchy.yaml)
  --cache DIR         where the peers are built (sealwright/bench-peers in the user's cache)
  --tmpfs             measure although TMPDIR is on tmpfs, where a sync costs nothing
  --cpu-prof DIR      leave CPU profiles of our service in DIR: npm run bench -- profile DIR
  --quick             --rounds 1 --seconds 2 --warm-up 500, where not said otherwise
  --json              one JSON object as the last line of standard output
                      (bench/peers/result.schema.json); the tables go to standard error
  --help              this text
`;

const string = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
const named = {
  rounds: string,
  seconds: string,
  connections: string,
  'warm-up': string,
  sides: string,
  hierarchy: { type: 'string', default: 'hierarchy.yaml' },
  cache: string,
  tmpfs: flag,
  'cpu-prof': string,
  quick: flag,
} as const;

/** Reads the command line; every fault at once. Sides are measured in the order of `sideNames`, whatever was said. */
export function parsePeersOptions(args: readonly string[]): ParsedOptions<PeersOptions> {
  return readOptions(args, named, ({ count, fault, flag, text }) => {
    const quick = flag('quick');
    const asked = text('sides')?.split(',');
    const unknown = (asked ?? []).filter((name) => !sideNames.some((one) => one === name));
    if (unknown.length > 0) fault(`--sides: no ${unknown.join(', ')} among ${sideNames.join(', ')}`);
    return {
      json: flag('json'),
      rounds: count('rounds', quick ? 1 : 3, 1, 100),
      seconds: count('seconds', quick ? 2 : 10, 1, 600),
      connections: count('connections', 16, 1, 1_000),
      warmUp: count('warm-up', quick ? 500 : 10_000, 1, requestsMax),
      sides: asked === undefined ? sideNames : sideNames.filter((name) => asked.includes(name)),
      hierarchyFile: text('hierarchy') ?? 'hierarchy.yaml',
      cacheDir: text('cache') ?? defaultCacheDir(),
      isTmpfsAccepted: flag('tmpfs'),
      cpuProfileDir: text('cpu-prof'),
    };
  });
}
