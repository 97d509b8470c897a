import { routed } from '../../shared/adapters/aws-lambda/routed.ts';
import { authorityBlastRadius, valueBlastRadius } from './blast-radius.ts';
import { listCertificates, showCertificate } from './certificates.ts';
import { showRecount, startRecount } from './recounts.ts';
import { wiring } from './wiring.ts';

const wired = wiring();

/** What has been issued, and how bad it is when a key is stolen. */
export const handler = routed(wired.raise, {
  'GET /v1/authorities/{id}/blast-radius': (event) => authorityBlastRadius(wired, event),
  'GET /v1/certificates': (event) => listCertificates(wired, event),
  'GET /v1/certificates/{fingerprint}': (event) => showCertificate(wired, event),
  'GET /v1/blast-radius': (event) => valueBlastRadius(wired, event),
  'POST /v1/recounts': (event) => startRecount(wired, event),
  'GET /v1/recounts/{id}': (event) => showRecount(wired, event),
});
