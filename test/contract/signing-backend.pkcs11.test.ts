import { randomBytes } from 'node:crypto';
import { createPkcs11Backend } from '../../shared/adapters/pkcs11/backend.ts';
import { createPkcs11Provisioner } from '../../shared/adapters/pkcs11/provisioner.ts';
import { readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import { buildHeldAuthority, heldAuthority, heldKeyTime, newTbsIssuance } from '../support/held-key-issuance.ts';
import { newSoftHsmToken, relabelKey, softHsmMissing } from '../support/softhsm.ts';
import { signingBackendContract } from './signing-backend-suite.ts';

for (const keyAlgorithm of ['EC_prime256v1', 'RSA_2048'] as const) {
  const evidence = {
    source: 'emulator',
    model: 'self-managed-hsm',
    securityLevel: 0,
    keyAlgorithm,
    attributes: true,
    module: true,
  } as const;
  signingBackendContract(
    { name: `pkcs11 with SoftHSM, ${keyAlgorithm}`, certificateComes: 'at-submit', repetition: 'same-tbs', evidence },
    async () => {
      const tokenLabel = `contract ${keyAlgorithm}`;
      const { library, pinFile } = newSoftHsmToken(tokenLabel);
      const readPin = () => readPinFile(pinFile);
      const provisioner = createPkcs11Provisioner({ library, readPin, random: randomBytes });
      const ca = await buildHeldAuthority(provisioner, heldAuthority('pkcs11', { keyAlgorithm, tokenLabel }));
      const { signingAlgorithm, pkcs11 } = ca.authority;
      const authority = { caId: ca.issuer.caId, ref: ca.ref, spkiSha256: ca.issuer.spkiSha256, signingAlgorithm };
      const backend = createPkcs11Backend({ library, authority, readPin, clock: () => heldKeyTime });
      const key = { tokenLabel, keyLabel: pkcs11!.keyLabel };
      return {
        backend,
        issuerDer: ca.issuer.certificateDer,
        now: () => heldKeyTime,
        prepare: (options) => newTbsIssuance(ca, options),
        key: {
          // A key under another label is not there for the CA. The backend is told nothing of it.
          remove: () => {
            relabelKey(library, key, 'put aside');
            backend.close();
          },
          restore: () => relabelKey(library, { ...key, keyLabel: 'put aside' }, key.keyLabel),
        },
        close: () => {
          backend.close();
          provisioner.close();
        },
      };
    },
    softHsmMissing,
  );
}
