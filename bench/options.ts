import { parseArgs } from 'node:util';
import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import { type Extent, requestsMax } from './end-to-end.ts';

/** `npm run bench -- [baseline] OPTIONS`. */
export interface BaselineOptions {
  readonly json: boolean;
  readonly runs: number;
  readonly extent: Extent;
  readonly connections: number;
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
  --connections N     connections, each with one request under way (16)
  --warm-up N         certificates before a timed part (1500)
  --backend B         acm-pca, pkcs11, software or all (all)
  --stages N          calls of each stage in its measurement, 0 for none (3000)
  --hierarchy FILE    CAs and profiles (hierarchy.yaml)
  --cpu-prof DIR      leave CPU profiles of the service in DIR: npm run bench -- profile DIR
  --quick             --runs 1 --seconds 2 --warm-up 300 --stages 500, where not said otherwise
  --json              one JSON object as the last line of standard output (bench/result.schema.json)
  --help              this text
`;

export type ParsedBaselineOptions =
  | { readonly kind: 'options'; readonly options: BaselineOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly faults: readonly string[] };

const allBackends: readonly BackendKind[] = ['acm-pca', 'pkcs11', 'software'];

/** Reads the command line; every fault at once. */
export function parseBaselineOptions(args: readonly string[]): ParsedBaselineOptions {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (cause) {
    return { kind: 'usage', faults: [(cause as Error).message] };
  }
  if (values.help) return { kind: 'help' };
  const { quick } = values;
  const faults: string[] = [];
  const count = (
    name: 'runs' | 'seconds' | 'certificates' | 'connections' | 'warm-up' | 'stages',
    otherwise: number,
    min: number,
    max: number,
  ) => {
    const text = values[name];
    if (text === undefined) return otherwise;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    faults.push(`--${name}: a whole number from ${min} to ${max}`);
    return otherwise;
  };
  if (values.seconds !== undefined && values.certificates !== undefined)
    faults.push('--seconds and --certificates exclude one another');
  const backends = values.backend === 'all' ? allBackends : allBackends.filter((one) => one === values.backend);
  if (backends.length === 0) faults.push(`--backend: ${allBackends.join(', ')} or all`);
  const options: BaselineOptions = {
    json: values.json,
    runs: count('runs', quick ? 1 : 3, 1, 100),
    extent:
      values.certificates === undefined
        ? { kind: 'seconds', seconds: count('seconds', quick ? 2 : 5, 1, 600) }
        : { kind: 'certificates', certificates: count('certificates', 1, 1, requestsMax) },
    connections: count('connections', 16, 1, 1_000),
    warmUp: count('warm-up', quick ? 300 : 1_500, 1, requestsMax),
    backends,
    stageIterations: count('stages', quick ? 500 : 3_000, 0, 50_000),
    hierarchyFile: values.hierarchy,
    cpuProfileDir: values['cpu-prof'],
  };
  return faults.length > 0 ? { kind: 'usage', faults } : { kind: 'options', options };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      runs: { type: 'string' },
      seconds: { type: 'string' },
      certificates: { type: 'string' },
      connections: { type: 'string' },
      'warm-up': { type: 'string' },
      backend: { type: 'string', default: 'all' },
      stages: { type: 'string' },
      hierarchy: { type: 'string', default: 'hierarchy.yaml' },
      'cpu-prof': { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}
