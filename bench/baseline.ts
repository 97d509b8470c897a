import { existsSync, readFileSync } from 'node:fs';
import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import { benchCommand } from './command.ts';
import { type EndToEndRun, runEndToEnd } from './end-to-end.ts';
import { describeEnvironment } from './environment.ts';
import { hierarchyVariant, profileOn } from './hierarchy-variant.ts';
import { type BaselineOptions, baselineUsage, parseBaselineOptions } from './options.ts';
import { renderResult } from './report.ts';
import { type BenchResult, backendResult, benchResult, isSound, stagesResult } from './result.ts';
import { measureStages } from './stages.ts';

/** Our own figures: end to end on each backend, and the CPU of each stage. Exit status 0 when every run was sound. */
export const run = benchCommand({
  usage: baselineUsage,
  parse: parseBaselineOptions,
  measure: measureBaseline,
  render: renderResult,
  isSound,
});

async function measureBaseline(options: BaselineOptions): Promise<BenchResult> {
  const environment = describeEnvironment();
  const { extent, hierarchyFile } = options;
  const text = readFileSync(hierarchyFile, 'utf8');
  const skipped = options.backends.flatMap((backend) => {
    const reason = reasonToSkip(text, backend);
    return reason === undefined ? [] : [{ backend, reason }];
  });
  const backends = options.backends.filter((backend) => skipped.every((one) => one.backend !== backend));
  const measured = backends.flatMap((backend) =>
    options.connections.map((connections) => ({ backend, connections, runs: [] as EndToEndRun[] })),
  );
  // A B C A B C: what changes on the machine meanwhile falls on all of them.
  for (let number = 1; number <= options.runs; number++) {
    for (const { backend, connections, runs } of measured) {
      say(`run ${number} of ${options.runs}, ${backend}, ${connections} connections`);
      runs.push(await runEndToEnd({ ...options, backend, connections, variant: variantFor(text, backend) }));
    }
  }
  const endToEnd = measured.map(({ backend, connections, runs }) => backendResult(backend, connections, runs));
  if (options.stageIterations > 0) say('stages');
  const stages =
    options.stageIterations === 0
      ? undefined
      : await measureStages({ hierarchyFile, iterations: options.stageIterations, isTls: options.isTls });
  return benchResult({
    environment,
    settings: {
      runs: options.runs,
      connections: options.connections,
      tls: options.isTls,
      warmUp: options.warmUp,
      seconds: extent.kind === 'seconds' ? extent.seconds : null,
      certificates: extent.kind === 'certificates' ? extent.certificates : null,
    },
    endToEnd,
    stages: stages === undefined ? null : stagesResult(stages.stages, stages.iterations, endToEnd),
    skipped,
  });
}

/** For `software` the CA of the HSM is one in software; for the others the hierarchy is as it stands. */
function variantFor(text: string, measured: BackendKind) {
  return hierarchyVariant(text, ({ backend }) => measured === 'software' && backend === 'pkcs11');
}

function reasonToSkip(text: string, backend: BackendKind): string | undefined {
  if (profileOn(variantFor(text, backend).hierarchy, backend) === undefined)
    return 'the hierarchy has no profile with DNS names on it';
  const module = process.env.SEALWRIGHT_PKCS11_MODULE;
  if (backend === 'pkcs11' && (module === undefined || !existsSync(module)))
    return 'there is no PKCS #11 module on this machine';
  return undefined;
}

/** Progress, apart from the result. */
function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
