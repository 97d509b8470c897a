/**
 * Writes the tables of docs/hierarchy.md, what stands between its marks, from the rules in shared/hierarchy:
 * `node docs/hierarchy-page.ts`. A test fails while the page is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { adviceRules } from '../shared/hierarchy/advice-rules.ts';
import { hierarchyRules } from '../shared/hierarchy/parse.ts';
import type { HierarchyRule } from '../shared/hierarchy/rule.ts';

export const hierarchyPage = join(import.meta.dirname, 'hierarchy.md');

function table(rules: readonly HierarchyRule[]): string {
  const rows = rules.map(({ code, reference }) => `| \`${code}\` | ${reference.replaceAll('|', '\\|')} |`);
  return ['| code | rests on |', '|---|---|', ...rows].join('\n');
}

/** The page with its tables made anew; the text around them is written by hand. */
export function renderHierarchyPage(page: string): string {
  const tables = { rules: table(hierarchyRules), advice: table(adviceRules) };
  return Object.entries(tables).reduce((text, [name, rendered]) => {
    const marked = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(<!-- /${name} -->)`);
    return text.replace(marked, (_, begin: string, end: string) => `${begin}\n${rendered}\n\n${end}`);
  }, page);
}

if (import.meta.main) writeFileSync(hierarchyPage, renderHierarchyPage(readFileSync(hierarchyPage, 'utf8')));
