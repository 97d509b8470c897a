import type { Environment } from '../../shared/adapters/stack/environment.ts';
import { processStack } from '../../shared/adapters/stack/stack.ts';
import { createAdmissionControl } from '../../shared/issuance/admission.ts';
import type { ReceiveEnrollmentPorts } from '../../shared/issuance/receive-enrollment.ts';

/**
 * What a backend is believed to sign a second before it is seen to: ACM PCA's quota of IssueCertificate for an account
 * and Region (25), less what is left to others; for keys of our own, what the slowest of them does with ease.
 */
function signedPerSecondPrior({ acmPca }: Environment, backend: string): number {
  if (backend !== 'acm-pca') return 250;
  const { issuePerSecond = 25, shareForOthers = 0 } = acmPca?.quotas ?? {};
  return issuePerSecond * (1 - shareForOthers);
}
const validatedPerSecondPrior = 500;
/** On SQS a look at a depth costs as much as a message, and is approximate anyway (docs/queues.md). */
const sqsDepthAgeMsMax = 5_000;

export function wiring() {
  const stack = processStack();
  const ports: ReceiveEnrollmentPorts = {
    ...stack,
    backends: stack.environment.backends,
    admission: createAdmissionControl({
      ...stack,
      priorPerSecond: (backend) => signedPerSecondPrior(stack.environment, backend),
      validatedPerSecondPrior,
      ...(stack.environment.stack === 'aws' ? { depthAgeMsMax: sqsDepthAgeMsMax } : {}),
    }),
    onSendFailed: (issuanceId, cause) =>
      stack.logger.warn('enrolment queue did not take an id', { issuanceId, error: cause as Error }),
  };
  return {
    ports,
    watch: stack.watch,
    credentials: stack.credentials,
    ledger: stack.ledger,
    authorities: stack.authorities,
    clock: stack.clock,
    raise: stack.raise,
  };
}
