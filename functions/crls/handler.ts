import middy from '@middy/core';
import { type PublishedCrls, publishCrls } from '../../shared/issuance/publish-crls.ts';
import { wiring } from './wiring.ts';

const wired = wiring();

/** Every minute: publishes the CRLs that are due, or lack a certificate that was revoked, of the CAs whose CRLs are ours. */
export const handler = middy<unknown, PublishedCrls>().handler(async () => {
  const ports = await wired;
  return publishCrls(ports, (caId, cause) => ports.raise('crl-failed', { caId, error: cause as Error }));
});
