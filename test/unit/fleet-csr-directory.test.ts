import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { askedOf, runCsrDirectory } from '../../localstack/embedded/fleet/csr-directory.ts';
import { prepareDevice } from '../../localstack/embedded/fleet/device-request.ts';
import { type FleetProfile, fleetSucceeded } from '../../localstack/embedded/fleet/fleet-result.ts';
import { renderFleetSummary } from '../../localstack/embedded/fleet/summary.ts';
import { type FakeHierarchy, makeHierarchy } from '../support/fake-ca.ts';
import {
  type FakeService,
  pem,
  problem,
  type ScriptedAnswer,
  type SeenRequest,
  startFakeService,
} from '../support/fake-service.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const profile: FleetProfile = {
  name: 'device',
  caId: 'devices',
  backend: 'acm-pca',
  ready: true,
  keys: ['P-256'],
  names: 'dns',
};
const samples = new URL('../vectors/csr-samples/', import.meta.url);

let hierarchy: FakeHierarchy;
let csrPem: string;
let dir: string;
let service: FakeService;
beforeAll(async () => {
  hierarchy = await makeHierarchy(now);
  ({ csrPem } = await prepareDevice({ profile: 'device', keyType: 'P-256', nameKind: 'dns', name: 'a.fleet.example' }));
});
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sealwright csr '));
});
afterEach(async () => {
  await service?.close();
  await rm(dir, { recursive: true, force: true });
});

const issue = async (request: SeenRequest) => pem(hierarchy.chainOf(await hierarchy.issue(request.body.toString())));

async function run(
  files: Readonly<Record<string, string | Uint8Array>>,
  answer: (request: SeenRequest) => ScriptedAnswer | Promise<ScriptedAnswer> = issue,
  profiles: readonly FleetProfile[] = [profile],
) {
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content);
  service = await startFakeService(answer);
  return runCsrDirectory({
    baseUrl: service.url,
    deviceSecret: 'sw_e_secret',
    trustAnchorsPem: hierarchy.rootPem,
    profiles,
    dir,
    now: () => now,
    sleep: async () => {},
  });
}

const manifest = (...entries: readonly object[]) => ({ 'manifest.json': JSON.stringify(entries) });

describe('runCsrDirectory', () => {
  it('sends every request byte for byte, by its media type, and nothing else of the folder', async () => {
    const der = Buffer.from(csrPem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const files = {
      'a.csr': `some text\r\n${csrPem}`,
      'b.der': der,
      'c.pem': der.toString('base64'),
      'README.md': 'no request',
      'key.txt': 'x',
    };
    await run(files, () => problem(400, 'not-base64'));
    const sent = new Map(service.seen.map((request) => [request.headers['content-type'], request.body]));
    expect([...sent.keys()].sort()).toEqual(['application/pkcs10', 'application/x-pem-file', 'text/plain']);
    expect(sent.get('application/pkcs10')).toEqual(der);
    expect(sent.get('application/x-pem-file')!.toString()).toBe(files['a.csr']);
    expect(service.seen).toHaveLength(3);
  });

  it("asks for the manifest's profile, else for the default", async () => {
    await run({ 'a.csr': csrPem, 'b.csr': csrPem, ...manifest({ file: 'b.csr', profile: 'svid' }) });
    expect(service.seen.map(({ path }) => path.split('=')[1]).sort()).toEqual(['device', 'svid']);
  });

  it('verifies chain, key and names of what is issued', async () => {
    const result = await run({ 'a.csr': csrPem });
    expect(result).toMatchObject({ submitted: 1, issued: 1, verified: 1, failed: 0, unexpected: 0 });
    const other = await prepareDevice({
      profile: 'device',
      keyType: 'P-256',
      nameKind: 'dns',
      name: 'a.fleet.example',
    });
    await service.close();
    const swapped = await run({ 'a.csr': csrPem }, async () =>
      pem(hierarchy.chainOf(await hierarchy.issue(other.csrPem))),
    );
    expect(swapped).toMatchObject({ issued: 0, failed: 1 });
  });

  it.each([
    ['issued', 200, false],
    ['issued', 422, true],
    ['refused', 422, false],
    ['refused', 413, false],
    ['refused', 400, true],
    ['refused', 401, true],
    ['refused', 200, true],
    ['malformed', 400, false],
    ['malformed', 422, true],
  ] as const)('expecting %s, an answer of %i is unexpected: %s', async (expect_, status, unexpected) => {
    const files = { 'a.csr': csrPem, ...manifest({ file: 'a.csr', expect: expect_ }) };
    const result = await run(files, (request) => (status === 200 ? issue(request) : problem(status, 'a-code')));
    expect(result.unexpected).toBe(unexpected ? 1 : 0);
    expect(fleetSucceeded(result)).toBe(!unexpected);
    expect(result).toMatchObject(status === 200 ? { issued: 1 } : { rejected: 1, failed: 0 });
  });

  it('judges nothing that the manifest does not expect anything of', async () => {
    expect(await run({ 'a.csr': csrPem }, () => problem(422, 'policy-refused'))).toMatchObject({
      rejected: 1,
      unexpected: 0,
    });
  });

  it('asks once, and waits for nothing, where the profile has no CA', async () => {
    const absent = { ...profile, ready: false };
    const result = await run(
      { 'a.csr': csrPem },
      () => problem(503, 'backend-unavailable', {}, { 'retry-after': '5' }),
      [absent],
    );
    expect(service.seen).toHaveLength(1);
    expect(result).toMatchObject({
      failed: 1,
      notes: ['profile device is not served: its CA devices (acm-pca) is not ready'],
    });
  });

  it('does not send a file of more than a megabyte', async () => {
    const result = await run({ 'a.csr': Buffer.alloc(1024 * 1024 + 1) });
    expect(result).toMatchObject({ failed: 1, rows: [{ code: 'file-too-long' }] });
    expect(service.seen).toHaveLength(0);
  });

  it('lists file, answer, expectation and reason in the summary', async () => {
    const result = await run({ 'a.csr': csrPem, ...manifest({ file: 'a.csr', expect: 'issued' }) }, () =>
      problem(400, 'der-truncated'),
    );
    expect(renderFleetSummary(result, [])).toMatch(/a\.csr +device +400 +issued \(!\) +der-truncated: A title/);
  });
});

describe('a folder that cannot be used', () => {
  it('is refused before anything is sent, with every fault of the manifest', async () => {
    const entries = [
      { profile: 'x' },
      { file: '../secret' },
      { file: 'a.csr', expect: 'maybe' },
      { file: 'a.csr', profile: 7 },
      { file: 'a.csr' },
      { file: 'a.csr' },
    ];
    await expect(run({ 'a.csr': csrPem, ...manifest(...entries) })).rejects.toMatchObject({
      faults: [
        'manifest.json, entry 1: no file is named',
        'manifest.json, entry 2: the file ../secret is not in the folder',
        'manifest.json, entry 3: expect is none of issued, refused, malformed',
        'manifest.json, entry 4: profile is not a name',
        'manifest.json, entry 6: the file a.csr is named twice',
      ],
    });
    expect(service.seen).toHaveLength(0);
  });

  it.each([
    ['no request', { 'README.md': '' }, /holds no request/],
    ['a manifest that is no JSON', { 'a.csr': '', 'manifest.json': '{' }, /is no JSON/],
    ['a manifest that is no list', { 'a.csr': '', 'manifest.json': '{}' }, /is not a list/],
  ] as const)('is refused for %s', async (_, files, message) => {
    await expect(run(files)).rejects.toThrow(message);
  });

  it('is refused when it is not there', async () => {
    await rm(dir, { recursive: true });
    await expect(run({})).rejects.toThrow(/cannot be read \(ENOENT\)/);
  });
});

it('reads key and names of every sample that is to be issued', async () => {
  const entries = JSON.parse(await readFile(new URL('manifest.json', samples), 'utf8')) as readonly {
    readonly file: string;
    readonly expect: string;
  }[];
  const issued = entries.filter(({ expect: expected }) => expected === 'issued');
  expect(issued.length).toBeGreaterThan(20);
  for (const { file } of issued) {
    const asked = askedOf(await readFile(new URL(file, samples)));
    expect(asked.spkiDer?.byteLength, file).toBeGreaterThan(40);
    expect(asked.names, file).toHaveLength(1);
  }
});

it('reads nothing, and throws nothing, of the broken samples', async () => {
  const broken = (await readdir(samples)).filter((file) => file.startsWith('broken-'));
  for (const file of broken) {
    const bytes = await readFile(new URL(file, samples));
    expect(() => askedOf(bytes), file).not.toThrow();
  }
});
