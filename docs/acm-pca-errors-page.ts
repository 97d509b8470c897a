/**
 * Writes docs/acm-pca-errors.md from the rules in shared/adapters/acm-pca/service-errors.ts:
 * `node docs/acm-pca-errors-page.ts`. A test fails while the page is stale.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultAcmPcaLimits } from '../shared/adapters/acm-pca/backend.ts';
import { type ErrorRule, errorRules } from '../shared/adapters/acm-pca/service-errors.ts';
import { type AlarmName, alarms } from '../shared/issuance/alarms.ts';

export const acmPcaErrorsPage = join(import.meta.dirname, 'acm-pca-errors.md');

const refuse = '**refuse**: `failed`; acknowledged';

function onSubmit({ againNow, retryAfterMs, submit }: ErrorRule): string {
  switch (submit) {
    case 'retry':
      return `**retry**${againNow ? ' at once, then' : ':'} \`intended\`; the message comes back`;
    case 'refused':
      return refuse;
    case 'unavailable':
      return `**stop the CA** for ${retryAfterMs / 1000} s: \`intended\`; the message comes back`;
  }
}

function onCollect({ againNow, collect }: ErrorRule): string {
  switch (collect) {
    case 'pending':
      return `**defer**${againNow ? ', polled on' : ''}: \`submitted\`; the message comes back`;
    case 'failed':
      return refuse;
    case 'pending-then-failed':
      return '**defer**, polled on; when it stays so through all polls, **refuse**';
  }
}

/** The alarms of an error, as the use case raises them for the outcomes of the backend. */
export function alarmsOf({ collect, submit, throttled }: ErrorRule): readonly AlarmName[] {
  const names: AlarmName[] = [];
  if (throttled) names.push('throttled');
  if (submit === 'unavailable') names.push('backend-unavailable');
  if (submit === 'refused' || collect !== 'pending') names.push('issuance-refused');
  return names;
}

export function renderAcmPcaErrors(): string {
  const rows = errorRules.map(([error, rule]) => {
    const raised = alarmsOf(rule).map((name) => `${name} ("${alarms[name].message}")`);
    return `| ${error} | \`${rule.code}\` | ${onSubmit(rule)} | ${onCollect(rule)} | ${raised.join(', ') || 'none'} | ${rule.meaning} |`;
  });
  const { attemptsMax, callMsMax, pollDelaysMs, tokenWindowMs } = defaultAcmPcaLimits;
  return `# Errors of ACM PCA

Generated from \`shared/adapters/acm-pca/service-errors.ts\` by \`node docs/acm-pca-errors-page.ts\`. What the signer makes of each error: the
state that the issuance is then in, and what happens to its message. The code is kept in the ledger with the attempt, and with a dead letter.

- **retry** at once: up to ${attemptsMax} calls in one delivery, each with a permit of the pacing budget. A retry, now or by a later delivery, sends the stored
  intent under its own token, never a new one, and within ${tokenWindowMs / 1000} s of the intent; an intent that is older is settled by the reconciler.
- **defer**: the certificate may exist. Up to ${pollDelaysMs.length} polls in one delivery; then the message comes back and is polled for by its ARN.
- **refuse**: the issuance has failed for good; the same POST starts a new one.
- **stop the CA**: nothing of the issuance is wrong, and none of this CA can be signed. Other issuances stay \`approved\`, without an intent, and are
  sent to the queue again for when the stop is over; one of them then tries before the others follow. None of that counts as a delivery.
- A call is given up after ${callMsMax / 1000} s, its outcome unknown.
- Beyond the pacing budget nothing is called: the issuance stays \`approved\` and its id is sent again, to come when there is room (\`paced\`). It does not count
  as a delivery either. Only an intent that was begun before waits as \`intended\` (\`pca-paced\`).

| error | code | IssueCertificate | GetCertificate | alarm | what it means |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
}

if (import.meta.main) writeFileSync(acmPcaErrorsPage, renderAcmPcaErrors());
