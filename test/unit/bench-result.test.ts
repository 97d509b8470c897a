import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import type { EndToEndRun } from '../../bench/end-to-end.ts';
import type { Environment } from '../../bench/environment.ts';
import { parseBaselineOptions } from '../../bench/options.ts';
import { functionsOf } from '../../bench/profile.ts';
import { renderResult } from '../../bench/report.ts';
import schema from '../../bench/result.schema.json' with { type: 'json' };
import { type BenchResult, backendResult, benchResult, isSound, stagesResult } from '../../bench/result.ts';
import { percentile, spreadOf } from '../../bench/spread.ts';
import type { Stage } from '../../bench/stages/stage.ts';

const environment: Environment = {
  node: 'v24.0.0',
  openssl: '3.5.0',
  platform: 'linux-x64',
  cpuModel: 'A processor',
  cpuCount: 2,
  memoryBytes: 8_000_000_000,
  loadAverage: 0.5,
  sqlite: { version: '3.50.0', journalMode: 'wal', synchronous: 2, pageBytes: 4096 },
  disk: { filesystem: 'ext', fdatasyncUs: 120 },
  primitivesUs: { ecdsaP256Sign: 22, ecdsaP256Verify: 60, publicKeyImport: 14 },
};

function endToEndRun(
  changes: Partial<EndToEndRun> & { readonly seconds?: number; readonly others?: number } = {},
): EndToEndRun {
  const { others = 0, seconds = 2, ...rest } = changes;
  return {
    load: {
      answered: 1_000 + others,
      certificates: 1_000,
      seconds,
      latencyMs: { p50: 8.25, p99: 21.5 },
      usage: [
        { name: 'service', cpuMs: 900, mainThreadCpuMs: 600, rssMaxBytes: 200_000_000 },
        { name: 'acm-pca', cpuMs: 100, mainThreadCpuMs: 80, rssMaxBytes: 100_000_000 },
      ],
      clientCpuMs: 120,
      transport: 'plain HTTP',
    },
    verified: 1_000,
    recorded: 1_000,
    faults: {},
    profile: 'service',
    ...rest,
  };
}

const stages: readonly Stage[] = [
  { stage: 'policy', timesPerCertificate: 3, cpuUsPerCall: 20 },
  { stage: 'CA signature: pkcs11', timesPerCertificate: 1, cpuUsPerCall: 40, backend: 'pkcs11' },
  { stage: 'CA signature: software', timesPerCertificate: 1, cpuUsPerCall: 140, backend: 'software' },
];

function result(changes: Partial<BenchResult> = {}): BenchResult {
  const endToEnd = [
    backendResult('pkcs11', 16, [endToEndRun(), endToEndRun({ seconds: 4 }), endToEndRun({ seconds: 1 })]),
    backendResult('software', 16, [endToEndRun()]),
  ];
  return benchResult({
    environment,
    settings: { runs: 3, connections: [16], tls: false, warmUp: 300, seconds: 2, certificates: null },
    endToEnd,
    stages: stagesResult(stages, 500, endToEnd),
    skipped: [{ backend: 'acm-pca', reason: 'the hierarchy has no profile with DNS names on it' }],
    ...changes,
  });
}

const validate = new Ajv2020({ allErrors: true, strictRequired: false }).compile(schema);
function faultsOf(value: unknown): unknown {
  return validate(JSON.parse(JSON.stringify(value))) ? [] : validate.errors;
}

describe('the result of the bench', () => {
  it('is what its schema says', () => {
    expect(faultsOf(result())).toEqual([]);
  });

  it('is what its schema says where the kernel tells no CPU and no stages were measured', () => {
    const load = { ...endToEndRun().load, usage: [] };
    const bare = result({ endToEnd: [backendResult('pkcs11', 16, [endToEndRun({ load })])], stages: null });
    expect(faultsOf(bare)).toEqual([]);
    expect(bare.endToEnd[0]!.runs[0]!.cpuMsPerCertificate).toBeNull();
    expect(bare.cpuMsPerCertificate).toEqual({});
  });

  it('is refused by its schema when a field is missing, misspelt or of another kind', () => {
    const { skipped: _, ...missing } = result();
    expect(faultsOf(missing)).not.toEqual([]);
    expect(faultsOf({ ...result(), surplus: 1 })).not.toEqual([]);
    expect(faultsOf({ ...result(), certificatesPerSecond: { pkcs11: 'fast' } })).not.toEqual([]);
    expect(faultsOf({ ...result(), certificatesPerSecond: { another: 1 } })).not.toEqual([]);
  });

  it('counts rate and CPU by certificate, over all processes of the server', () => {
    const { certificatesPerSecond, cpuMsPerCertificate, endToEnd } = result();
    expect(certificatesPerSecond).toEqual({ pkcs11: 500, software: 500 });
    expect(cpuMsPerCertificate).toEqual({ pkcs11: 1, software: 1 });
    expect(endToEnd[0]!.spread.certificatesPerSecond).toEqual({ min: 250, median: 500, max: 1_000 });
    expect(endToEnd[0]!.runs[0]!.processes[0]).toMatchObject({
      cpuMsPerCertificate: 0.9,
      mainThreadCpuMsPerCertificate: 0.6,
    });
  });

  it('speaks for a backend by its result at 16 connections, else by its last, and of a lone enrolment apart', () => {
    const at = (connections: number, seconds: number) =>
      backendResult('software', connections, [endToEndRun({ seconds })]);
    const several = result({ endToEnd: [at(1, 10), at(16, 2), at(64, 1)], stages: null });
    expect(several.certificatesPerSecond).toEqual({ software: 500 });
    expect(several.loneEnrolmentMs).toEqual({ software: 8.25 });
    expect(faultsOf(several)).toEqual([]);
    const others = result({ endToEnd: [at(8, 10), at(64, 1)], stages: null });
    expect(others.certificatesPerSecond).toEqual({ software: 1_000 });
    expect(others.loneEnrolmentMs).toEqual({});
  });

  it.each([
    ['an answer was not verified', { verified: 999 }],
    ['a record is missing', { recorded: 999 }],
    ['there is a record too many', { recorded: 1_001 }],
    ['something else than a certificate was answered', { others: 1 }],
  ])('is not sound when %s', (_what, changes) => {
    expect(isSound(result())).toBe(true);
    expect(isSound(result({ endToEnd: [backendResult('pkcs11', 16, [endToEndRun(), endToEndRun(changes)])] }))).toBe(
      false,
    );
  });

  it('is not sound when nothing was measured', () => {
    expect(isSound(result({ endToEnd: [] }))).toBe(false);
  });

  it('weighs a stage by how often a certificate goes through it, and leaves what no stage explains', () => {
    const measured = result().stages!;
    expect(measured.stages.map(({ cpuUsPerCertificate }) => cpuUsPerCertificate)).toEqual([60, 40, 140]);
    expect(measured.stages.map(({ share }) => share)).toEqual([0.6, 0.4, 0.7]);
    expect(measured.byBackend).toEqual([
      { backend: 'pkcs11', stagesUs: 100, endToEndUs: 1_000, remainderUs: 900 },
      { backend: 'software', stagesUs: 200, endToEndUs: 1_000, remainderUs: 800 },
    ]);
  });

  it('is shown in at most 100 columns below the lines about the machine', () => {
    const tables = renderResult(result()).split('\n').slice(4);
    expect(Math.max(...tables.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(tables.join('\n')).toContain('pkcs11: 1000 µs end to end = 100 in stages + 900 besides');
  });
});

describe('figures of the bench', () => {
  it('spreads an odd and an even number of runs, and none', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
    expect(spreadOf([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
    expect(spreadOf([])).toBeUndefined();
  });

  it('takes a percentile by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile([7], 0.99)).toBe(7);
  });

  it('sums self and total time by function, a recursion once, the idle left out', () => {
    const frame = (functionName: string) => ({ functionName, url: 'node:x', lineNumber: 0 });
    const { busyMs, functions } = functionsOf({
      nodes: [
        { id: 1, callFrame: frame('(root)'), children: [2, 5] },
        { id: 2, callFrame: frame('outer'), children: [3] },
        { id: 3, callFrame: frame('inner'), children: [4] },
        { id: 4, callFrame: frame('inner') },
        { id: 5, callFrame: frame('(idle)') },
      ],
      samples: [2, 3, 4, 5],
      timeDeltas: [1_000, 2_000, 4_000, 90_000],
    });
    expect(busyMs).toBe(7);
    expect(functions[0]).toEqual({ name: 'inner', place: 'node:x', selfMs: 6, totalMs: 6 });
    expect(functions[1]).toEqual({ name: 'outer', place: 'node:x', selfMs: 1, totalMs: 7 });
  });
});

describe('the options of the bench', () => {
  it('names every fault at once', () => {
    const parsed = parseBaselineOptions(['--runs', '0', '--backend', 'paper', '--seconds', '1', '--certificates', '5']);
    expect(parsed.kind === 'usage' ? parsed.faults.length : 0).toBe(3);
  });

  it('takes several numbers of connections, each once, and TLS', () => {
    expect(parseBaselineOptions(['--connections', '1,16,1,64', '--tls'])).toMatchObject({
      options: { connections: [1, 16, 64], isTls: true },
    });
    expect(parseBaselineOptions([])).toMatchObject({ options: { connections: [1, 16, 64], isTls: false } });
    expect(parseBaselineOptions(['--connections', '1,,2'])).toMatchObject({ kind: 'usage' });
  });

  it('takes a number of certificates in place of seconds', () => {
    const parsed = parseBaselineOptions(['--quick', '--certificates', '50', '--backend', 'pkcs11']);
    expect(parsed).toMatchObject({
      kind: 'options',
      options: { runs: 1, extent: { kind: 'certificates', certificates: 50 }, backends: ['pkcs11'] },
    });
  });
});
