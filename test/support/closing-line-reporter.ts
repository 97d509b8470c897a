import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

interface Tally {
  passed: number;
  failed: number;
  readonly skips: { readonly name: string; readonly reason: string }[];
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  if (result.state === 'skipped' && result.note !== undefined && result.note !== '') return result.note;
  const suite = test.parent;
  if (suite.type === 'suite' && suite.state() === 'failed') return 'its suite failed before it';
  return 'skipped without a reason';
}

function count(tally: Tally, test: TestCase): void {
  const { state } = test.result();
  if (state === 'passed') tally.passed += 1;
  else if (state === 'failed') tally.failed += 1;
  else tally.skips.push({ name: test.fullName, reason: reasonOf(test) });
}

/**
 * Prints every skipped test with its reason, then, as the last line, `N passed, N failed, N skipped`. A file that does
 * not load and an error outside every test each count as one failure.
 */
export default class ClosingLineReporter implements Reporter {
  readonly #leftOut: number;
  /** `leftOut`: files that were not even begun, each counted as one skip. */
  constructor(leftOut?: unknown) {
    this.#leftOut = typeof leftOut === 'number' ? leftOut : 0;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const tally: Tally = { passed: 0, failed: unhandledErrors.length, skips: [] };
    for (const module of modules) {
      for (const test of module.children.allTests()) count(tally, test);
      const suiteErrors = [...module.children.allSuites()].flatMap((suite) => suite.errors()).length;
      tally.failed += module.errors().length + suiteErrors;
    }
    // The default reporter writes its summary at the same event; this line is to be the last one.
    setImmediate(() => {
      for (const { name, reason } of tally.skips) process.stdout.write(`skipped: ${name}: ${reason}\n`);
      process.stdout.write(
        `${tally.passed} passed, ${tally.failed} failed, ${tally.skips.length + this.#leftOut} skipped\n`,
      );
    });
  }
}
