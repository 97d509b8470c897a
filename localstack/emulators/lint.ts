/**
 * Packages the deployment, holds its bundles against their size and its template against cfn-lint. Where there is no Python for
 * that it says so, and passes.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPythonTool, MissingError, pinnedVersion, projectDir, pythonOf } from './install.ts';
import { bundleBytesMax, type PackagedFunction, packageDeployment, packagedFunctions } from './package.ts';

/**
 * W1030: a parameter that may be left out has an empty default, which fits no ARN; the resources that use it are then not made.
 * W3005: osls states dependencies that a reference states too.
 */
const ignored = ['W1030', 'W3005'];

/** Whether every bundle is as small as it is to be; says what is not. */
function areSmall(folder: string, say: (line: string) => void): boolean {
  const kib = ({ bundle }: PackagedFunction) => Math.ceil(bundle.bytes.byteLength / 1024);
  const functions = packagedFunctions(folder).toSorted((a, b) => kib(b) - kib(a));
  const over = functions.filter(({ bundle }) => bundle.bytes.byteLength > bundleBytesMax);
  for (const one of over) say(`the bundle of ${one.name} has ${kib(one)} KiB: ${bundleBytesMax / 1024} at most`);
  const [largest] = functions;
  if (largest === undefined) throw new Error('nothing was packaged');
  if (over.length === 0) say(`bundles: ${functions.length}, the largest ${largest.name} with ${kib(largest)} KiB`);
  return over.length === 0;
}

/** The exit status of cfn-lint; 0 where there is no Python for it, which is said. */
async function lintTemplate(templateFile: string, say: (line: string) => void): Promise<number> {
  try {
    await installPythonTool('lint', say);
  } catch (cause) {
    if (!(cause instanceof MissingError)) throw cause;
    say(`THE TEMPLATE IS NOT LINTED: ${cause.message}`);
    return 0;
  }
  const cfnLint = join(pythonOf('lint'), '..', 'cfn-lint');
  const done = spawnSync(cfnLint, ['-i', ...ignored, '--', templateFile], { cwd: projectDir, stdio: 'inherit' });
  if (done.status === 0) say(`cfn-lint ${pinnedVersion('lint', 'cfn-lint')}: nothing found`);
  return done.status ?? 1;
}

async function main(): Promise<number> {
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const folder = mkdtempSync(join(tmpdir(), 'sealwright-template-'));
  try {
    const { templateFile } = packageDeployment(folder, 'prod');
    const small = areSmall(folder, say);
    const status = await lintTemplate(templateFile, say);
    return small ? status : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
