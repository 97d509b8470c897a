/** main.ts and its children as processes: what a person and their scripts see of a start, a stop and a death. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, expect, it } from 'vitest';
import {
  dns,
  freshName,
  heldRequest,
  isRunning,
  projectDir,
  type RunningProcesses,
  requestFor,
  signal,
  softwareHierarchy,
  startProcesses,
} from '../support/service.ts';
import { createServiceClient } from '../support/service-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'sealwright start '));
const softwareFile = join(folder, 'software.yaml');
writeFileSync(softwareFile, softwareHierarchy(readFileSync(join(projectDir, 'hierarchy.yaml'), 'utf8')));

const running = new Set<RunningProcesses>();
const groups = new Set<number>();

async function start(options: Parameters<typeof startProcesses>[0] = {}): Promise<RunningProcesses> {
  const service = await startProcesses({ ...options, onSpawned: (main) => void groups.add(main.pid!) });
  running.add(service);
  return service;
}

afterEach(async () => {
  for (const service of running) await service.stop();
  running.clear();
  for (const group of groups) signal(-group, 'SIGKILL');
  groups.clear();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const local = (name: string) => ({ stateDir: join(folder, name), hierarchyFile: softwareFile });

async function goneSoon(...pids: readonly (number | undefined)[]): Promise<boolean> {
  for (let tries = 0; tries < 300 && pids.some(isRunning); tries++) await sleep(50);
  return !pids.some(isRunning);
}

it('issues with CA keys in files, where the hierarchy says so', async () => {
  const service = await start(local('a state with spaces'));
  const client = createServiceClient(service.url);
  const answer = await client.settled(requestFor([dns(freshName())]), 'device', service.tokens.device);
  expect(answer.status).toBe(200);
  expect(service.acmPcaPid()).toBeUndefined();
  expect(statSync(join(service.stateDir, 'tokens.json')).mode & 0o777).toBe(0o600);
});

it('goes on with what it had: tokens, CAs, certificates', async () => {
  const first = await start(local('again'));
  const client = createServiceClient(first.url);
  const issued = await client.settled(requestFor([dns(freshName())]), 'device', first.tokens.device);
  await first.stop();
  running.delete(first);
  expect(existsSync(join(first.stateDir, 'ledger.sqlite.pid'))).toBe(false);
  const second = await start(local('again'));
  expect([second.tokens, second.rootPem]).toEqual([first.tokens, first.rootPem]);
  const again = createServiceClient(second.url);
  const answer = await again.call({ path: issued.headers.location!, token: second.tokens.device });
  expect(answer.json().certificate).toBe(issued.json().certificate);
});

it('stops at once when Ctrl-C comes again, whatever is under way', async () => {
  const service = await start(local('hurried'));
  const letGo = await heldRequest(service.url, service.tokens.device);
  signal(service.main.pid, 'SIGINT');
  await sleep(1_500);
  expect(isRunning(service.servicePid())).toBe(true);
  signal(service.main.pid, 'SIGINT');
  await service.exited;
  expect(service.log()).toContain('a second SIGTERM');
  letGo();
}, 30_000);

it('runs twice side by side on two state folders', async () => {
  const [one, other] = await Promise.all([start(local('one')), start(local('other'))]);
  expect(one.url).not.toBe(other.url);
  expect(one.rootPem).not.toBe(other.rootPem);
  const client = createServiceClient(other.url);
  expect((await client.call({ path: '/v1/credentials', token: one.tokens.operator })).status).toBe(401);
});

it('waits for the state of another run, and --fresh never empties one that is in use', async () => {
  const first = await start(local('shared'));
  const client = createServiceClient(first.url);
  const second = start({ ...local('shared'), args: ['--fresh'] });
  second.catch(() => undefined);
  await sleep(1_500);
  const answer = await client.settled(requestFor([dns(freshName())]), 'device', first.tokens.device);
  expect(answer.status).toBe(200);
  await first.stop();
  running.delete(first);
  const fresh = await second;
  expect(fresh.stderr()).toContain('is in use by process');
  expect(fresh.tokens).not.toEqual(first.tokens);
});

it('whose main process was killed starts anew at once, on the same state', async () => {
  const first = await start(local('orphaned'));
  const service = first.servicePid();
  const client = createServiceClient(first.url);
  const accepted = await client.enroll(requestFor([dns(freshName())]), 'device', first.tokens.device);
  first.kill('main');
  const second = await start(local('orphaned'));
  expect(await goneSoon(service)).toBe(true);
  const again = createServiceClient(second.url);
  let answer = await again.call({ path: accepted.headers.location!, token: second.tokens.device });
  for (let tries = 0; answer.status === 202 && tries < 100; tries++) {
    await sleep(50);
    answer = await again.call({ path: accepted.headers.location!, token: second.tokens.device });
  }
  expect(answer.status).toBe(200);
});

it.each(['service', 'acm-pca'] as const)(
  'ends with a word on standard error when %s dies, and leaves no process',
  async (target) => {
    const service = await start({ stateDir: join(folder, `dies-${target}`) });
    const pids = [service.servicePid(), service.acmPcaPid()];
    service.kill(target);
    expect(await service.exited).toEqual({ code: 1, signal: null });
    expect(service.stderr()).toMatch(/ended \(SIGKILL\); its log is /);
    expect(service.stderr()).not.toContain('    at ');
    expect(await goneSoon(...pids)).toBe(true);
  },
);

it.each(['SIGTERM', 'SIGINT'] as const)('stops cleanly on %s, and leaves no process', async (name) => {
  const service = await start({ stateDir: join(folder, `stops-${name}`) });
  const pids = [service.servicePid(), service.acmPcaPid()];
  signal(service.main.pid, name);
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(pids.some(isRunning)).toBe(false);
  expect(service.stderr()).not.toMatch(/ended|Error| {4}at /);
});

it('refuses a state folder that holds other things, and empties none', async () => {
  const stateDir = mkdtempSync(join(folder, 'foreign-'));
  writeFileSync(join(stateDir, 'precious.txt'), 'x');
  await expect(startProcesses({ stateDir, args: ['--fresh'] })).rejects.toThrow('none');
  await expect(startProcesses({ stateDir })).rejects.toThrow('holds other things');
  expect(existsSync(join(stateDir, 'precious.txt'))).toBe(true);
});

it('refuses a hierarchy with faults, all of them, before it touches the state', async () => {
  const hierarchyFile = join(folder, 'wrong.yaml');
  writeFileSync(
    hierarchyFile,
    readFileSync(softwareFile, 'utf8').replace('validity: 365d', 'validity: 900d').replace('tier: root', 'tier: rot'),
  );
  const stateDir = join(folder, 'never');
  await expect(startProcesses({ stateDir, hierarchyFile })).rejects.toThrow(/the hierarchy is refused/);
  expect(existsSync(stateDir)).toBe(false);
});
