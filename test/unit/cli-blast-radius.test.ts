import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { durationText } from '../../cli/commands/inventory-output.ts';
import { renderCurve } from '../../cli/terminal/curve.ts';
import { textWidth } from '../../cli/terminal/text.ts';
import { type CliWorld, makeMaterial, openCliWorld, operatorToken } from '../support/cli-world.ts';

let csrPem: string;
let cli: CliWorld;
beforeAll(async () => {
  csrPem = (await makeMaterial()).csrPem;
});
beforeEach(async () => {
  cli = await openCliWorld(csrPem);
});
afterEach(() => cli.end());

const json = (body: unknown, status = 200) => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const day = (n: number) => new Date(Date.parse('2026-11-23T12:00:00Z') + n * 86_400_000).toISOString();

const radius = {
  authority: {
    id: 'devices',
    tier: 'issuance',
    generation: 1,
    keyId: `sha256:${'a'.repeat(64)}`,
    includes: ['devices'],
    below: [],
  },
  asOf: day(0),
  exact: false,
  nextEdge: day(1),
  issued: {
    total: 120_500,
    revoked: 300,
    expired: 20_200,
    outstanding: 100_000,
    outstandingMin: 99_950,
    by: {
      authority: [{ value: 'devices', outstanding: 100_000 }],
      owner: [{ value: `plant\u202e-${'7'.repeat(120)}`, outstanding: 100_000 }],
      ownersTotal: 12,
      ownersOmitted: 11,
      fleet: [],
      profile: [],
      keyType: [],
      credential: [],
      exact: true,
    },
    unsettled: { intended: 0, submitted: 12, orphanSuspected: 0, misissued: 0 },
    exposureCurve: Array.from({ length: 365 }, (_, n) => ({ at: day(n), outstanding: Math.max(0, 100_000 - n * 274) })),
    lastNotAfter: day(364),
  },
  issuable: {
    until: day(1_000),
    subordinateAuthorities: false,
    pathLen: 0,
    permitted: {
      dns: ['fleet.example'],
      uri: ['fleet.example'],
      ip: 'unconstrained',
      email: [],
      directory: 'unconstrained',
    },
    excluded: [],
    extendedKeyUsage: 'unconstrained',
  },
  reach: null,
  rotation: {
    successor: null,
    limitedBy: 'device-check-in',
    issuePerSecond: 25,
    revokePerSecond: 20,
    replacedAfterSeconds: { '50': { p50: 43_200, p90: 50_400 }, '95': { p50: 172_800, p90: 216_000 }, '100': null },
    revokedAfterSeconds: 5_000,
    devices: 100_000,
    unreachable: { count: 1_400, basis: 'no contact for 3 of their intervals' },
    cost: { currency: 'USD', issuance: 3_990, pricesAsOf: '2026-11-01' },
    hindcasts: 12,
    assumptions: ['devices come back as they came'],
  },
};

describe('sealwright blast-radius', () => {
  it('prints figures, whose, the curve and the rotation, no line wider than 100 columns', async () => {
    const { status, stdout, seen } = await cli.run(['blast-radius', 'devices'], [json(radius)]);
    expect(status).toBe(0);
    for (const text of [
      '120,500',
      '= outstanding        100,000',
      '99,950',
      '12 submitted',
      '… 11 more',
      'dns fleet.example; uri fleet.example; ip any; email none',
      'no CAs below it',
      '12 h, and in nine of ten cases within 14 h',
      '100 % replaced after never without hands',
      '1,400 of them unreachable: no contact',
      '3,990 USD',
    ])
      expect(stdout).toContain(text);
    expect(stdout).toMatch(/█/);
    expect(stdout).not.toContain('\u202e');
    for (const line of stdout.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(100);
    expect(seen[0]).toMatchObject({
      path: '/v1/authorities/devices/blast-radius',
      headers: { authorization: `Bearer ${operatorToken}` },
    });
  });

  it('prints the answer as it came with --json', async () => {
    const { stdout } = await cli.run(['blast-radius', 'devices', '--json'], [json(radius)]);
    expect(JSON.parse(stdout)).toEqual(radius);
  });

  it('asks for an owner, a fleet, a credential or a key', async () => {
    for (const kind of ['owner', 'fleet', 'credential', 'key'])
      await cli.run(
        ['blast-radius', `--${kind}`, 'a b&c'],
        [json({ ...radius, authority: undefined, subject: { kind, value: 'a b&c', includes: [] } })],
      );
    expect(cli.service!.seen.map(({ path }) => path)).toEqual([
      '/v1/blast-radius?owner=a%20b%26c',
      '/v1/blast-radius?fleet=a%20b%26c',
      '/v1/blast-radius?credential=a%20b%26c',
      '/v1/blast-radius?key=a%20b%26c',
    ]);
  });

  it('wants one subject', async () => {
    for (const argv of [
      ['blast-radius'],
      ['blast-radius', 'devices', '--owner', 'x'],
      ['blast-radius', '--owner', 'x', '--by', 'fleet'],
    ]) {
      const { status, stderr } = await cli.run(argv);
      expect(status).toBe(2);
      expect(stderr).toContain('sealwright');
    }
  });

  it('prints a page of a breakdown, and where it goes on', async () => {
    const body = {
      authority: 'devices',
      breakdown: 'owner',
      asOf: day(0),
      values: [{ value: 'plant-7', outstanding: 7 }],
      nextCursor: 'abc',
    };
    const { stdout, seen } = await cli.run(['blast-radius', 'devices', '--by', 'owner', '--limit', '1'], [json(body)]);
    expect(stdout).toContain('plant-7');
    expect(stdout).toContain('--cursor abc');
    expect(seen[0]!.path).toBe('/v1/authorities/devices/blast-radius?breakdown=owner&limit=1');
  });
});

describe('sealwright recount', () => {
  const running = {
    id: 'r',
    status: 'running',
    certificatesCounted: 10,
    issuancesAbout: 20,
    differences: [],
    sumDifferences: [],
  };

  it('waits for the end, and exits with 0 when all is equal', async () => {
    const done = { ...running, status: 'done', equal: true, certificatesCounted: 20, counters: 100 };
    const { status, stdout } = await cli.run(['recount'], [json(running, 202), json(running, 202), json(done)]);
    expect([status, stdout]).toEqual([0, '✓ the counters equal the records: 20 certificates, 100 counters\n']);
  });

  it('names what differs, and exits with 1', async () => {
    const differences = [
      {
        authority: 'devices',
        dimension: 'owner',
        value: 'plant-7',
        bucketStart: day(2),
        bucketSeconds: 86_400,
        counted: { issued: 2, revoked: 0 },
        recounted: { issued: 1, revoked: 0 },
      },
    ];
    const done = { ...running, status: 'done', equal: false, counters: 100, differing: 1, differences };
    const { status, stdout } = await cli.run(['recount'], [json(done)]);
    expect(status).toBe(1);
    for (const text of ['plant-7', '2026-11-25T12:00 day', '2 − 0', '1 − 0', 'nothing was changed'])
      expect(stdout).toContain(text);
  });
});

describe('a curve', () => {
  const label = (at: number) => String(at);

  it('falls from the first value to the last, within its width', () => {
    const text = renderCurve(
      [
        { at: 0, value: 1_000 },
        { at: 50, value: 500 },
        { at: 100, value: 0 },
      ],
      { width: 40, height: 4, label },
    );
    const lines = text.split('\n').slice(0, -1);
    expect(lines).toHaveLength(6);
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(40);
    const full = lines.map((line) => [...line].filter((character) => character === '█').length);
    expect(full.slice(0, 4)).toEqual([17, 17, 33, 33].map((n) => n));
  });

  it('shows what is not nothing, and nothing where there is none', () => {
    const points = [
      { at: 0, value: 1_000_000 },
      { at: 10, value: 1 },
      { at: 100, value: 0 },
    ];
    expect(renderCurve(points, { width: 40, height: 4, label })).toContain('▁');
    expect(renderCurve([{ at: 0, value: 0 }], { label })).toBe('');
  });
});

describe('a duration', () => {
  it.each([
    [0, '0 s'],
    [59, '59 s'],
    [3_600, '1 h'],
    [3_660, '1 h 1 min'],
    [183_600, '2 d 3 h'],
    [undefined, '–'],
  ])('of %s s is "%s"', (value, text) => {
    expect(durationText(value)).toBe(text);
  });
});
