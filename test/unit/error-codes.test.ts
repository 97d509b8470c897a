import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { errorCodesPage, renderErrorCodes } from '../../docs/error-codes-page.ts';

it('has a page that is what the closed union says: node docs/error-codes-page.ts', () => {
  expect(readFileSync(errorCodesPage, 'utf8')).toBe(renderErrorCodes());
});
