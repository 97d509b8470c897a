import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { textWidth } from '../../cli/terminal/text.ts';
import { type FleetOptions, runFleet } from '../../localstack/embedded/fleet/fleet.ts';
import { type FleetProfile, fleetReport, fleetSucceeded } from '../../localstack/embedded/fleet/fleet-result.ts';
import { fleetProgressBar, renderFleetSummary } from '../../localstack/embedded/fleet/summary.ts';
import { type FakeHierarchy, makeHierarchy } from '../support/fake-ca.ts';
import {
  type FakeService,
  pem,
  pending,
  problem,
  type ScriptedAnswer,
  type SeenRequest,
  startFakeService,
} from '../support/fake-service.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const profiles: readonly FleetProfile[] = [
  {
    name: 'device',
    caId: 'devices',
    backend: 'acm-pca',
    ready: true,
    keys: ['P-256', 'P-384', 'RSA-2048'],
    names: 'dns',
  },
  {
    name: 'service',
    caId: 'workloads',
    backend: 'pkcs11',
    ready: true,
    keys: ['P-256', 'RSA-2048', 'Ed25519'],
    names: 'dns',
  },
  { name: 'svid', caId: 'workloads', backend: 'pkcs11', ready: true, keys: ['P-256', 'Ed25519'], names: 'spiffe' },
];

let hierarchy: FakeHierarchy;
let service: FakeService | undefined;
beforeAll(async () => {
  hierarchy = await makeHierarchy(now);
});
afterEach(async () => {
  await service?.close();
  service = undefined;
});

const issue = async (request: SeenRequest) => pem(hierarchy.chainOf(await hierarchy.issue(request.body.toString())));

async function run(
  answer: (request: SeenRequest, nth: number) => ScriptedAnswer | Promise<ScriptedAnswer>,
  change: Partial<FleetOptions> = {},
) {
  service = await startFakeService(answer);
  return runFleet({
    baseUrl: service.url,
    deviceSecret: 'sw_e_secret',
    trustAnchorsPem: hierarchy.rootPem,
    devices: 12,
    profiles,
    runId: 'r1',
    concurrency: 4,
    now: () => now,
    sleep: async () => {},
    ...change,
  });
}

describe('runFleet', () => {
  it('makes a key and a request for each device, and verifies each certificate against the pinned root', async () => {
    const result = await run(issue);
    expect(result).toMatchObject({
      submitted: 12,
      issued: 12,
      verified: 12,
      rejected: 0,
      failed: 0,
      unexpected: 0,
      rows: [],
      notes: [],
    });
    expect(fleetSucceeded(result)).toBe(true);
    expect(result.tallies.map(({ profile, backend, issued }) => [profile, backend, issued])).toEqual([
      ['device', 'acm-pca', 6],
      ['service', 'pkcs11', 3],
      ['svid', 'pkcs11', 3],
    ]);
    expect(result.latencyMs.p50).not.toBeNull();
    expect(new Set(service!.seen.map(({ body }) => body.toString())).size).toBe(12);
  });

  it('collects what was accepted, at the place it was told', async () => {
    const requests: SeenRequest[] = [];
    const result = await run((request) => {
      if (request.method === 'GET') return issue(requests[Number(/\d+$/.exec(request.path)![0])]!);
      return pending(`I.${requests.push(request) - 1}`);
    });
    expect(result).toMatchObject({ issued: 12, verified: 12 });
  });

  it('counts a refusal as rejected and unexpected, with its reasons', async () => {
    const violations = [{ code: 'name-held', field: 'names[0]', message: 'held\u001b[2J', reference: 'names' }];
    const result = await run((request, nth) =>
      nth === 1 ? problem(422, 'policy-refused', { violations }) : issue(request),
    );
    expect(result).toMatchObject({ submitted: 12, issued: 11, rejected: 1, failed: 0, unexpected: 1 });
    expect(result.rows).toMatchObject([{ outcome: 'rejected', status: 422, reasons: ['name-held: held\u001b[2J'] }]);
    expect(fleetSucceeded(result)).toBe(false);
  });

  it("fails a certificate that is another device's", async () => {
    let first: ScriptedAnswer | undefined;
    const result = await run(
      async (request) => {
        first ??= await issue(request);
        return first;
      },
      { devices: 2, profileOnly: 'device', concurrency: 1 },
    );
    expect(result).toMatchObject({ issued: 1, verified: 1, failed: 1, unexpected: 1 });
    expect(result.rows[0]).toMatchObject({
      code: 'certificate-not-verified',
      reasons: ["the certificate's key is not the device's"],
    });
  });

  it('fails certificates of a root that is not the pinned one', async () => {
    const other = await makeHierarchy(now);
    const result = await run(async (request) => pem(other.chainOf(await other.issue(request.body.toString()))), {
      devices: 2,
    });
    expect(result).toMatchObject({ issued: 0, verified: 0, failed: 2 });
  });

  it('asks nobody when there are no devices, and fails whole when no profile is ready', async () => {
    expect(await run(issue, { devices: 0 })).toMatchObject({
      submitted: 0,
      issued: 0,
      failed: 0,
      latencyMs: { p50: null, p99: null },
    });
    await service!.close();
    const none = await run(issue, { profiles: profiles.map((profile) => ({ ...profile, ready: false })) });
    expect(none).toMatchObject({ submitted: 12, failed: 12, unexpected: 12 });
    expect(service!.seen).toHaveLength(0);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const answer = (request: SeenRequest, nth: number) => {
      if (nth === 2) stop.abort(new Error('interrupted'));
      return issue(request);
    };
    await expect(run(answer, { signal: stop.signal, concurrency: 1 })).rejects.toThrow('interrupted');
    expect(service!.seen.length).toBeLessThan(12);
  });

  it('takes only a sensible number of devices', async () => {
    for (const devices of [-1, 1.5, Number.NaN, 100_001])
      await expect(run(issue, { devices })).rejects.toThrow(RangeError);
  });
});

describe('the report and the summary', () => {
  const authorities = [
    {
      id: 'devices',
      tier: 'issuance',
      backend: 'acm-pca',
      custodyModel: 'managed-ca',
      outstanding: 6,
      subject: 'CN=x',
    },
  ];

  it('has the members that scripts rely on, and no other', async () => {
    const report = fleetReport(await run(issue, { devices: 4 }), authorities, 'http://127.0.0.1:3000');
    expect(Object.keys(report)).toEqual([
      ...['submitted', 'issued', 'rejected', 'failed', 'unexpected', 'seconds', 'certificatesPerSecond', 'latencyMs'],
      ...['verified', 'authorities', 'url'],
    ]);
    expect(report.authorities).toEqual([
      { id: 'devices', tier: 'issuance', backend: 'acm-pca', custodyModel: 'managed-ca', outstanding: 6 },
    ]);
  });

  it('shows every reason printably, within 100 columns', async () => {
    const violations = [
      { code: 'name-held', field: 'names[0]', message: `held \u001b[2J ${'long '.repeat(60)}`, reference: 'names' },
    ];
    const result = await run((request, nth) =>
      nth % 2 === 1 ? problem(422, 'policy-refused', { violations }) : issue(request),
    );
    const summary = renderFleetSummary(result, authorities, { url: 'http://127.0.0.1:3999' });
    expect(summary).toContain('Refused (6)');
    expect(summary).toContain('\\x1b[2J');
    expect(summary).not.toContain('\u001b');
    expect(summary).toContain('npx sealwright enroll FILE.csr --profile device --url http://127.0.0.1:3999');
    for (const line of summary.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(100);
  });

  it('draws a bar for each phase', async () => {
    const written: string[] = [];
    const bar = fleetProgressBar({ stream: { write: (text) => written.push(text) }, enabled: true });
    await run(issue, { devices: 4, onProgress: bar.onProgress });
    bar.end();
    const text = written.join('');
    for (const line of ['making keys: 4 of 4', 'enrolling: 4 of 4 (4 issued)', 'verifying: 4 of 4'])
      expect(text).toContain(line);
  });
});
