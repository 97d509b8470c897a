/** main.ts and its children as processes: what a person and their scripts see of a stop and a death. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, expect, it } from 'vitest';
import { dns, freshName, heldRequest, isRunning, requestFor, signal } from '../support/service.ts';
import { createServiceClient } from '../support/service-client.ts';
import { openStartedServices } from '../support/started-services.ts';

const services = openStartedServices('stop');
const { folder, local, start } = services;
afterEach(() => services.stopAll());
afterAll(() => services.end());

async function goneSoon(...pids: readonly (number | undefined)[]): Promise<boolean> {
  for (let tries = 0; tries < 300 && pids.some(isRunning); tries++) await sleep(50);
  return !pids.some(isRunning);
}

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
