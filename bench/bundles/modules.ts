import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { parse } from 'yaml';
import { projectDir } from '../../localstack/emulators/install.ts';

/** What one package, or one folder of ours, has of the CPU of a cold start. */
export interface ModuleShare {
  readonly module: string;
  readonly ms: number;
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly url: string; readonly functionName: string };
    readonly positionTicks?: readonly { readonly line: number; readonly ticks: number }[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

type PluginsOf = (serverless: object) => NonNullable<Parameters<typeof build>[0]['plugins']>;

/**
 * Bundles a function as serverless.yml does, but readable, imports it under a CPU profile, and lays what each line took at
 * the module that esbuild says it is from. `(node)` is Node itself: its start, compiling, collecting.
 */
/** What serverless.yml gives esbuild, but readable: names of modules stay in the bundle. */
function deployedOptions(): Pick<BuildOptions, (typeof keptOptions)[number]> {
  const { custom } = parse(readFileSync(join(projectDir, 'serverless.yml'), 'utf8')) as {
    readonly custom: { readonly esbuild: BuildOptions };
  };
  return Object.fromEntries(keptOptions.map((name) => [name, custom.esbuild[name]]));
}

const keptOptions = [
  'bundle',
  'format',
  'platform',
  'target',
  'conditions',
  'mainFields',
  'external',
  'banner',
] as const;

export async function moduleShares(
  functionFolder: string,
  folder: string,
  environment: NodeJS.ProcessEnv,
): Promise<readonly ModuleShare[]> {
  const pluginsOf = createRequire(import.meta.url)(join(projectDir, 'deploy', 'esbuild-plugins.cjs')) as PluginsOf;
  const outfile = join(folder, `${functionFolder}.mjs`);
  await build({
    absWorkingDir: projectDir,
    entryPoints: [join('functions', functionFolder, 'handler.ts')],
    outfile,
    ...deployedOptions(),
    plugins: pluginsOf({ serviceDir: projectDir, service: { custom: { hierarchy: 'hierarchy.yaml' } } }),
    logLevel: 'error',
  });
  const profiles = join(folder, `${functionFolder}-profile`);
  mkdirSync(profiles);
  const done = spawnSync(
    process.execPath,
    [
      '--cpu-prof',
      `--cpu-prof-dir=${profiles}`,
      '--cpu-prof-interval',
      '100',
      '--input-type=module',
      '-e',
      `await import(${JSON.stringify(outfile)})`,
    ],
    { cwd: folder, env: environment, encoding: 'utf8', timeout: 60_000 },
  );
  const [file] = readdirSync(profiles);
  if (file === undefined) throw new Error(`${functionFolder} does not come up: ${done.stderr.slice(0, 2_000)}`);
  const profile = JSON.parse(readFileSync(join(profiles, file), 'utf8')) as CpuProfile;
  return sharesOf(profile, readFileSync(outfile, 'utf8').split('\n'), outfile);
}

function sharesOf(profile: CpuProfile, lines: readonly string[], outfile: string): readonly ModuleShare[] {
  const modules = modulesOf(lines);
  const selfMs = new Map<number, number>();
  profile.samples.forEach((id, index) => {
    selfMs.set(id, (selfMs.get(id) ?? 0) + (profile.timeDeltas[index] ?? 0) / 1_000);
  });
  const shares = new Map<string, number>();
  const add = (module: string, ms: number) => void shares.set(module, (shares.get(module) ?? 0) + ms);
  for (const { callFrame, id, positionTicks = [] } of profile.nodes) {
    const ms = selfMs.get(id) ?? 0;
    if (callFrame.functionName === '(idle)') continue;
    const ticks = positionTicks.reduce((sum, one) => sum + one.ticks, 0);
    if (!callFrame.url.endsWith(outfile) || ticks === 0) add('(node)', ms);
    else for (const { line, ticks: some } of positionTicks) add(modules[line - 1] ?? '(node)', (ms * some) / ticks);
  }
  return [...shares].map(([module, ms]) => ({ module, ms })).sort((one, other) => other.ms - one.ms);
}

/** The module of each line: esbuild writes `// path` before what is from it. */
function modulesOf(lines: readonly string[]): readonly string[] {
  let module = '(node)';
  return lines.map((line) => {
    const path = /^(?: {4})?\/\/ ((?:[\w@.-]+\/)+[\w@.-]+\.(?:ts|js|mjs|cjs|json))$/.exec(line)?.[1];
    if (path !== undefined) module = packageOf(path);
    return module;
  });
}

function packageOf(path: string): string {
  const inPackage = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  return inPackage ?? path.split('/').slice(0, 3).join('/');
}
