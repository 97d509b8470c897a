import { randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSoftwareBackend } from '../../shared/adapters/software/backend.ts';
import { createSoftwareProvisioner } from '../../shared/adapters/software/provisioner.ts';
import { buildHeldAuthority, heldAuthority, heldKeyTime, newTbsIssuance } from '../support/held-key-issuance.ts';
import { signingBackendContract } from './signing-backend-suite.ts';

for (const keyAlgorithm of ['EC_prime256v1', 'RSA_2048'] as const) {
  const evidence = {
    source: 'process',
    model: 'software',
    securityLevel: 0,
    keyAlgorithm,
    attributes: false,
    module: false,
  } as const;
  signingBackendContract(
    { name: `software, ${keyAlgorithm}`, certificateComes: 'at-submit', repetition: 'same-tbs', evidence },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'sealwright keys '));
      const provisioner = createSoftwareProvisioner({ stage: 'dev', folder, random: randomBytes });
      const ca = await buildHeldAuthority(provisioner, heldAuthority('software', { keyAlgorithm }));
      const { signingAlgorithm } = ca.authority;
      const authority = { caId: ca.issuer.caId, ref: ca.ref, spkiSha256: ca.issuer.spkiSha256, signingAlgorithm };
      const file = join(folder, `${ca.ref}.pem`);
      return {
        backend: createSoftwareBackend({ stage: 'dev', folder, authority, clock: () => heldKeyTime }),
        issuerDer: ca.issuer.certificateDer,
        now: () => heldKeyTime,
        prepare: (options) => newTbsIssuance(ca, options),
        key: { remove: () => renameSync(file, `${file}.away`), restore: () => renameSync(`${file}.away`, file) },
        close: () => rmSync(folder, { recursive: true }),
      };
    },
  );
}
