/** One call of an operation, through its quota and through what the switches have in store for it. */
import type { Endpoint } from './endpoint.ts';
import { AwsError, refuse } from './errors.ts';
import type { OperationName } from './model/inputs.ts';
import { runOperation } from './operations/index.ts';
import type { FailureRule } from './switches.ts';

/** Waits; false when the endpoint began to close meanwhile, and nothing may be started any more. */
async function pause(endpoint: Endpoint, delayMs: number | undefined): Promise<boolean> {
  if (delayMs === undefined || delayMs === 0) return true;
  await endpoint.sleep(delayMs, endpoint.closing);
  return !endpoint.closing.aborted;
}

function failBy({ answer }: FailureRule): undefined {
  if (answer === 'none') return undefined;
  refuse(answer, 'The emulator was told to fail this call.');
}

async function runAccepted(endpoint: Endpoint, operation: OperationName, parse: () => unknown) {
  const { switches } = endpoint;
  const { beforeMs, afterMs } = switches.delayOf(operation);
  const failure = switches.drawFailure(operation);
  if (!(await pause(endpoint, beforeMs))) return undefined;
  if (failure?.when === 'before') return failBy(failure);
  const [outcome] = await Promise.allSettled([(async () => runOperation(endpoint, operation, parse()))()]);
  if (!(await pause(endpoint, afterMs))) return undefined;
  if (failure !== undefined) return failBy(failure);
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

/**
 * Runs the operation on the body that `parse` gives. Undefined: the connection is to be closed without an answer. Throws
 * AwsError for every refusal; ThrottlingException, before anything else is looked at, beyond the quota.
 */
export async function runCall(
  endpoint: Endpoint,
  operation: OperationName,
  parse: () => unknown,
): Promise<object | undefined> {
  const { quotas, statistics } = endpoint;
  if (!quotas.take(operation)) {
    statistics.add(operation, 'throttled');
    refuse('ThrottlingException', 'Rate exceeded');
  }
  statistics.add(operation, 'accepted');
  try {
    const payload = await runAccepted(endpoint, operation, parse);
    if (payload === undefined) statistics.add(operation, 'lost');
    return payload;
  } catch (error) {
    statistics.addError(operation, error instanceof AwsError ? error.code : 'InternalFailure');
    throw error;
  }
}
