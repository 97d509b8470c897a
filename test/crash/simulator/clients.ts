/** Clients: each has one request, posts it until it is answered 202 or refused, and sometimes once more. */
import { SealwrightError } from '../../../shared/issuance/errors.ts';
import { receiveEnrollment } from '../../../shared/issuance/receive-enrollment.ts';
import type { Host } from './hosts.ts';
import type { Kernel } from './kernel.ts';
import type { Material } from './material.ts';
import type { Plan } from './plan.ts';
import type { Ports } from './ports.ts';
import { runWork, type Work, WorldError } from './processes.ts';
import type { Redeliveries } from './redelivery.ts';

export interface ClientsParts {
  readonly kernel: Kernel;
  readonly plan: Plan;
  readonly material: Material;
  readonly host: Host;
  readonly ports: Ports;
  readonly redeliveries: Redeliveries;
  readonly trace: (text: string) => void;
}

export interface Clients {
  start(): void;
  post(client: number): void;
  /** It tries again no earlier. */
  keepBack(client: number, until: number): void;
  readonly isIdle: boolean;
  /** Issuances that a client was told of with a 202, and whose request each is. */
  readonly accepted: ReadonlyMap<string, number>;
}

const postsMax = 30;

export function createClients(parts: ClientsParts): Clients {
  const { kernel, plan, material, host, ports, redeliveries, trace } = parts;
  const { random, requests } = plan;
  const accepted = new Map<string, number>();
  const underWay = new Set<Work>();
  const states = requests.map(() => ({ backAt: 0, posts: 0, isFinished: false }));

  async function enroll(client: number, work: Work): Promise<string> {
    const { credential: caller, profile, csrDer } = requests[client]!;
    const process = host.sandbox('enroll');
    if (process === undefined) throw new WorldError('nobody listens');
    const { credential, ...enrollPorts } = ports.enroll(process);
    const { issuanceId } = await runWork(kernel, process, work, host.timeoutMs, async () => {
      const found = await credential(material.credentials[caller].id);
      if (found === undefined) throw new WorldError('the credential is not there');
      return receiveEnrollment(enrollPorts, found, profile, csrDer);
    });
    return issuanceId;
  }

  function post(client: number): void {
    const state = states[client]!;
    const { name } = requests[client]!;
    if (state.posts >= postsMax) return;
    state.posts += 1;
    const work: Work = { role: 'enroll', issuanceIds: [], client };
    const overlapping = new Set([...underWay].map((one) => String(one.client)));
    underWay.add(work);
    redeliveries.began('enroll', [String(client)], overlapping);
    enroll(client, work)
      .finally(() => underWay.delete(work))
      .then(
        (issuanceId) => {
          trace(`  client ${name}: 202`);
          accepted.set(issuanceId, client);
          state.isFinished = true;
          if (random.chance(plan.repostChance)) kernel.after(random.between(1, 90_000), () => post(client), 'owed');
        },
        (cause: unknown) => {
          trace(`  client ${name}: ${String(cause)}`);
          if (cause instanceof SealwrightError && cause.code === 'policy-refused') state.isFinished = true;
          else tryAgain(client);
        },
      );
  }

  function tryAgain(client: number): void {
    const state = states[client]!;
    const waitMs = Math.max(random.between(1_000, 60_000), state.backAt - kernel.now);
    const retry = () => {
      if (!state.isFinished) post(client);
    };
    kernel.after(waitMs, retry, 'owed');
  }

  return {
    accepted,
    post,
    keepBack(client, until) {
      states[client]!.backAt = Math.max(states[client]!.backAt, until);
    },
    start() {
      const spreadMs = random.pick([20, 20_000]);
      requests.forEach((_, client) => {
        kernel.after(random.between(0, spreadMs), () => post(client), 'owed');
        if (random.chance(0.1)) kernel.after(random.between(0, spreadMs), () => post(client), 'owed');
      });
    },
    get isIdle() {
      return underWay.size === 0;
    },
  };
}
