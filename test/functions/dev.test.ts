/** `npm run dev` as processes: serverless-offline over serverless.yml, with our event source mappings. */
import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { encodePem } from '../../shared/pki/pem.ts';
import { dns, freshName, projectDir, requestFor, signal, type Tokens } from '../support/service.ts';
import { createServiceClient } from '../support/service-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'sealwright-dev-'));
const stateDir = join(folder, 'state');
const groups = new Set<number>();
afterAll(() => {
  for (const group of groups) signal(-group, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Dev {
  readonly main: ChildProcess;
  readonly url: string;
  readonly exited: Promise<unknown[]>;
  output(): string;
}

async function startDev(): Promise<Dev> {
  const main = spawn(
    process.execPath,
    [join(projectDir, 'localstack', 'dev', 'main.ts'), '--port', '0', '--state', stateDir],
    { cwd: projectDir, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  groups.add(main.pid!);
  let output = '';
  for (const stream of [main.stdout, main.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const exited = once(main, 'exit');
  for (;;) {
    const url = /functions on (http:\/\/127\.0\.0\.1:\d+)/.exec(output)?.[1];
    if (url !== undefined) return { main, url, exited, output: () => output };
    if (main.exitCode !== null) throw new Error(`it ended: ${output}`);
    await sleep(50);
  }
}

/** True when something listens there. */
function answers(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}

function isGroupThere(leader: number): boolean {
  try {
    return process.kill(-leader, 0);
  } catch {
    return false;
  }
}

/** serverless-offline takes every body for text: DER passes as PEM or base64 alone. */
const pemFor = (name: string) => encodePem('CERTIFICATE REQUEST', requestFor([dns(name)]));

it('enrols a CSR under serverless-offline, and stops without a trace (npm-run-dev)', { timeout: 90_000 }, async () => {
  const dev = await startDev();
  const tokens = JSON.parse(readFileSync(join(stateDir, 'tokens.json'), 'utf8')) as Tokens;
  const client = createServiceClient(dev.url);
  const name = freshName();
  const answer = await client.settled(pemFor(name), 'device', tokens.device);
  expect(answer.status).toBe(200);
  const { certificate, chain } = answer.json() as { readonly certificate: string; readonly chain: readonly string[] };
  const leaf = new X509Certificate(certificate);
  expect(leaf.subjectAltName).toBe(`DNS:${name}`);
  const issuer = new X509Certificate(chain[0]!);
  expect(leaf.verify(issuer.publicKey)).toBe(true);
  const refused = await client.settled(pemFor('pump.elsewhere.example'), 'device', tokens.device);
  expect([refused.status, refused.json().code]).toEqual([422, 'policy-refused']);
  const port = Number(new URL(dev.url).port);
  expect(await answers('127.0.0.1', port)).toBe(true);

  dev.main.kill('SIGTERM');
  expect(await dev.exited).toEqual([0, null]);
  expect(await answers('127.0.0.1', port)).toBe(false);
  expect(isGroupThere(dev.main.pid!), 'a process is left').toBe(false);
  expect(existsSync(join(stateDir, 'ledger.sqlite-wal'))).toBe(false);
  expect(dev.output()).not.toMatch(/"level":"(ERROR|CRITICAL)"/);
});

it('refuses a port that is in use, and says what to type (port-in-use)', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  const script = join(projectDir, 'localstack', 'dev', 'main.ts');
  const run = spawn(process.execPath, [script, '--port', String(port), '--state', join(folder, 'other')]);
  let stderr = '';
  run.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  expect(await once(run, 'close')).toEqual([1, null]);
  server.close();
  expect(stderr).toContain(`port ${port} cannot be had`);
  expect(stderr).toContain('--port P');
  expect(existsSync(join(folder, 'other'))).toBe(false);
});
