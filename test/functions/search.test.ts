import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../cli/main.ts';
import { dns, freshName, type LocalStack, newP256, requestFor, startLocalStack } from '../support/service.ts';
import { createServiceClient, problemOf, type ServiceClient } from '../support/service-client.ts';

let local: LocalStack;
let client: ServiceClient;
const names = Array.from({ length: 3 }, () => freshName());
const fingerprints: string[] = [];

beforeAll(async () => {
  local = await startLocalStack();
  client = createServiceClient(local.url);
  for (const name of names) {
    const settled = await client.settled(requestFor([dns(name)], newP256()), 'device', local.tokens.device);
    const record = await local.stack.ledger.get(settled.json().issuanceId);
    fingerprints.push(createHash('sha256').update(record!.certificateDer!).digest('hex'));
  }
});

afterAll(() => local?.close());

const search = (query: string, accept = 'application/json', token: string | undefined = local.tokens.operator) =>
  client.call({ path: `/v1/certificates${query}`, token, headers: { accept } });

describe('GET /v1/certificates', () => {
  it('pages through all of them, each once, by a cursor of this query alone (search-cursor)', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = (await search(`?owner=plant-7&limit=1${cursor}`)).json();
      seen.push(...page.certificates.map((one: { fingerprint: string }) => one.fingerprint));
      cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`;
      if (seen.length === 1) expect(problemOf(await search(`?owner=plant-8${cursor}`))).toBe('400 request-malformed');
    } while (cursor !== '');
    expect(seen).toEqual(fingerprints);
  });

  it('holds every filter together (search-filters)', async () => {
    const found = async (query: string) =>
      (await search(query)).json().certificates.map((one: { fingerprint: string }) => one.fingerprint);
    expect(await found(`?name=${names[1]}`)).toEqual([fingerprints[1]]);
    expect(await found(`?fingerprint=${fingerprints[2]}&owner=plant-7&status=issued`)).toEqual([fingerprints[2]]);
    expect(await found(`?fingerprint=${fingerprints[2]}&status=revoked`)).toEqual([]);
    const [{ serial, key }] = (await search(`?name=${names[0]}`)).json().certificates;
    expect(await found(`?issuer=devices&serial=${serial}`)).toEqual([fingerprints[0]]);
    expect(await found(`?key=${key}&profile=device&fleet=sensors`)).toEqual([fingerprints[0]]);
    expect(await found('?notAfterBefore=2020-01-01T00:00:00Z')).toEqual([]);
    expect(await found('?notAfterAfter=2020-01-01T00:00:00Z')).toEqual(fingerprints);
  });

  it('answers as CSV and NDJSON, with the cursor in a header (search-formats)', async () => {
    const ndjson = await search('?issuer=devices&limit=2', 'application/x-ndjson');
    expect(
      ndjson.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).fingerprint),
    ).toEqual(fingerprints.slice(0, 2));
    expect(ndjson.headers['x-next-cursor']).toMatch(/^[\w-]+$/);
    const csv = await search('?issuer=devices', 'text/csv');
    expect(csv.text.split('\r\n')).toHaveLength(5);
    expect(csv.text.startsWith('fingerprint,serial,issuer,')).toBe(true);
  });

  it('refuses what it does not understand, and a caller without the role (search-refused)', async () => {
    for (const query of [
      '?colour=red',
      '?status=lost',
      '?notAfterBefore=tomorrow',
      '?limit=0',
      '?issuer=a&cursor=x',
      '?owner=',
      '?serial=none',
      '?key=ab',
    ])
      expect(problemOf(await search(query)), query).toBe('400 request-malformed');
    for (const query of ['', '?status=issued', '?profile=device&limit=5']) {
      const answer = await search(query);
      expect([problemOf(answer), answer.json().detail]).toEqual([
        '400 request-malformed',
        expect.stringContaining('add one of issuer, owner, fleet, serial'),
      ]);
    }
    expect((await search('?owner=plant-7', 'application/json', local.tokens.device)).status).toBe(401);
  });

  it('shows one with its whole history (show-history)', async () => {
    const path = `/v1/certificates/${fingerprints[0]}`;
    const shown = (await client.call({ path, token: local.tokens.operator })).json();
    expect(shown).toMatchObject({ fingerprint: fingerprints[0], owner: 'plant-7', predecessor: null, successors: [] });
    // Whether the certificate was there in the signer's own batch is a matter of time.
    const states = shown.history.map(({ to }: { to: string }) => to).filter((to: string) => to !== 'submitted');
    expect(states).toEqual(['received', 'approved', 'intended', 'issued']);
    const none = await client.call({ path: `/v1/certificates/${'ab'.repeat(32)}`, token: local.tokens.operator });
    expect(none.status).toBe(404);
  });
});

/** A command with what it wrote; standard output may be slow, and says when there is room again. */
async function command(argv: readonly string[], isSlow = false) {
  let [stdout, stderr, waiting] = ['', '', 0];
  const status = await main([...argv, '--url', local.url], {
    environment: { SEALWRIGHT_TOKEN: local.tokens.operator },
    workingDirectory: '/',
    stdout: {
      write: (text: string) => {
        expect(waiting).toBe(0);
        stdout += text;
        waiting += isSlow ? 1 : 0;
        return !isSlow;
      },
      once: (_event, listener) =>
        setImmediate(() => {
          waiting = 0;
          listener();
        }),
    },
    stderr: {
      write: (text: string) => {
        stderr += text;
      },
    },
    readStdin: async () => new Uint8Array(),
    now: Date.now,
    monotonic: () => performance.now(),
    sleep: async () => undefined,
  });
  return { status, stdout, stderr };
}

describe('sealwright search', () => {
  it('streams all of them as NDJSON, CSV and JSON, no faster than they are read (search-export)', async () => {
    const ndjson = await command(['search', '--all', '--format', 'ndjson'], true);
    expect(
      ndjson.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).fingerprint),
    ).toEqual(fingerprints);
    const csv = await command(['search', '--all', '--format', 'csv'], true);
    expect(csv.stdout.split('\r\n').map((line) => line.split(',')[0])).toEqual(['fingerprint', ...fingerprints, '']);
    const json = JSON.parse((await command(['search', '--owner', 'plant-7', '--format', 'json'])).stdout);
    expect(json.certificates.map((one: { fingerprint: string }) => one.fingerprint)).toEqual(fingerprints);
    expect((await command(['search', '--owner', 'nobody', '--format', 'json'])).stdout).toBe('{"certificates":[]}\n');
  });

  it('refuses to look through everything unasked, and says what to add (search-unbounded)', async () => {
    const { status, stderr } = await command(['search', '--status', 'issued']);
    expect([status, stderr]).toEqual([1, expect.stringContaining('add one of issuer, owner, fleet')]);
    expect((await command(['search', '--all', '--status', 'issued'])).stdout).toContain('3 certificates\n');
    expect((await command(['search', '--all', '--format', 'xml'])).status).toBe(2);
  });
});

describe('sealwright revoke by a search', () => {
  it('counts first, and revokes when the count is confirmed (revoke-search)', async () => {
    let stdout = '';
    const run = async (...argv: string[]) => {
      const done = await command(['revoke', '--owner', 'plant-7', '--reason', 'superseded', ...argv]);
      stdout += done.stdout;
      return done.status;
    };
    expect([await run(), stdout]).toEqual([0, '3 to revoke; nothing was done: add --confirm 3\n']);
    expect(await run('--confirm', '2')).toBe(1);
    const revoked = await command(['revoke', '--owner', 'plant-7', '--reason', 'superseded', '--confirm', '3']);
    expect([revoked.status, revoked.stderr]).toEqual([0, 'revoking: 3 of 3\n']);
    stdout += revoked.stdout;
    expect(stdout).toContain('3 revoked\n');
    expect((await search('?status=revoked&owner=plant-7')).json().certificates).toHaveLength(3);
  });
});
