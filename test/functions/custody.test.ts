import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { textWidth } from '../../cli/terminal/text.ts';
import { cka } from '../../shared/adapters/pkcs11/constants.ts';
import { readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import { openToken } from '../../shared/adapters/pkcs11/token.ts';
import { evidencedFields, unevidenced } from '../support/custody-fields.ts';
import { runCli } from '../support/run-cli.ts';
import {
  dns,
  freshName,
  type RunningProcesses,
  requestFor,
  softHsmModule,
  startProcesses,
} from '../support/service.ts';
import { createServiceClient, type ServiceClient } from '../support/service-client.ts';
import { replaceKey } from '../support/softhsm.ts';
import { editBoolean, makeExtractable } from '../support/softhsm-objects.ts';

let running: RunningProcesses;
let client: ServiceClient;
beforeAll(async () => {
  running = await startProcesses({ pkcs11Module: softHsmModule });
  client = createServiceClient(running.url);
}, 60_000);
afterAll(() => running?.stop());

interface Entry {
  readonly id: string;
  readonly status: string;
  readonly place: keyof typeof evidencedFields | null;
  readonly findings: readonly { readonly code: string; readonly severity: string }[];
  readonly evidence: {
    readonly source: string;
    readonly securityLevel: unknown;
    readonly attributes: { readonly extractable: boolean };
  } | null;
  readonly validation: { readonly basis: string } | null;
}

async function entries(): Promise<readonly Entry[]> {
  const answer = await client.call({ path: '/v1/custody', token: running.tokens.operator });
  expect(answer.status).toBe(200);
  return answer.json().authorities;
}

const sealwright = (...argv: readonly string[]) =>
  runCli([...argv, '--url', running.url, '--state', running.stateDir], running.stateDir);

async function issue(profile: string): Promise<number> {
  const headers = { prefer: 'wait=5' };
  return (await client.enroll(requestFor([dns(freshName())]), profile, running.tokens.device, headers)).status;
}

describe('GET /v1/custody of the running service', () => {
  it('evidences every CA, and says of each emulator that it is one', async () => {
    const authorities = await entries();
    expect(authorities.map(({ id }) => id)).toEqual(['root', 'subordinate', 'devices', 'workloads']);
    for (const entry of authorities) {
      if (softHsmModule === undefined && entry.id === 'workloads') continue;
      expect(entry.status, entry.id).toBe('holds');
      expect(unevidenced(entry, evidencedFields[entry.place!]), entry.id).toEqual([]);
      expect(entry.evidence).toMatchObject({ source: 'emulator', securityLevel: 'none' });
      expect(entry.validation!.basis).toMatch(/^none: an emulator stands in/);
    }
  });

  it('is for operators alone', async () => {
    for (const token of [undefined, running.tokens.device])
      expect((await client.call({ path: '/v1/custody', token })).status).toBe(401);
  });
});

describe('sealwright custody report', () => {
  it('fits 100 columns, and has each CA with its evidence and the comparisons', async () => {
    const { status, stdout } = await sealwright('custody', 'report');
    expect(status).toBe(0);
    for (const line of stdout.split('\n')) expect(textWidth(line), line).toBeLessThanOrEqual(100);
    for (const text of ['workloads', 'can sign', 'NEVER_EXTRACTABLE', 'an emulator stands in', 'software key store'])
      expect(stdout).toContain(text);
  });

  it('is JSON with --json, Markdown with --markdown, and of one CA when that is named', async () => {
    const { stdout } = await sealwright('custody', 'report', 'devices', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ stage: 'dev', authorities: [{ id: 'devices' }] });
    const { stdout: document } = await sealwright('custody', 'report', '--markdown');
    expect(document).toMatch(/^# Custody of the CA keys\n/);
    expect(document.match(/^## /gm)).toHaveLength(6);
    for (const table of document.split('\n\n').filter((part) => part.startsWith('|'))) {
      const bars = table
        .trim()
        .split('\n')
        .map((line) => line.match(/(?<!\\)\|/g)!.length);
      expect(new Set(bars).size, table).toBe(1);
    }
    const unknown = await sealwright('custody', 'report', 'nobody');
    expect([unknown.status, unknown.stderr]).toEqual([1, expect.stringContaining('one of root, subordinate')]);
  });
});

describe('a key in the files of a running service', () => {
  it('that is made extractable stops its CA, which is told, and no other', async (context) => {
    if (softHsmModule === undefined) context.skip('SoftHSM is not installed');
    expect([await issue('service'), await issue('device')]).toEqual([200, 200]);
    const isExtractable = async () =>
      (await entries()).find(({ id }) => id === 'workloads')!.evidence!.attributes.extractable;
    const path = await makeExtractable(join(running.stateDir, 'pkcs11', 'tokens'), isExtractable);

    expect([await issue('service'), await issue('device')]).toEqual([202, 200]);
    const workloads = (await entries()).find(({ id }) => id === 'workloads')!;
    expect(workloads.status).toBe('stopped');
    expect(workloads.findings).toContainEqual(expect.objectContaining({ code: 'key-extractable', severity: 'stop' }));
    const { status, stdout } = await sealwright('custody', 'report');
    expect(status).toBe(1);
    expect(stdout).toContain('key-extractable');
    // The log of the service is a file that another process writes.
    for (let waits = 0; waits < 50 && !running.log().includes('custody-stopped'); waits += 1) await sleep(100);
    const alarms = readFileSync(join(running.stateDir, 'service.log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"alarm":"custody-stopped"'));
    expect(alarms.length).toBeGreaterThan(0);
    for (const line of alarms) expect(line).toContain('"caId":"workloads"');
    editBoolean(path, cka.extractable, false);
    await untilHeld();
    expect(await issue('service')).toBe(200);
  });

  it('that is replaced under the same label and CKA_ID, by another process, stops its CA and no other', async (context) => {
    if (softHsmModule === undefined) context.skip('SoftHSM is not installed');
    expect([await issue('service'), await issue('device')]).toEqual([200, 200]);
    const folder = join(running.stateDir, 'pkcs11');
    const library = { path: softHsmModule!, softhsmConf: join(folder, 'softhsm2.conf') };
    const tokenLabel = 'sealwright-issuance';
    const readPin = () => readPinFile(join(folder, `${tokenLabel}.pin`));
    const token = openToken({ library, tokenLabel, readPin });
    await token.withSession(() => replaceKey(library, tokenLabel, 'workloads-g1'));
    token.close();

    expect([await issue('service'), await issue('device')]).toEqual([202, 200]);
    const workloads = (await entries()).find(({ id }) => id === 'workloads')!;
    expect(workloads.findings).toContainEqual(expect.objectContaining({ code: 'key-swapped', severity: 'stop' }));
    expect(workloads.evidence!.attributes.extractable).toBe(false);
  });
});

/** The evidence is read again with each batch, and with each report. */
async function untilHeld(): Promise<void> {
  for (let waits = 0; waits < 50; waits += 1) {
    if ((await entries()).every(({ status }) => status === 'holds')) return;
    await sleep(100);
  }
  throw new Error('the CA does not hold again');
}
