import { routed } from '../../shared/adapters/aws-lambda/routed.ts';
import { crl } from './crl.ts';
import { authority, authorityCertificate, enrollment, listAuthorities } from './routes.ts';
import { wiring } from './wiring.ts';

const stack = wiring();

/** Hands out certificates, and the CAs they chain to. */
export const handler = routed(stack.raise, {
  'GET /v1/enrollments/{issuanceId}': (event) => enrollment(stack, event),
  'GET /v1/crls/{authority}/{shard}': (event) => crl(stack, event),
  'GET /v1/authorities': () => listAuthorities(stack),
  'GET /v1/authorities/{id}': (event) => authority(stack, event),
  'GET /v1/authorities/{id}/certificate': (event) => authorityCertificate(stack, event),
});
