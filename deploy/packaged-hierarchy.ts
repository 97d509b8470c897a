import { isDeepStrictEqual } from 'node:util';
import { readHierarchy } from '../shared/adapters/stack/hierarchy-file.ts';

/**
 * A hierarchy as the bundles have it (shared/adapters/stack/packaged-hierarchy.ts): JSON, so that no function carries a parser of
 * YAML and the rules. Throws `HierarchyError` with every fault of the file.
 */
export function packHierarchy(file: string): string {
  const hierarchy = readHierarchy(file);
  const packed = JSON.stringify(hierarchy);
  if (!isDeepStrictEqual(JSON.parse(packed), hierarchy)) throw new Error(`${file} holds what JSON cannot say`);
  return packed;
}
