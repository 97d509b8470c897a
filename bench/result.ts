import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import type { EndToEndRun } from './end-to-end.ts';
import type { Environment } from './environment.ts';
import { rounded, type Spread, spreadOf } from './spread.ts';
import type { Stage } from './stages/stage.ts';

/** What `npm run bench -- --json` prints; `result.schema.json` is its schema. Times and rates are of the timed parts. */
export interface BenchResult {
  readonly bench: 'baseline';
  readonly version: 2;
  readonly environment: Environment;
  readonly settings: BenchSettings;
  readonly endToEnd: readonly BackendResult[];
  /** Null when stages were not asked for. */
  readonly stages: StagesResult | null;
  /** Backends left out, and why. */
  readonly skipped: readonly { readonly backend: BackendKind; readonly reason: string }[];
  /** Medians, by backend: at 16 connections where that was measured, else at the number said last. */
  readonly certificatesPerSecond: Readonly<Record<string, number>>;
  readonly cpuMsPerCertificate: Readonly<Record<string, number>>;
  /** Median of each run's p50 at one connection, by backend; empty where that was not measured. */
  readonly loneEnrolmentMs: Readonly<Record<string, number>>;
}

export interface BenchSettings {
  readonly runs: number;
  readonly connections: readonly number[];
  readonly tls: boolean;
  readonly warmUp: number;
  /** One of the two. */
  readonly seconds: number | null;
  readonly certificates: number | null;
}

export interface BackendResult {
  readonly backend: BackendKind;
  readonly connections: number;
  readonly profile: string;
  readonly runs: readonly RunResult[];
  readonly spread: {
    readonly certificatesPerSecond: Spread;
    /** Null where the kernel does not say. */
    readonly cpuMsPerCertificate: Spread | null;
    readonly latencyMsP50: Spread;
    readonly latencyMsP99: Spread;
  };
}

export interface RunResult {
  /** Answered with a certificate, and with anything else. */
  readonly certificates: number;
  readonly others: number;
  readonly seconds: number;
  readonly certificatesPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** Of all processes of the server together; null where the kernel does not say. */
  readonly cpuMsPerCertificate: number | null;
  readonly processes: readonly ProcessResult[];
  readonly clientCpuMsPerCertificate: number;
  /** Answers whose signature, key and names were verified. */
  readonly verified: number;
  /** Issued records found in the ledger afterwards. */
  readonly recorded: number;
  /** Verified and recorded every one, and nothing else answered. */
  readonly sound: boolean;
  readonly faults: Readonly<Record<string, number>>;
}

export interface ProcessResult {
  readonly name: string;
  readonly cpuMsPerCertificate: number;
  readonly mainThreadCpuMsPerCertificate: number;
  readonly rssMaxBytes: number;
}

export interface StagesResult {
  readonly iterations: number;
  readonly stages: readonly StageResult[];
  /** The stages of one backend against its CPU end to end: what is left is waiting, batching, garbage, and the ACM PCA client. */
  readonly byBackend: readonly {
    readonly backend: BackendKind;
    readonly stagesUs: number;
    readonly endToEndUs: number;
    readonly remainderUs: number;
  }[];
}

export interface StageResult extends Stage {
  readonly cpuUsPerCertificate: number;
  /** Of the sum of the stages of its backend; of a stage that all have, of the first backend's in the list. */
  readonly share: number;
}

export function runResult(run: EndToEndRun): RunResult {
  const { load, verified, recorded, faults } = run;
  const { answered, certificates, latencyMs, seconds, usage } = load;
  const each = (ms: number) => rounded(ms / Math.max(1, certificates), 4);
  return {
    certificates,
    others: answered - certificates,
    seconds: rounded(seconds, 3),
    certificatesPerSecond: rounded(certificates / seconds, 1),
    latencyMs: { p50: rounded(latencyMs.p50, 2), p99: rounded(latencyMs.p99, 2) },
    cpuMsPerCertificate: usage.length === 0 ? null : each(usage.reduce((sum, { cpuMs }) => sum + cpuMs, 0)),
    processes: usage.map(({ cpuMs, mainThreadCpuMs, name, rssMaxBytes }) => ({
      name,
      cpuMsPerCertificate: each(cpuMs),
      mainThreadCpuMsPerCertificate: each(mainThreadCpuMs),
      rssMaxBytes,
    })),
    clientCpuMsPerCertificate: each(load.clientCpuMs),
    verified,
    recorded,
    sound: verified === certificates && recorded === certificates && answered === certificates && certificates > 0,
    faults,
  };
}

/** Throws for a backend without runs. */
export function backendResult(backend: BackendKind, connections: number, runs: readonly EndToEndRun[]): BackendResult {
  const results = runs.map(runResult);
  const cpu = results.flatMap(({ cpuMsPerCertificate }) => (cpuMsPerCertificate === null ? [] : [cpuMsPerCertificate]));
  const spread = (values: readonly number[]): Spread => {
    const found = spreadOf(values);
    if (found === undefined) throw new Error(`no run of ${backend}`);
    return found;
  };
  return {
    backend,
    connections,
    profile: runs[0]!.profile,
    runs: results,
    spread: {
      certificatesPerSecond: spread(results.map((run) => run.certificatesPerSecond)),
      cpuMsPerCertificate: spreadOf(cpu) ?? null,
      latencyMsP50: spread(results.map(({ latencyMs }) => latencyMs.p50)),
      latencyMsP99: spread(results.map(({ latencyMs }) => latencyMs.p99)),
    },
  };
}

/** `endToEnd` may be empty: then nothing is said of a remainder. */
export function stagesResult(
  stages: readonly Stage[],
  iterations: number,
  endToEnd: readonly BackendResult[],
): StagesResult {
  const perCertificate = ({ cpuUsPerCall, timesPerCertificate }: Stage) => cpuUsPerCall * timesPerCertificate;
  const sumOf = (backend: BackendKind | undefined) =>
    stages
      .filter((stage) => stage.backend === undefined || stage.backend === backend)
      .reduce((sum, stage) => sum + perCertificate(stage), 0);
  const first = stages.find(({ backend }) => backend !== undefined)?.backend;
  return {
    iterations,
    stages: stages.map((stage) => ({
      ...stage,
      cpuUsPerCall: rounded(stage.cpuUsPerCall, 1),
      cpuUsPerCertificate: rounded(perCertificate(stage), 1),
      share: rounded(perCertificate(stage) / sumOf(stage.backend ?? first), 4),
    })),
    byBackend: referenceOf(endToEnd).flatMap(({ backend, spread }) => {
      if (spread.cpuMsPerCertificate === null) return [];
      const endToEndUs = spread.cpuMsPerCertificate.median * 1000;
      const stagesUs = sumOf(backend);
      return [
        {
          backend,
          stagesUs: rounded(stagesUs, 1),
          endToEndUs: rounded(endToEndUs, 1),
          remainderUs: rounded(endToEndUs - stagesUs, 1),
        },
      ];
    }),
  };
}

const referenceConnections = 16;

/** Of each backend the one result that stands for it. */
function referenceOf(endToEnd: readonly BackendResult[]): readonly BackendResult[] {
  return [...new Set(endToEnd.map(({ backend }) => backend))].map((backend) => {
    const own = endToEnd.filter((one) => one.backend === backend);
    return own.find(({ connections }) => connections === referenceConnections) ?? own.at(-1)!;
  });
}

export function benchResult(
  parts: Omit<BenchResult, 'bench' | 'version' | 'certificatesPerSecond' | 'cpuMsPerCertificate' | 'loneEnrolmentMs'>,
): BenchResult {
  const reference = referenceOf(parts.endToEnd);
  const lone = parts.endToEnd.filter(({ connections }) => connections === 1);
  return {
    bench: 'baseline',
    version: 2,
    ...parts,
    certificatesPerSecond: Object.fromEntries(
      reference.map(({ backend, spread }) => [backend, spread.certificatesPerSecond.median]),
    ),
    cpuMsPerCertificate: Object.fromEntries(
      reference.flatMap(({ backend, spread }) =>
        spread.cpuMsPerCertificate === null ? [] : [[backend, spread.cpuMsPerCertificate.median]],
      ),
    ),
    loneEnrolmentMs: Object.fromEntries(lone.map(({ backend, spread }) => [backend, spread.latencyMsP50.median])),
  };
}

/** Whether every run issued, verified and recorded all of its certificates. */
export function isSound(result: BenchResult): boolean {
  return result.endToEnd.length > 0 && result.endToEnd.every(({ runs }) => runs.every(({ sound }) => sound));
}
