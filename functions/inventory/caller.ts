import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { authenticateAny } from '../../shared/adapters/aws-lambda/callers.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import type { Operator } from '../../shared/issuance/issuance-record.ts';
import type { Clock, CredentialStore, OperatorLog, OperatorStore } from '../../shared/issuance/ports.ts';

export interface CallerPorts {
  readonly credentials: CredentialStore;
  readonly operators: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly clock: Clock;
}

/**
 * An operator who may read the inventory. One who may not is answered 403, and it stands in the operators' log: somebody is
 * looking around. Throws 401 errors, `role-missing`.
 */
export async function inventoryReader(
  ports: CallerPorts,
  event: APIGatewayProxyEventV2,
  action: string,
  subject: string,
): Promise<Operator> {
  const caller = await authenticateAny(event, ports.credentials, ports.operators, ports.clock);
  if (caller.kind === 'device') throw new SealwrightError('credential-invalid');
  const { operator } = caller;
  if (operator.roles.includes('inventory:read')) return operator;
  await ports.operatorLog.append({ at: ports.clock(), operatorId: operator.id, action, subject, outcome: 'refused' });
  throw new SealwrightError('role-missing', { clientDetail: 'the call needs the role inventory:read' });
}

const limitDefault = 100;
const limitMax = 1_000;

/** A whole number from 1 to 1,000. Throws `request-malformed`. */
export function limitOf(text: string | undefined): number {
  if (text === undefined) return limitDefault;
  const limit = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > limitMax)
    throw new SealwrightError('request-malformed', { clientDetail: `limit is a whole number from 1 to ${limitMax}` });
  return limit;
}
