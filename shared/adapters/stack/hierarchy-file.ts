import { readFileSync } from 'node:fs';
import type { Hierarchy } from '../../hierarchy/hierarchy.ts';
import { parseHierarchy } from '../../hierarchy/hierarchy.ts';

export class HierarchyError extends Error {
  readonly code = 'hierarchy-invalid';
}

/** Reads hierarchy.yaml. Throws `HierarchyError` whose message lists every fault with its line. */
export function readHierarchy(file: string): Hierarchy {
  const result = parseHierarchy(readFileSync(file, 'utf8'));
  if (result.ok) return result.hierarchy;
  const faults = result.faults.map(
    ({ line, column, message, code }) => `  ${file}:${line}:${column}  ${message}  (${code})`,
  );
  throw new HierarchyError(
    `the hierarchy is refused, ${faults.length === 1 ? 'for one fault' : `for ${faults.length} faults`}:\n${faults.join('\n')}`,
  );
}
