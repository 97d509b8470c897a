/**
 * Writes docs/acm-pca-design.md and its figures from hierarchy.yaml and the counters of a ledger: `node
 * docs/acm-pca-design-page.ts`. With `--hierarchy FILE --state DIR --out DIR` from your own hierarchy and the ledger of a
 * state folder. A test fails while what is in the project is stale.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Hierarchy, parseHierarchy } from '../shared/hierarchy/hierarchy.ts';
import type { CounterRow } from '../shared/issuance/ports.ts';
import { exposureFigure, hierarchyFigure, validityFigure } from './acm-pca-design-figures.ts';
import { designText } from './acm-pca-design-text.ts';

export interface LedgerCounters {
  readonly asOf: string;
  readonly note?: string;
  /** By CA, as a ledger keeps them. */
  readonly counters: Readonly<Record<string, readonly CounterRow[]>>;
}

export const designFolder = import.meta.dirname;

/** File names relative to the folder, and what belongs into them. */
export function renderDesign(hierarchy: Hierarchy, ledger: LedgerCounters): Readonly<Record<string, string>> {
  const at = Date.parse(ledger.asOf);
  return {
    'acm-pca-design.md': designText(hierarchy, ledger.counters, at, ledger.note),
    'figures/hierarchy.svg': hierarchyFigure(hierarchy),
    'figures/validity.svg': validityFigure(hierarchy, at),
    'figures/exposure.svg': exposureFigure(ledger.counters, at),
  };
}

export function readDesignHierarchy(file: string): Hierarchy {
  const reading = parseHierarchy(readFileSync(file, 'utf8'));
  if (!reading.ok)
    throw new Error(`${file} has ${reading.faults.length} faults: npx sealwright hierarchy plan lists them`);
  return reading.hierarchy;
}

export function readSampleLedger(): LedgerCounters {
  return JSON.parse(readFileSync(join(designFolder, 'acm-pca-design.ledger.json'), 'utf8')) as LedgerCounters;
}

async function readLedger(stateDir: string, hierarchy: Hierarchy): Promise<LedgerCounters> {
  const { openSqliteReader } = await import('../shared/adapters/sqlite/reader.ts');
  const reader = openSqliteReader(join(stateDir, 'ledger.sqlite'));
  try {
    const issuing = hierarchy.authorities.filter(({ tier }) => tier === 'issuance');
    const counters = Object.fromEntries(issuing.map(({ id }) => [id, reader.counters(id)]));
    return { asOf: `${new Date().toISOString().slice(0, 19)}Z`, counters };
  } finally {
    reader.close();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { hierarchy: { type: 'string' }, state: { type: 'string' }, out: { type: 'string' } },
  });
  const hierarchy = readDesignHierarchy(values.hierarchy ?? join(designFolder, '..', 'hierarchy.yaml'));
  const ledger = values.state === undefined ? readSampleLedger() : await readLedger(values.state, hierarchy);
  for (const [name, content] of Object.entries(renderDesign(hierarchy, ledger))) {
    const file = join(values.out ?? designFolder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}
