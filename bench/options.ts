import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import { type Extent, requestsMax } from './end-to-end.ts';
import { type ParsedOptions, readOptions } from './read-options.ts';

/** `npm run bench -- [baseline] OPTIONS`. */
export interface BaselineOptions {
  readonly json: boolean;
  readonly runs: number;
  readonly extent: Extent;
  /** Each is measured by itself. */
  readonly connections: readonly number[];
  readonly isTls: boolean;
  readonly warmUp: number;
  readonly backends: readonly BackendKind[];
  /** Calls of each stage; 0 for no stages. */
  readonly stageIterations: number;
  readonly hierarchyFile: string;
  readonly cpuProfileDir: string | undefined;
}

export const baselineUsage = `Usage: npm run bench -- [baseline] [OPTIONS]

Measures issuance end to end, over HTTP against the service as npm start runs it, and the CPU of each stage.

  --runs N            timed parts of each backend, each against a service of its own (3)
  --seconds S         length of a timed part (5)
  --certificates N    its number of certificates instead, at most ${requestsMax}
  --connections N,M   connections, each with one request under way; several are measured in turn (1,16,64)
  --tls               the service speaks TLS (plain HTTP)
  --warm-up N         certificates before a timed part (1500)
  --backend B         acm-pca, pkcs11, software or all (all)
  --stages N          calls of each stage in its measurement, 0 for none (3000)
  --hierarchy FILE    CAs and profiles (hierarchy.yaml)
  --cpu-prof DIR      leave CPU profiles of the service in DIR: npm run bench -- profile DIR
  --quick             --runs 1 --seconds 2 --connections 16 --warm-up 300 --stages 500, where not said
                      otherwise
  --json              one JSON object as the last line of standard output (bench/result.schema.json)
  --help              this text
`;

const allBackends: readonly BackendKind[] = ['acm-pca', 'pkcs11', 'software'];

const string = { type: 'string' } as const;
const named = {
  runs: string,
  seconds: string,
  certificates: string,
  connections: string,
  tls: { type: 'boolean', default: false },
  'warm-up': string,
  backend: { type: 'string', default: 'all' },
  stages: string,
  hierarchy: { type: 'string', default: 'hierarchy.yaml' },
  'cpu-prof': string,
  quick: { type: 'boolean', default: false },
} as const;

/** Reads the command line; every fault at once. */
export function parseBaselineOptions(args: readonly string[]): ParsedOptions<BaselineOptions> {
  return readOptions(args, named, ({ count, counts, fault, flag, text }) => {
    const quick = flag('quick');
    const isCounted = text('certificates') !== undefined;
    if (isCounted && text('seconds') !== undefined) fault('--seconds and --certificates exclude one another');
    const backend = text('backend');
    const backends = backend === 'all' ? allBackends : allBackends.filter((one) => one === backend);
    if (backends.length === 0) fault(`--backend: ${allBackends.join(', ')} or all`);
    return {
      json: flag('json'),
      runs: count('runs', quick ? 1 : 3, 1, 100),
      extent: isCounted
        ? { kind: 'certificates', certificates: count('certificates', 1, 1, requestsMax) }
        : { kind: 'seconds', seconds: count('seconds', quick ? 2 : 5, 1, 600) },
      connections: counts('connections', quick ? [16] : [1, 16, 64], 1, 1_000),
      isTls: flag('tls'),
      warmUp: count('warm-up', quick ? 300 : 1_500, 1, requestsMax),
      backends,
      stageIterations: count('stages', quick ? 500 : 3_000, 0, 50_000),
      hierarchyFile: text('hierarchy') ?? 'hierarchy.yaml',
      cpuProfileDir: text('cpu-prof'),
    };
  });
}
