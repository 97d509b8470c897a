/** Packages the deployment and holds its template against cfn-lint. Says so, and passes, where there is no Python for that. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPythonTool, MissingError, pinnedVersion, projectDir, pythonOf } from './install.ts';
import { packageDeployment } from './package.ts';

/**
 * W1030: a parameter that may be left out has an empty default, which fits no ARN; the resources that use it are then not made.
 * W3005: osls states dependencies that a reference states too.
 */
const ignored = ['W1030', 'W3005'];

async function main(): Promise<number> {
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  try {
    await installPythonTool('lint', say);
  } catch (cause) {
    if (!(cause instanceof MissingError)) throw cause;
    say(`THE TEMPLATE IS NOT LINTED: ${cause.message}`);
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), 'sealwright-template-'));
  try {
    const { templateFile } = packageDeployment(folder, 'prod');
    const cfnLint = join(pythonOf('lint'), '..', 'cfn-lint');
    const done = spawnSync(cfnLint, ['-i', ...ignored, '--', templateFile], { cwd: projectDir, stdio: 'inherit' });
    if (done.status === 0) say(`cfn-lint ${pinnedVersion('lint', 'cfn-lint')}: nothing found`);
    return done.status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
