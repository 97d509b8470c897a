import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { hierarchyPage, renderHierarchyPage } from '../../docs/hierarchy-page.ts';
import { adviceRules } from '../../shared/hierarchy/advice-rules.ts';
import { hierarchyRules } from '../../shared/hierarchy/parse.ts';

it('has a page whose tables are the rules of a hierarchy: node docs/hierarchy-page.ts', () => {
  const page = readFileSync(hierarchyPage, 'utf8');
  expect(page).toBe(renderHierarchyPage(page));
  for (const { code } of [...hierarchyRules, ...adviceRules]) expect(page).toContain(`| \`${code}\` |`);
});
