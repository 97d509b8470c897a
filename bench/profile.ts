import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { renderTable } from '../cli/terminal/table.ts';
import { rounded } from './spread.ts';

/** A CPU profile as V8 writes it (`--cpu-prof`); times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface ProfiledFunction {
  readonly name: string;
  /** `file:line` within the project, `node:…`, or empty for the engine's own. */
  readonly place: string;
  readonly selfMs: number;
  /** With everything it called; a recursion counts once. */
  readonly totalMs: number;
}

/** What the main thread did when it waited for work. */
const idleNames: ReadonlySet<string> = new Set(['(idle)']);

/** Functions by self time, the idle left out; with the time that was not idle. */
export function functionsOf(profile: CpuProfile): {
  readonly functions: readonly ProfiledFunction[];
  readonly busyMs: number;
} {
  const selfUs = new Map<number, number>();
  profile.samples.forEach((id, index) => {
    selfUs.set(id, (selfUs.get(id) ?? 0) + profile.timeDeltas[index]!);
  });
  const parents = new Map(profile.nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id])));
  const keys = new Map(profile.nodes.map(({ id, callFrame }) => [id, keyOf(callFrame)]));
  const sums = new Map<string, { selfMs: number; totalMs: number }>();
  let busyMs = 0;
  for (const [id, us] of selfUs) {
    const own = keys.get(id)!;
    if (idleNames.has(own.split('\t')[0]!)) continue;
    busyMs += us / 1000;
    sumOf(sums, own).selfMs += us / 1000;
    const seen = new Set<string>();
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) seen.add(keys.get(at)!);
    for (const key of seen) sumOf(sums, key).totalMs += us / 1000;
  }
  const functions = [...sums].map(([key, sum]) => {
    const [name = '', place = ''] = key.split('\t');
    return { name, place, ...sum };
  });
  return { functions: functions.toSorted((a, b) => b.selfMs - a.selfMs), busyMs };
}

function sumOf(sums: Map<string, { selfMs: number; totalMs: number }>, key: string) {
  let sum = sums.get(key);
  if (sum === undefined) {
    sum = { selfMs: 0, totalMs: 0 };
    sums.set(key, sum);
  }
  return sum;
}

const root = join(import.meta.dirname, '..');

function keyOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const place = url.startsWith('file:') ? `${relative(root, fileURLToPath(url))}:${lineNumber + 1}` : url;
  return `${functionName === '' ? '(anonymous)' : functionName}\t${place}`;
}

/** `npm run bench -- profile FILE|FOLDER [--top N] [--by self|total]`: where the service's main thread spent its time. */
export async function run(args: readonly string[]): Promise<number> {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { top: { type: 'string', default: '15' }, by: { type: 'string', default: 'self' } },
  });
  const [path] = positionals;
  if (path === undefined) {
    process.stderr.write('usage: npm run bench -- profile FILE|FOLDER [--top N] [--by self|total]\n');
    return 2;
  }
  const { functions, busyMs } = functionsOf(JSON.parse(readFileSync(profileFile(path), 'utf8')) as CpuProfile);
  const ordered = values.by === 'total' ? functions.toSorted((a, b) => b.totalMs - a.totalMs) : functions;
  const share = (ms: number) => `${rounded((ms / busyMs) * 100, 1).toFixed(1)} %`;
  const rows = ordered
    .slice(0, Number(values.top))
    .map(({ name, place, selfMs, totalMs }) => [name, place, share(selfMs), share(totalMs)]);
  const columns = [
    { header: 'function' },
    { header: 'place', widthMin: 40 },
    { header: 'self', align: 'right' },
    { header: 'total', align: 'right' },
  ] as const;
  process.stdout.write(renderTable(columns, rows));
  return 0;
}

/** Of a folder with a profile of each process, the largest: the service is the one that worked. */
function profileFile(path: string): string {
  if (statSync(path).isFile()) return path;
  const files = readdirSync(path).filter((file) => file.endsWith('.cpuprofile'));
  const sized = files.map((file) => ({ file, bytes: statSync(join(path, file)).size }));
  const largest = sized.toSorted((a, b) => b.bytes - a.bytes)[0];
  if (largest === undefined) throw new Error(`no *.cpuprofile in ${path}`);
  return join(path, largest.file);
}
