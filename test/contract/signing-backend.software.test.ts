import { randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSoftwareBackend } from '../../shared/adapters/software/backend.ts';
import { createSoftwareProvisioner } from '../../shared/adapters/software/provisioner.ts';
import { runningCryptoThreads } from '../support/crypto-threads.ts';
import { buildHeldAuthority, heldAuthority, heldKeyTime, newTbsIssuance } from '../support/held-key-issuance.ts';
import { signingBackendContract } from './signing-backend-suite.ts';

const variants = [
  ['EC_prime256v1', 'itself'],
  ['RSA_2048', 'itself'],
  ['EC_prime256v1', 'a thread'],
] as const;
for (const [keyAlgorithm, signedBy] of variants) {
  const evidence = {
    source: 'process',
    model: 'software',
    securityLevel: 0,
    keyAlgorithm,
    attributes: false,
    module: false,
  } as const;
  signingBackendContract(
    {
      name: `software, ${keyAlgorithm}, signed by ${signedBy}`,
      certificateComes: 'at-submit',
      repetition: 'same-tbs',
      evidence,
    },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'sealwright keys '));
      const provisioner = createSoftwareProvisioner({ stage: 'dev', folder, random: randomBytes });
      const ca = await buildHeldAuthority(provisioner, heldAuthority('software', { keyAlgorithm }));
      const { signingAlgorithm } = ca.authority;
      const authority = { caId: ca.issuer.caId, ref: ca.ref, spkiSha256: ca.issuer.spkiSha256, signingAlgorithm };
      const file = join(folder, `${ca.ref}.pem`);
      const options = { stage: 'dev', folder, authority, clock: () => heldKeyTime } as const;
      const thread = signedBy === 'a thread' ? await runningCryptoThreads() : undefined;
      return {
        backend: createSoftwareBackend(thread === undefined ? options : { ...options, sign: thread.sign }),
        issuerDer: ca.issuer.certificateDer,
        now: () => heldKeyTime,
        prepare: (options) => newTbsIssuance(ca, options),
        key: { remove: () => renameSync(file, `${file}.away`), restore: () => renameSync(`${file}.away`, file) },
        async close() {
          await thread?.close();
          rmSync(folder, { recursive: true });
        },
      };
    },
  );
}
