import { routed } from '../../shared/adapters/aws-lambda/routed.ts';
import { listAudits, runAudits } from './audits.ts';
import { listLetters, redriveLetter, showLetter } from './dead-letters.ts';
import { freeze, unfreeze } from './freezes.ts';
import { listOrphaned, settle } from './orphans.ts';
import { create, list, release, revoke } from './routes.ts';
import { wiring } from './wiring.ts';

const wired = wiring();

/** What operators do: enrolment credentials, name holds, dead letters. */
export const handler = routed(wired.raise, {
  'POST /v1/credentials': (event) => create(wired, event),
  'GET /v1/credentials': (event) => list(wired, event),
  'DELETE /v1/credentials/{id}': (event) => revoke(wired, event),
  'DELETE /v1/names/{name}': (event) => release(wired, event),
  'GET /v1/dead-letters': (event) => listLetters(wired, event),
  'GET /v1/dead-letters/{id}': (event) => showLetter(wired, event),
  'POST /v1/dead-letters/{id}/redrive': (event) => redriveLetter(wired, event),
  'GET /v1/orphans': (event) => listOrphaned(wired, event),
  'POST /v1/orphans/{issuanceId}/settlement': (event) => settle(wired, event),
  'GET /v1/audits': (event) => listAudits(wired, event),
  'POST /v1/audits': (event) => runAudits(wired, event),
  'POST /v1/authorities/{id}/freeze': (event) => freeze(wired, event),
  'POST /v1/authorities/{id}/unfreeze': (event) => unfreeze(wired, event),
});
