import { findAuthority, type Hierarchy } from '../hierarchy/hierarchy.ts';
import { SealwrightError } from './errors.ts';
import type { AuthorityFence, AuthorityRegistry, Clock, OperatorLog } from './ports.ts';

export interface FreezeAuthorityPorts {
  readonly registry: Pick<AuthorityRegistry, 'fenceOf' | 'list' | 'setFrozen'>;
  readonly hierarchy: Hierarchy;
  readonly operatorLog: OperatorLog;
  readonly clock: Clock;
}

export interface FreezeOutcome {
  readonly fence: AuthorityFence;
  /** False when it stood so already: who and when are those of the first. */
  readonly changed: boolean;
}

/**
 * Stops a CA: the transaction of `intended` reads the fence, so that no intent passes once this has answered. Freezing again
 * keeps the first operator's name, since that one may not unfreeze. Throws `not-found` for a CA that nobody knows.
 */
export async function freezeAuthority(
  ports: FreezeAuthorityPorts,
  operatorId: string,
  caId: string,
): Promise<FreezeOutcome> {
  await requireAuthority(ports, operatorId, caId, 'hierarchy:freeze');
  const fence = await ports.registry.fenceOf(caId);
  if (fence?.frozen) return { fence, changed: false };
  return change(ports, operatorId, caId, true);
}

/** Lets a CA issue again. Throws `second-operator-needed` to the operator who froze it; `not-found`. */
export async function unfreezeAuthority(
  ports: FreezeAuthorityPorts,
  operatorId: string,
  caId: string,
): Promise<FreezeOutcome> {
  await requireAuthority(ports, operatorId, caId, 'hierarchy:unfreeze');
  const fence = await ports.registry.fenceOf(caId);
  if (!fence?.frozen) return { fence: fence ?? { frozen: false, at: ports.clock(), by: operatorId }, changed: false };
  if (fence.by === operatorId) {
    await note(ports, operatorId, caId, 'hierarchy:unfreeze', 'refused');
    throw new SealwrightError('second-operator-needed', {
      clientDetail: 'this operator froze the CA: a second operator unfreezes it',
    });
  }
  return change(ports, operatorId, caId, false);
}

async function change(ports: FreezeAuthorityPorts, by: string, caId: string, frozen: boolean): Promise<FreezeOutcome> {
  const fence = { frozen, at: ports.clock(), by };
  await ports.registry.setFrozen(caId, frozen, fence.at, by);
  await note(ports, by, caId, frozen ? 'hierarchy:freeze' : 'hierarchy:unfreeze', 'done');
  return { fence, changed: true };
}

async function requireAuthority(ports: FreezeAuthorityPorts, operatorId: string, caId: string, action: string) {
  if (findAuthority(ports.hierarchy, caId) !== undefined) return;
  if ((await ports.registry.list()).some((one) => one.caId === caId)) return;
  await note(ports, operatorId, 'authority', action, 'refused');
  throw new SealwrightError('not-found', { clientDetail: 'there is no CA of this id' });
}

function note(
  ports: FreezeAuthorityPorts,
  operatorId: string,
  subject: string,
  action: string,
  outcome: 'done' | 'refused',
): Promise<void> {
  return ports.operatorLog.append({ at: ports.clock(), operatorId, action, subject, outcome });
}
