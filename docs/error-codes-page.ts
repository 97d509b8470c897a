/**
 * Writes docs/error-codes.md from the closed unions in shared/issuance/errors.ts:
 * `node docs/error-codes-page.ts`. A test fails while the page is stale.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorDescriptions, violationMeanings } from '../shared/issuance/errors.ts';

export const errorCodesPage = join(import.meta.dirname, 'error-codes.md');

export function renderErrorCodes(): string {
  const errors = Object.entries(errorDescriptions)
    .sort(([codeA, a], [codeB, b]) => a.status - b.status || codeA.localeCompare(codeB))
    .map(([code, { status, title, meaning }]) => `| ${status} | \`${code}\` | ${title} | ${meaning} |`);
  const violations = Object.entries(violationMeanings)
    .sort(([codeA], [codeB]) => codeA.localeCompare(codeB))
    .map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return `# Error codes

Generated from \`shared/issuance/errors.ts\` by \`node docs/error-codes-page.ts\`. Codes are stable: a script may rely on them.

Every error is a problem document (RFC 9457, \`application/problem+json\`) with \`type\`, \`title\`, \`status\`, \`code\` and \`detail\`.
With \`Retry-After\`, the same request may be sent again after that many seconds.

| status | code | title | what it means |
|---|---|---|---|
${errors.join('\n')}

## Violations

A refused request (\`policy-refused\`) carries every reason in \`violations[]\`: \`{code, field, message, reference}\`.

| code | what it means |
|---|---|
${violations.join('\n')}
`;
}

if (import.meta.main) writeFileSync(errorCodesPage, renderErrorCodes());
