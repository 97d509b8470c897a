/** What a conformance case is, and how the cases are run against a target. */
import type { World } from './world.ts';

/** What a case costs on a real account: nothing, issued certificates, or CAs (and what they issue). */
export type CaseCost = 'none' | 'certificate' | 'authority';

export interface ConformanceCase {
  /** Unique, `area/what`. */
  readonly name: string;
  /** Derived from the service model, or from what the documentation says. */
  readonly source: 'model' | 'documentation';
  /** Shape and operation, or the page of the documentation. */
  readonly reference: string;
  readonly cost: CaseCost;
  /** `control`: the target has to be the local endpoint with its switches. */
  readonly needs?: 'control';
  /** Throws Nonconformity with what was seen; anything else that it throws is the suite's own failure to ask. */
  readonly run: (world: World) => Promise<void>;
}

/** The target answered other than the case says. */
export class Nonconformity extends Error {}

/** Throws Nonconformity unless `condition` holds. */
export function require(condition: boolean, saw: string): asserts condition {
  if (!condition) throw new Nonconformity(saw);
}

/** Throws Nonconformity unless both are the same JSON. */
export function requireEqual(actual: unknown, expected: unknown, what: string): void {
  const [seen, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  require(seen === wanted, `${what} is ${seen}, not ${wanted}`);
}

export interface CaseResult {
  readonly name: string;
  readonly source: ConformanceCase['source'];
  readonly reference: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What was seen instead, or why it was skipped. */
  readonly detail?: string;
}

export interface RunOptions {
  readonly allowCost: boolean;
  readonly onResult?: (result: CaseResult) => void;
}

function reasonToSkip(one: ConformanceCase, world: World, { allowCost }: RunOptions): string | undefined {
  if (one.needs === 'control' && !world.hasControl) return 'the target has no /_control';
  if (one.cost !== 'none' && !allowCost) return 'costs money on a real account: --allow-cost';
  return undefined;
}

async function outcomeOf(one: ConformanceCase, world: World): Promise<Pick<CaseResult, 'outcome' | 'detail'>> {
  try {
    await one.run(world);
    return { outcome: 'passed' };
  } catch (error) {
    return { outcome: 'failed', detail: error instanceof Error ? error.message : 'unknown error' };
  }
}

/** Runs the cases one after the other, in their order: later ones judge what earlier ones were answered. */
export async function runCases(
  cases: readonly ConformanceCase[],
  world: World,
  options: RunOptions,
): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = [];
  for (const one of cases) {
    const { name, source, reference } = one;
    const reason = reasonToSkip(one, world, options);
    const outcome =
      reason === undefined ? await outcomeOf(one, world) : { outcome: 'skipped' as const, detail: reason };
    const result = { name, source, reference, ...outcome };
    results.push(result);
    options.onResult?.(result);
  }
  return results;
}
