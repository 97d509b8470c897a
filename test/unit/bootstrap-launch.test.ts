import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const bootstrap = new URL('../../bootstrap/', import.meta.url);

describe('the launcher of the bootstrap', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sealwright launch '));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Runs `child` below a launcher, as a script would be run below run.mjs. */
  function launch(name: string, child: string): { readonly process: ChildProcess; readonly output: () => string } {
    const script = join(folder, `${name}.mjs`);
    writeFileSync(script, child);
    const launcher = join(folder, `${name}-launcher.mjs`);
    writeFileSync(
      launcher,
      `import { launch } from ${JSON.stringify(new URL('launch.mjs', bootstrap).href)};
       process.exit(await launch(process.execPath, [${JSON.stringify(script)}], { env: process.env, channel: true }));`,
    );
    const env = { ...process.env, npm_lifecycle_event: undefined };
    const started = spawn(process.execPath, [launcher], { stdio: ['ignore', 'pipe', 'inherit'], env });
    let output = '';
    started.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
    return { process: started, output: () => output };
  }

  const ended = (child: ChildProcess) =>
    new Promise<number | null>((resolve) => {
      child.once('close', (status) => resolve(status));
    });
  const says = async (output: () => string, text: string) => {
    await expect.poll(output, { timeout: 10_000, interval: 10 }).toContain(text);
  };

  it('ends with the exit status of the command', async () => {
    expect(await ended(launch('status', 'process.exit(7)').process)).toBe(7);
  });

  it('ends with 128 and the number of the signal that ended the command', async () => {
    expect(await ended(launch('signal', "process.kill(process.pid, 'SIGKILL')").process)).toBe(137);
  });

  it('passes a signal on once, however often it comes at the same time', async () => {
    const { process: launched, output } = launch(
      'once',
      `process.on('SIGTERM', () => { console.log('told'); setTimeout(() => process.exit(0), 200); });
       setInterval(() => {}, 1000); console.log('ready');`,
    );
    await says(output, 'ready');
    launched.kill('SIGTERM');
    launched.kill('SIGTERM');
    launched.kill('SIGTERM');
    expect(await ended(launched)).toBe(0);
    expect(output().match(/told/g)).toHaveLength(1);
  });

  it('lets a service see that it was killed', async () => {
    const { process: launched, output } = launch(
      'killed',
      `process.on('disconnect', () => { console.log('alone'); process.exit(0); }); console.log('ready');`,
    );
    await says(output, 'ready');
    launched.kill('SIGKILL');
    await says(output, 'alone');
  });
});

describe('the lock of the bootstrap', () => {
  it('lets one process at a time set up, and frees itself when its holder is killed', async () => {
    const lock = fileURLToPath(new URL('install-lock.mjs', bootstrap));
    const script = `
      const { withInstallLock } = await import(${JSON.stringify(lock)});
      await withInstallLock(async () => { console.log('in'); await new Promise((r) => setTimeout(r, Number(process.argv[1]))); console.log('out'); });`;
    const log: string[] = [];
    const run = (name: string, holdMs: number) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, String(holdMs)], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      child.stdout.on('data', (chunk: Buffer) => {
        for (const word of chunk.toString('utf8').trim().split('\n')) log.push(`${name} ${word}`);
      });
      return { child, closed: new Promise((resolve) => child.once('close', resolve)) };
    };
    const first = run('first', 60_000);
    await expect.poll(() => log, { timeout: 10_000, interval: 10 }).toContain('first in');
    const [second, third] = [run('second', 50), run('third', 50)];
    first.child.kill('SIGKILL');
    await Promise.all([first.closed, second.closed, third.closed]);
    expect(log[0]).toBe('first in');
    expect([
      ['first in', 'second in', 'second out', 'third in', 'third out'],
      ['first in', 'third in', 'third out', 'second in', 'second out'],
    ]).toContainEqual(log);
  });
});
