import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { SealwrightError } from '../../issuance/errors.ts';
import type { Operator, OperatorRole } from '../../issuance/issuance-record.ts';
import type { Clock, CredentialStore, OperatorLog, OperatorStore } from '../../issuance/ports.ts';
import { authenticateAny } from './callers.ts';

export interface LoggedCallerPorts {
  readonly credentials: CredentialStore;
  readonly operators: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly clock: Clock;
}

/** An operator with a role. One without it is answered 403, and it stands in the operators' log. Throws 401 errors too. */
export async function loggedOperator(
  ports: LoggedCallerPorts,
  event: APIGatewayProxyEventV2,
  role: OperatorRole,
  action: string,
  subject: string,
): Promise<Operator> {
  const caller = await authenticateAny(event, ports.credentials, ports.operators, ports.clock);
  if (caller.kind === 'device') throw new SealwrightError('credential-invalid');
  const { operator } = caller;
  if (operator.roles.includes(role)) return operator;
  await ports.operatorLog.append({ at: ports.clock(), operatorId: operator.id, action, subject, outcome: 'refused' });
  throw new SealwrightError('role-missing', { clientDetail: `the call needs the role ${role}` });
}
