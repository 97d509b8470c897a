import { relative } from 'node:path';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';
import ClosingLineReporter from '../../test/support/closing-line-reporter.ts';
import type { EmulatorName } from './emulators.ts';
import { projectDir } from './install.ts';
import type { LanePlan } from './lanes.ts';

/**
 * Says how many tests ran on which emulator of which version, then what was left out and why, and closes with
 * `N passed, N failed, N skipped`. Without a lane (vitest run by hand) only the closing line.
 */
export default class LaneReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const text = process.env.SEALWRIGHT_TEST_LANE;
    const plan = text === undefined ? undefined : (JSON.parse(text) as LanePlan);
    if (plan !== undefined) setImmediate(() => process.stdout.write(tableOf(plan, modules)));
    new ClosingLineReporter(plan?.left.length ?? 0).onTestRunEnd(modules, unhandledErrors);
  }
}

function tableOf(plan: LanePlan, modules: readonly TestModule[]): string {
  const counts = new Map<string, { files: number; passed: number; failed: number; skipped: number }>();
  for (const module of modules) {
    const file = relative(projectDir, module.moduleId);
    const needs = plan.run.find((one) => one.file === file)?.needs ?? [];
    const title = titleOf(needs, plan);
    const count = counts.get(title) ?? { files: 0, passed: 0, failed: 0, skipped: 0 };
    counts.set(title, count);
    count.files += 1;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed' || state === 'failed' || state === 'skipped') count[state] += 1;
    }
  }
  const lines = [...counts].map(
    ([title, { files, passed, failed, skipped }]) =>
      `on ${title}: ran ${passed + failed} tests of ${files} files: passed ${passed}, failed ${failed}, skipped ${skipped}\n`,
  );
  const left = plan.left.map(({ file, reason }) => `skipped: ${file}: ${reason}\n`);
  return [...lines, ...left].join('');
}

/** DynamoDB Local's title names the LocalStack that it runs in. */
function titleOf(needs: readonly EmulatorName[], { titles }: LanePlan): string {
  const named = needs.includes('dynamodb') ? needs.filter((name) => name !== 'localstack') : needs;
  return named.map((name) => titles[name] ?? name).join(' + ');
}
