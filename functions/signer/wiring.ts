import { randomBytes } from 'node:crypto';
import { createThrowawaySignatures } from '../../shared/adapters/software/throwaway.ts';
import { processStack } from '../../shared/adapters/stack/stack.ts';
import { createCrlShards } from '../../shared/issuance/crl-shards.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import type { WorkQueue } from '../../shared/issuance/ports.ts';
import type { IssueCertificatePorts } from '../../shared/issuance/signer-ports.ts';
import { createBackends } from './backends.ts';
import { createRandomPool } from './random-pool.ts';
import { signerReport } from './report.ts';

/** Beside the ports of the use case, the queues for what has to wait for its turn. */
export interface SignerWiring extends IssueCertificatePorts {
  readonly signingQueue: (backend: string) => WorkQueue | undefined;
}

export async function wiring(): Promise<SignerWiring> {
  const stack = processStack();
  return {
    ...stack,
    backendOf: await createBackends(stack),
    custody: createCustodyGate(stack.hierarchy, stack.clock),
    crlShards: createCrlShards(stack.ledger),
    throwaway: createThrowawaySignatures(),
    random: createRandomPool(randomBytes),
    report: signerReport(stack.raise),
  };
}
