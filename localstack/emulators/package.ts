import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { projectDir } from './install.ts';
import { readZip, type ZipEntry } from './zip.ts';

export interface PackagedDeployment {
  readonly templateFile: string;
  /** Folder with one zip a function. */
  readonly folder: string;
}

/** What `osls package` makes of serverless.yml. Throws with what it said. */
export function packageDeployment(folder: string, stage: 'dev' | 'prod'): PackagedDeployment {
  const osls = join(projectDir, 'node_modules', 'osls', 'bin', 'serverless.js');
  const done = spawnSync(process.execPath, [osls, 'package', '--stage', stage, '--package', folder], {
    cwd: projectDir,
    encoding: 'utf8',
    timeout: 300_000,
    env: { ...process.env, SLS_NOTIFICATIONS_MODE: 'off', SLS_TELEMETRY_DISABLED: '1' },
  });
  if (done.status !== 0) throw new Error(`osls package failed:\n${done.stderr}${done.stdout}`);
  return { folder, templateFile: join(folder, 'cloudformation-template-update-stack.json') };
}

/** Of a bundle without PKCS#11, minified: a cold start reads and compiles all of it. */
export const bundleBytesMax = 600 * 1024;

export interface PackagedFunction {
  readonly name: string;
  readonly zipBytes: number;
  readonly entries: readonly ZipEntry[];
  readonly bundle: ZipEntry;
}

/** The functions of a packaged deployment. Throws for a zip without a bundle. */
export function packagedFunctions(folder: string): readonly PackagedFunction[] {
  const zips = readdirSync(folder).filter((file) => file.endsWith('.zip'));
  return zips.map((file) => {
    const zip = readFileSync(join(folder, file));
    const entries = readZip(zip);
    const bundle = entries.find(({ name }) => name.endsWith('.mjs'));
    if (bundle === undefined) throw new Error(`${file} holds no bundle`);
    return { name: basename(file, '.zip'), zipBytes: zip.byteLength, entries, bundle };
  });
}
