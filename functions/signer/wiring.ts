import { randomBytes } from 'node:crypto';
import { createThrowawaySigners } from '../../shared/adapters/software/throwaway.ts';
import { processStack } from '../../shared/adapters/stack/stack.ts';
import { createCrlShards } from '../../shared/issuance/crl-shards.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import type { IssueCertificatePorts, SignerReport } from '../../shared/issuance/signer-ports.ts';
import { createBackends } from './backends.ts';

type Logger = ReturnType<typeof processStack>['logger'];

/** What a person has to look at goes to the log; each message is what an alarm counts. */
function reportTo(logger: Logger): SignerReport {
  return {
    itemFailed: (issuanceId, cause) => logger.error('signing failed', { issuanceId, error: cause as Error }),
    custodyStopped: (caId, findings) => logger.error('custody stopped a CA', { caId, findings }),
    custodyUnknown: (caId, cause) => logger.error('custody of a CA is unknown', { caId, error: cause as Error }),
    misissued: (issuanceId, faults) => logger.critical('misissued', { issuanceId, faults }),
  };
}

export async function wiring(): Promise<IssueCertificatePorts> {
  const stack = processStack();
  return {
    ...stack,
    backendOf: await createBackends(stack),
    custody: createCustodyGate(stack.hierarchy, stack.clock),
    crlShards: createCrlShards(stack.ledger),
    throwaway: createThrowawaySigners(),
    random: (bytes) => randomBytes(bytes),
    report: reportTo(stack.logger),
  };
}
