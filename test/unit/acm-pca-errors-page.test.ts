import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { acmPcaErrorsPage, renderAcmPcaErrors } from '../../docs/acm-pca-errors-page.ts';

it('has a page that is what the rules for errors of ACM PCA say: node docs/acm-pca-errors-page.ts', () => {
  expect(readFileSync(acmPcaErrorsPage, 'utf8')).toBe(renderAcmPcaErrors());
});
