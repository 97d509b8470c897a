import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createFileCrlObjects } from '../../shared/adapters/files/crl-objects.ts';
import { openHarness, type SqliteHarness } from '../support/sqlite-harness.ts';
import { crlObjectsSuite } from './crl-objects-suite.ts';
import { type CrlSourceHarness, crlSourceSuite } from './crl-source-suite.ts';

function sourceOf(h: SqliteHarness): CrlSourceHarness {
  return { ...h, crlSource: h.revocations, reopen: async () => sourceOf(await h.reopen()) };
}

crlSourceSuite('SQLite in memory', async () => sourceOf(await openHarness('memory')), false);
crlSourceSuite('SQLite in a file', async () => sourceOf(await openHarness('file')), true);

const folder = mkdtempSync(join(tmpdir(), 'sealwright-crls-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const objects = createFileCrlObjects(folder);
crlObjectsSuite('files', () => objects);
