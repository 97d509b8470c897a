import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { projectDir } from './install.ts';

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
