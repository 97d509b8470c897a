/** main.ts and its children as processes: what a person and their scripts see of a start. */
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, expect, it } from 'vitest';
import { dns, freshName, requestFor, startProcesses } from '../support/service.ts';
import { createServiceClient } from '../support/service-client.ts';
import { openStartedServices } from '../support/started-services.ts';

const services = openStartedServices('start');
const { folder, local, softwareFile, start } = services;
afterEach(() => services.stopAll());
afterAll(() => services.end());

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
  services.forget(first);
  expect(existsSync(join(first.stateDir, 'ledger.sqlite.pid'))).toBe(false);
  const second = await start(local('again'));
  expect([second.tokens, second.rootPem]).toEqual([first.tokens, first.rootPem]);
  const again = createServiceClient(second.url);
  const answer = await again.call({ path: issued.headers.location!, token: second.tokens.device });
  expect(answer.json().certificate).toBe(issued.json().certificate);
});

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
  services.forget(first);
  const fresh = await second;
  expect(fresh.stderr()).toContain('is in use by process');
  expect(fresh.tokens).not.toEqual(first.tokens);
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
