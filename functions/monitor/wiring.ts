import { enrolmentQueueName, processStack, signingQueueName } from '../../shared/adapters/stack/stack.ts';
import type { InspectPorts } from '../../shared/issuance/inspect.ts';
import type { WorkQueue } from '../../shared/issuance/ports.ts';

export function wiring(): InspectPorts {
  const stack = processStack();
  const queues = new Map<string, WorkQueue>([[enrolmentQueueName, stack.enrolmentQueue]]);
  for (const backend of stack.environment.backends) {
    const queue = stack.signingQueue(backend);
    if (queue !== undefined) queues.set(signingQueueName(backend), queue);
  }
  return { ...stack, queues };
}
