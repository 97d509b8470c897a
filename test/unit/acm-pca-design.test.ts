import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { designFolder, readDesignHierarchy, readSampleLedger, renderDesign } from '../../docs/acm-pca-design-page.ts';

const project = join(designFolder, '..');
const rendered = renderDesign(readDesignHierarchy(join(project, 'hierarchy.yaml')), readSampleLedger());

describe('docs/acm-pca-design.md', () => {
  it.each(Object.keys(rendered))(
    'has a %s that is what hierarchy and ledger say: node docs/acm-pca-design-page.ts',
    (name) => {
      expect(readFileSync(join(designFolder, name), 'utf8')).toBe(rendered[name]);
    },
  );

  it('begins with the key custody model', () => {
    expect(rendered['acm-pca-design.md']!.match(/^## .*/m)?.[0]).toBe('## 0 Key Custody Model');
  });

  it('is another one when the hierarchy or the ledger is', () => {
    const ceremony = readDesignHierarchy(join(designFolder, 'ceremony', 'hierarchy.yaml'));
    const other = renderDesign(ceremony, readSampleLedger());
    expect(other['acm-pca-design.md']).toContain('made there in a ceremony');
    expect(other['figures/hierarchy.svg']).not.toBe(rendered['figures/hierarchy.svg']);
    const { counters, ...ledger } = readSampleLedger();
    const more = Object.fromEntries(
      Object.entries(counters).map(([id, rows]) => [id, rows.map((row) => ({ ...row, issued: row.issued + 1_000 }))]),
    );
    const grown = renderDesign(ceremony, { ...ledger, counters: more });
    expect(grown['acm-pca-design.md']).not.toBe(other['acm-pca-design.md']);
    expect(grown['figures/exposure.svg']).not.toBe(other['figures/exposure.svg']);
  });
});
