import { processStack } from '../../shared/adapters/stack/stack.ts';
import { publishedPrices } from '../../shared/inventory/prices.ts';
import type { RaiseAlarm } from '../../shared/issuance/alarms.ts';
import type { OperatorStore } from '../../shared/issuance/ports.ts';
import type { ReportCustodyPorts } from '../../shared/issuance/report-custody.ts';
import { createBackends } from '../signer/backends.ts';

export interface CustodyWiring extends ReportCustodyPorts {
  readonly operators: OperatorStore;
  readonly raise: RaiseAlarm;
}

export function raiseOfProcess(): RaiseAlarm {
  return processStack().raise;
}

export async function wiring(): Promise<CustodyWiring> {
  const stack = processStack();
  const backendOf = await createBackends(stack);
  return {
    ...stack,
    prices: publishedPrices,
    // One PIN, of the issuance tier, is here: no other token is shown it.
    evidenceOf: (issuer) => (issuer.backend === 'pkcs11' && issuer.tier !== 'issuance' ? undefined : backendOf(issuer)),
  };
}
