import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteReader, type SqliteReader } from '../../shared/adapters/sqlite/reader.ts';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { isEdge } from '../../shared/issuance/issuance-state.ts';
import { ledgerTime } from '../support/ledger-fixtures.ts';

const rounds = 10;
const writer = new URL('../support/sqlite-writer.ts', import.meta.url).pathname;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealwright-kill-'));
  path = join(folder, 'ledger.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the writer and kills it some time after it has told `linesMin` writes. Answers the whole lines it told. */
async function writeUntilKilled(linesMin: number, thenMs: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [decodeURIComponent(writer), path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  let armed = false;
  const exited = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('close', (_code, signal) => resolve(signal)),
  );
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (armed || text.split('\n').length <= linesMin) return;
    armed = true;
    setTimeout(() => child.kill('SIGKILL'), thenMs);
  });
  expect(await exited).toBe('SIGKILL');
  return text.split('\n').slice(0, -1);
}

function expectTold(reader: SqliteReader, sent: ReadonlySet<string>, lines: readonly string[]): void {
  for (const line of lines) {
    const [what, issuanceId = '', state] = line.split(' ');
    if (what === 'state')
      expect(
        reader.history(issuanceId).map(({ to }) => to),
        line,
      ).toContain(state);
    if (what === 'sent') expect(sent.has(issuanceId), line).toBe(true);
  }
}

/** Half a move is nowhere: record, history, certificate and counters tell one story. */
function expectWhole(reader: SqliteReader): void {
  let issued = 0;
  for (const record of reader.issuances()) {
    const changes = reader.history(record.issuanceId);
    expect(changes[0]?.to).toBe('received');
    expect(changes.slice(1).every(({ from, to }, index) => from === changes[index]!.to && isEdge(from, to))).toBe(true);
    expect(changes.at(-1)?.to).toBe(record.state);
    expect(record.certificateDer !== undefined).toBe(record.state === 'issued');
    expect(record.intent !== undefined).toBe(changes.some(({ to }) => to === 'intended'));
    if (record.state === 'issued') issued += 1;
  }
  const total = reader.counters('devices').filter(({ dimension }) => dimension === 'total');
  expect(total.reduce((sum, row) => sum + row.issued, 0)).toBe(issued);
}

describe('a state whose process was killed', () => {
  it(`has everything that was answered, and half of nothing, ${rounds} times over (durable-after-kill)`, async () => {
    const told: string[] = [];
    for (let round = 0; round < rounds; round++) {
      told.push(...(await writeUntilKilled(20 + 15 * round, Math.floor(Math.random() * 40))));
      openSqliteStore({ path, clock: () => ledgerTime }).close();
      const reader = openSqliteReader(path);
      const database = new DatabaseSync(path, { readOnly: true });
      const sent = new Set(
        database
          .prepare('SELECT body FROM messages')
          .all()
          .map((row) => row.body as string),
      );
      expect(database.prepare('PRAGMA quick_check').get()?.quick_check).toBe('ok');
      database.close();
      expectTold(reader, sent, told);
      expectWhole(reader);
      reader.close();
    }
    expect(told.length).toBeGreaterThan(rounds * 20);
  }, 60_000);
});
