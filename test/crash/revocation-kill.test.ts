import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RevokeCertificateCommand } from '@aws-sdk/client-acm-pca';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteReader } from '../../shared/adapters/sqlite/reader.ts';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { type OrphanWorld, openOrphanWorld } from '../support/orphan-world.ts';
import type { RevokingStop, RevokingTask } from './revoking-process.ts';

const script = join(import.meta.dirname, 'revoking-process.ts');
const minuteMs = 60_000;

let folder: string;
let world: OrphanWorld;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealwright-revoking-'));
  world = await openOrphanWorld({ ledgerFile: join(folder, 'ledger.sqlite') });
});
afterEach(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the process. Killed as soon as it says that it has reached the stop of its task; else it ends by itself. */
async function run(task: Omit<RevokingTask, 'ledgerFile' | 'endpoint'>) {
  const whole: RevokingTask = { ledgerFile: join(folder, 'ledger.sqlite'), endpoint: world.endpoint.url, ...task };
  const args = ['--disable-warning=ExperimentalWarning', script, JSON.stringify(whole)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  const ended = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('close', (_code, signal) => resolve(signal)),
  );
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
    if (out.includes(`reached ${task.stop}\n`)) void killedAt(task.stop!, () => child.kill('SIGKILL'));
  });
  const signal = await ended;
  return { signal, result: signal === null ? (JSON.parse(out) as Record<string, unknown>) : undefined };
}

/** A call that is under way is let reach the CA first. */
async function killedAt(stop: RevokingStop, kill: () => void): Promise<void> {
  if (stop === 'asking') await until(() => callsOf().accepted === 1);
  kill();
}

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error('it never came to it');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** RevokeCertificate at the CA: calls, and those of them that revoked something. */
function callsOf() {
  const { accepted = 0, errors = {} } = world.endpoint.view().operations.RevokeCertificate ?? {};
  const refused = Object.values(errors).reduce((sum, count) => sum + count, 0);
  return { accepted, revoked: accepted - refused };
}

const stops: readonly (readonly [RevokingStop, string, { readonly intents: number; readonly state: string }])[] = [
  ['intended', 'before its CA was asked', { intents: 1, state: 'issued' }],
  ['asking', 'while its CA was asked', { intents: 1, state: 'issued' }],
  ['answered', 'after its CA has answered', { intents: 1, state: 'issued' }],
  ['moved', 'when the ledger says it', { intents: 1, state: 'revoked' }],
];

describe('a process that is killed while it revokes', () => {
  it.each(stops)(
    '%s, %s: the next one ends it, once',
    async (stop, _when, left) => {
      const id = await world.approve();
      await world.sign(id);
      await world.minutes(1);
      const { fingerprint, serial, spkiSha256 } = await world.record(id);
      // The ledger is one process's.
      world.store.close();
      const at = world.endpoint.now();
      if (stop === 'asking') world.endpoint.control({ delays: { RevokeCertificate: { afterMs: 300 } } });
      const killed = await run({ at, stop, revoke: { fingerprint: fingerprint!, reason: 'keyCompromise' } });
      expect(killed.signal).toBe('SIGKILL');
      world.endpoint.control({ delays: { RevokeCertificate: null } });

      const between = openSqliteStore({ path: join(folder, 'ledger.sqlite'), clock: () => at });
      expect((await between.ledger.get(id))?.state).toBe(left.state);
      const [intent, ...others] = await between.revocations.unfinished(10);
      expect([intent, others]).toEqual([{ issuanceId: id, reason: 'keyCompromise', at, by: 'operator-1' }, []]);
      // A key that was said to be compromised is refused from then on, wherever the process died.
      expect((await between.ledger.holders([], spkiSha256)).keyCompromised).toBe(true);
      between.close();

      const next = await run({ at: at + minuteMs });
      expect(next.result).toEqual({ finished: 1, pending: 0, failures: [] });
      expect((await run({ at: at + 2 * minuteMs })).result).toEqual({ finished: 0, pending: 0, failures: [] });
      const again = await run({ at: at + 2 * minuteMs, revoke: { fingerprint: fingerprint!, reason: 'superseded' } });
      expect(again.result).toEqual({ status: 'already-revoked' });
      await expectOnce(id, serial!, at);
    },
    60_000,
  );
});

/** Once in the ledger, with the first reason and time; once in the counters; once at the CA. */
async function expectOnce(id: string, serial: string, at: number): Promise<void> {
  const reader = openSqliteReader(join(folder, 'ledger.sqlite'));
  try {
    expect(reader.get(id)).toMatchObject({
      state: 'revoked',
      serial,
      revocationReason: 'keyCompromise',
      revokedAt: at,
    });
    expect(reader.history(id).filter(({ to }) => to === 'revoked')).toHaveLength(1);
    const totals = reader.counters('devices').filter(({ dimension }) => dimension === 'total');
    expect(totals.map(({ issued, revoked }) => [issued, revoked])).toEqual([[1, 1]]);
  } finally {
    reader.close();
  }
  expect(callsOf().revoked).toBe(1);
  const again = new RevokeCertificateCommand({
    CertificateAuthorityArn: world.issuer.backendRef,
    CertificateSerial: serial,
    RevocationReason: 'SUPERSEDED',
  });
  await expect(world.endpoint.client.send(again)).rejects.toThrow(
    expect.objectContaining({ name: 'RequestAlreadyProcessedException' }),
  );
}
