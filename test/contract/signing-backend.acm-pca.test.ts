import { openEndpointBackend } from '../support/acm-pca-backend.ts';
import { signingBackendContract } from './signing-backend-suite.ts';

const evidence = {
  source: 'emulator',
  model: 'managed-ca',
  securityLevel: 0,
  keyAlgorithm: 'EC_prime256v1',
  attributes: false,
  module: false,
} as const;

signingBackendContract(
  { name: 'ACM PCA, local endpoint', certificateComes: 'by-collect', repetition: 'same-certificate', evidence },
  async () => {
    const { endpoint, backend, issuer, prepare, remove, restore } = await openEndpointBackend();
    const issuerDer = issuer.certificateDer;
    return { backend, issuerDer, now: endpoint.now, prepare, key: { remove, restore }, close: endpoint.dispose };
  },
);
