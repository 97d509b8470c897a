import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { textWidth } from '../../cli/terminal/text.ts';
import { storeOriginOf } from '../../shared/adapters/pkcs11/store-origin.ts';
import { runCli } from '../support/run-cli.ts';
import { dns, freshName, requestFor, softHsmModule, startProcesses } from '../support/service.ts';
import { createServiceClient, type ServiceClient } from '../support/service-client.ts';

/** What the drill leaves: a state that ran, its backup made while it issued, and what is not in that backup. */
const folder = mkdtempSync(join(tmpdir(), 'sealwright backup '));
const state = join(folder, 'state');
const backup = join(folder, 'backup');
const profiles = softHsmModule === undefined ? ['device'] : ['device', 'service'];

const issued: { readonly issuanceId: string; readonly fingerprint: string }[] = [];
let before: Readonly<Record<string, unknown>> | undefined;
let made: Awaited<ReturnType<typeof runCli>>;

async function issue(client: ServiceClient, token: string, profile: string): Promise<void> {
  const headers = { prefer: 'wait=10' };
  const answer = await client.enroll(requestFor([dns(freshName())]), profile, token, headers);
  expect(answer.status, answer.text).toBe(200);
  issued.push(answer.json());
}

async function evidenceOf(client: ServiceClient, token: string, caId: string) {
  const answer = await client.call({ path: '/v1/custody', token });
  return answer.json().authorities.find(({ id }: { readonly id: string }) => id === caId);
}

beforeAll(async () => {
  const running = await startProcesses({ stateDir: state, pkcs11Module: softHsmModule });
  try {
    const client = createServiceClient(running.url);
    for (const profile of profiles) for (let n = 0; n < 5; n++) await issue(client, running.tokens.device, profile);
    before = (await evidenceOf(client, running.tokens.operator, 'workloads')).evidence;
    let copying = true;
    const load = (async () => {
      while (copying) for (const profile of profiles) await issue(client, running.tokens.device, profile);
    })();
    made = await runCli(['state', 'backup', backup, '--state', state, '--json'], folder);
    copying = false;
    await load;
  } finally {
    await running.stop();
  }
}, 90_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('sealwright state backup', () => {
  it('copies the ledger while it is written to, and its counters equal a recount', () => {
    expect(made.status, made.stderr).toBe(0);
    const { byState, recount, withKeys, ledger } = {
      ...JSON.parse(made.stdout),
      byState: JSON.parse(made.stdout).ledger.byState,
    };
    expect(withKeys).toBe(true);
    expect(recount).toMatchObject({ differing: 0, differences: [] });
    expect(recount.certificates).toBe(byState.issued);
    expect(recount.certificates).toBeGreaterThanOrEqual(5 * profiles.length);
    expect(ledger.authorities).toBe(softHsmModule === undefined ? 3 : 4);
  });

  it('is readable by its owner alone, and has no lock, log or write-ahead log', () => {
    const names = readdirSync(backup, { recursive: true, encoding: 'utf8' });
    expect(names.filter((name) => /\.(lock|log|pid)$|-wal$|-shm$|lock\.sqlite$/.test(name))).toEqual([]);
    for (const name of names) expect(statSync(join(backup, name)).mode & 0o077, name).toBe(0);
  });

  it('holds neither keys, PINs nor tokens with --ledger-only', async () => {
    const target = join(folder, 'ledger-only');
    const { status, stdout } = await runCli(['state', 'backup', target, '--state', state, '--ledger-only'], folder);
    expect(status).toBe(0);
    expect(stdout).toContain('It holds no keys');
    const names = readdirSync(target, { recursive: true, encoding: 'utf8' });
    // What the service may have published meanwhile is public.
    const kept = names.filter((name) => !/^crls(\/|$)/.test(name));
    expect(kept.sort()).toEqual(['ledger.sqlite', 'manifest.json', 'root.pem', 'sealwright-state']);
    for (const line of stdout.split('\n')) expect(textWidth(line), line).toBeLessThanOrEqual(100);
  });

  it('refuses a folder that holds something, one inside the state, and a state that is none', async () => {
    const inside = await runCli(['state', 'backup', join(state, 'b'), '--state', state], folder);
    expect([inside.status, inside.stderr]).toEqual([1, expect.stringContaining('outside the state folder')]);
    const full = await runCli(['state', 'backup', backup, '--state', state], folder);
    expect([full.status, full.stderr]).toEqual([1, expect.stringContaining('not empty')]);
    const none = await runCli(['state', 'backup', join(folder, 'x'), '--state', join(folder, 'none')], folder);
    expect([none.status, none.stderr]).toEqual([1, expect.stringContaining('holds no ledger')]);
  });

  it('says that counters are not a recount, and by how much', async () => {
    const broken = join(folder, 'broken');
    cpSync(state, broken, { recursive: true });
    const database = new DatabaseSync(join(broken, 'ledger.sqlite'));
    database.exec("UPDATE counters SET issued = issued + 1 WHERE ca_id = 'devices' AND dimension = 'total'");
    database.exec("DELETE FROM counters WHERE ca_id = 'devices' AND dimension = 'profile'");
    database.close();
    const { status, stdout } = await runCli(
      ['state', 'backup', join(folder, 'b'), '--state', broken, '--json'],
      folder,
    );
    expect(status).toBe(1);
    const { differences, differing } = JSON.parse(stdout).recount;
    expect(differing).toBe(2);
    expect(differences.map(({ dimension }: { readonly dimension: string }) => dimension).sort()).toEqual([
      'profile',
      'total',
    ]);
    const profile = differences.find(({ dimension }: { readonly dimension: string }) => dimension === 'profile');
    expect(profile).toMatchObject({ value: 'device', counted: { issued: 0 } });
  });
});

/** A copy of the backup, changed; what `state verify` says of it. */
async function verifyChanged(change: (copy: string) => void) {
  const copy = mkdtempSync(join(folder, 'copy-'));
  cpSync(backup, copy, { recursive: true });
  change(copy);
  const { status, stdout } = await runCli(['state', 'verify', copy, '--json'], folder);
  return { status, error: JSON.parse(stdout).error as { readonly code: string; readonly next: readonly string[] } };
}

const manifestOf = (copy: string) => JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8'));

describe('sealwright state verify', () => {
  it('accepts what was made', async () => {
    expect((await runCli(['state', 'verify', backup], folder)).status).toBe(0);
  });

  it.each<readonly [string, string, (copy: string) => void]>([
    ['a file that is not there', 'file-missing', (copy) => rmSync(join(copy, 'root.pem'))],
    ['a file that was changed', 'file-changed', (copy) => writeFileSync(join(copy, 'root.pem'), 'x')],
    ['a file that was added', 'file-foreign', (copy) => writeFileSync(join(copy, 'more'), 'x')],
    ['a folder without a manifest', 'backup-missing', (copy) => rmSync(join(copy, 'manifest.json'))],
    ['a manifest that is none', 'manifest-unreadable', (copy) => writeFileSync(join(copy, 'manifest.json'), '{}')],
    [
      'a manifest that leads out of the backup',
      'manifest-unreadable',
      (copy) => {
        const manifest = manifestOf(copy);
        manifest.files[0].path = '../state/ledger.sqlite';
        writeFileSync(join(copy, 'manifest.json'), JSON.stringify(manifest));
      },
    ],
    [
      'a manifest that tells of another ledger',
      'content-changed',
      (copy) => {
        const manifest = manifestOf(copy);
        manifest.ledger.issuances += 1;
        writeFileSync(join(copy, 'manifest.json'), JSON.stringify(manifest));
      },
    ],
  ])('refuses %s (%s)', async (_, code, change) => {
    const { error, status } = await verifyChanged(change);
    expect([status, error.code]).toEqual([1, code]);
  });
});

describe('the drill: restored to another place', () => {
  const restored = join(folder, 'restored');

  it('has the counters of a recount, says what is not in it, and goes on with the same CA keys', async () => {
    const { status, stdout, stderr } = await runCli(['state', 'restore', backup, '--into', restored], folder);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/counters +\d+, equal a recount of \d+ certificates/);
    expect(stdout).toContain('revoke again what was revoked since');

    const running = await startProcesses({ stateDir: restored, pkcs11Module: softHsmModule });
    try {
      const client = createServiceClient(running.url);
      const { device, operator } = running.tokens;
      // What was issued before the backup is there; a new one is issued under the same root.
      const path = `/v1/enrollments/${issued[0]!.issuanceId}`;
      expect((await client.call({ path, token: device })).json().fingerprint).toBe(issued[0]!.fingerprint);
      for (const profile of profiles) await issue(client, device, profile);
      expect(readFileSync(join(restored, 'root.pem'), 'utf8')).toBe(readFileSync(join(state, 'root.pem'), 'utf8'));
      // Without SoftHSM there is no HSM key to ask about.
      if (softHsmModule === undefined) return;

      const { evidence, findings, status: custody } = await evidenceOf(client, operator, 'workloads');
      expect(custody).toBe('holds');
      expect(evidence.origin).toMatchObject({
        kind: 'restored',
        knownBy: 'record',
        backupId: JSON.parse(made.stdout).backupId,
      });
      expect(findings.map(({ code }: { readonly code: string }) => code)).toContain('key-restored');
      // Nothing that PKCS #11 itself reports tells a restored key from its original.
      const ofModule = ({ attributes, keyId, module }: Record<string, unknown>) => ({ attributes, keyId, module });
      expect(ofModule(evidence)).toEqual(ofModule(before!));
    } finally {
      await running.stop();
    }
  }, 60_000);

  it('refuses to go over what is there, and leaves nothing half restored', async () => {
    const over = await runCli(['state', 'restore', backup, '--into', state], folder);
    expect([over.status, over.stderr]).toEqual([1, expect.stringContaining('not empty')]);
    const copy = join(folder, 'damaged');
    cpSync(backup, copy, { recursive: true });
    writeFileSync(join(copy, 'root.pem'), 'x');
    const into = join(folder, 'never');
    expect((await runCli(['state', 'restore', copy, '--into', into], folder)).status).toBe(1);
    expect(existsSync(into)).toBe(false);
    expect((await runCli(['state', 'restore', backup], folder)).status).toBe(2);
  });

  it('is told of a token folder that somebody copied by hand, too', async (context) => {
    if (softHsmModule === undefined) context.skip('SoftHSM is not installed');
    const conf = (dir: string) => ({ path: softHsmModule!, softhsmConf: join(dir, 'softhsm2.conf') });
    expect(storeOriginOf(conf(join(state, 'pkcs11')))).toBeUndefined();
    const copied = join(folder, 'by hand');
    mkdirSync(copied);
    await sleep(5);
    cpSync(join(state, 'pkcs11'), join(copied, 'pkcs11'), { recursive: true, preserveTimestamps: true });
    expect(storeOriginOf(conf(join(copied, 'pkcs11')))).toEqual({ kind: 'restored', knownBy: 'place' });
  });
});
