/**
 * Deliveries without faults, and far too many: every message comes 1 to 10 times, in no order, some of them more than six
 * minutes of virtual time later, when ACM PCA has forgotten the token of its issuance.
 */
import type { SQSEvent } from 'aws-lambda';
import { runBatch } from '../../../shared/adapters/aws-lambda/queue-batch.ts';
import { issueCertificates } from '../../../shared/issuance/issue-certificate.ts';
import { receiveEnrollment } from '../../../shared/issuance/receive-enrollment.ts';
import { sendLater } from '../../../shared/issuance/send-later.ts';
import { validateEnrollments } from '../../../shared/issuance/validate-enrollment.ts';
import { dns, newP256, requestFor } from '../../support/service.ts';
import { createAcmPca } from './acm-pca.ts';
import { createCalls } from './calls.ts';
import { createFaults } from './faults.ts';
import { createHsm } from './hsm.ts';
import { createJournal } from './journal.ts';
import { createKernel } from './kernel.ts';
import { type SampleRequest, startAt } from './material.ts';
import { createPorts, type Ports, type QueueName, queueNames } from './ports.ts';
import { createProcess } from './processes.ts';
import { createRandom, type Random } from './random.ts';
import type { Bench } from './world.ts';

const deliveriesMax = 10;
const batchSize = 10;
/** What an SQS message that failed waits for. */
const visibilityMs = 180_000;
/** A delivery comes soon, within the visibility timeout, or after the five minutes of a token. */
const delaysMs: readonly (readonly [min: number, max: number])[] = [
  [0, 5_000],
  [0, 180_000],
  [360_000, 900_000],
];
const virtualMsMax = 24 * 3_600_000;

export interface DeliveriesOutcome {
  readonly requests: number;
  readonly posts: number;
  /** Messages handed to a function, each delivery counted. */
  readonly deliveries: number;
  /** Those of them that came more than six minutes after their message was sent. */
  readonly deliveriesLate: number;
  /** Issuances by where they ended. */
  readonly states: Readonly<Record<string, number>>;
  readonly acmPca: { readonly requests: number; readonly certificates: number };
  readonly hsm: { readonly requests: number; readonly tbsCertificates: number; readonly signatures: number };
  readonly violations: readonly string[];
}

/** As many requests for each kind of backend, each with its own key and name. */
function makeRequests(count: number): readonly SampleRequest[] {
  return Array.from({ length: count }, (_, index) => {
    const [backend, profile] = index % 2 === 0 ? (['acm-pca', 'device'] as const) : (['pkcs11', 'service'] as const);
    const name = `${profile}-${index + 1}`;
    const csrDer = requestFor([dns(`${name}.fleet.example`)], newP256());
    return { name, backend, profile, csrDer, credential: 0, expected: 'issued' };
  });
}

/** Runs until every delivery was made and every issuance has come to rest. */
export async function runDeliveries(bench: Bench, count: number, seed: number): Promise<DeliveriesOutcome> {
  const { store, material, time } = bench;
  time.now = startAt;
  store.wipe();
  for (const credential of material.credentials) await store.credentials.create({ ...credential, countMax: count });
  const random = createRandom(seed, count);
  const kernel = followed(time);
  const quiet = () => undefined;
  const faults = createFaults(random, [], { chance: 0, max: 0 });
  const calls = createCalls({ kernel, random, faults, latencyMsMax: 20, trace: quiet, onTarget: quiet });
  const journal = createJournal(store.look);
  const behaviour = {
    issueDelayMs: [0, 15_000] as const,
    brownoutCalls: 0,
    brownoutPolls: 0,
    failing: new Set<number>(),
    misissuing: new Set<number>(),
  };
  const pca = createAcmPca({ kernel, random, calls, key: material.devices, journal, behaviour });
  const hsm = createHsm({ kernel, random, calls, key: material.workloads, journal, busyCalls: 0 });
  const onSent = (queue: QueueName) => void deliveries.take(queue);
  const ports = createPorts({
    kernel,
    random,
    calls,
    material,
    store,
    pca,
    hsm,
    mistake: undefined,
    trace: quiet,
    onSent,
  });
  const deliveries = createDeliveries(bench, kernel, random, ports);
  const requests = makeRequests(count);
  const client = createProcess('clients', true);
  let posts = 0;
  let underWay = 0;
  for (const [index, { csrDer, profile }] of requests.entries()) {
    const post = async () => {
      posts += 1;
      underWay += 1;
      const { credential, ...enroll } = ports.enroll(client);
      const found = await credential(material.credentials[0].id);
      await receiveEnrollment(enroll, found!, profile, csrDer);
      underWay -= 1;
    };
    // Twenty a second, below the quota of ACM PCA, and some are posted again.
    for (let repeat = random.between(1, 3); repeat > 0; repeat--)
      kernel.after(index * 50 + (repeat === 1 ? 0 : random.between(0, 600_000)), () => void post(), 'owed');
  }
  const isOver = () => kernel.owed === 0 && underWay === 0 && deliveries.isIdle && store.look.queued() === 0;
  const ended = await kernel.run(isOver, startAt + virtualMsMax);
  const violations = [...journal.violations, ...(ended === 'over' ? [] : [`did not come to rest: ${ended}`])];
  const of = (backend: SampleRequest['backend']) => requests.filter((request) => request.backend === backend).length;
  return {
    requests: count,
    posts,
    deliveries: deliveries.counts.all,
    deliveriesLate: deliveries.counts.late,
    states: statesOf(bench),
    acmPca: { requests: of('acm-pca'), certificates: journal.certificates.length },
    hsm: {
      requests: of('pkcs11'),
      tbsCertificates: new Set(journal.signatures.map(({ tbsSha256 }) => tbsSha256)).size,
      signatures: journal.signatures.length,
    },
    violations,
  };
}

/** The store's clock goes with the kernel's. */
function followed(time: { now: number }) {
  const kernel = createKernel(startAt);
  const after: typeof kernel.after = (delayMs, run, kind) => {
    kernel.after(
      delayMs,
      () => {
        time.now = kernel.now;
        return run();
      },
      kind,
    );
  };
  return {
    get now() {
      return kernel.now;
    },
    get owed() {
      return kernel.owed;
    },
    run: kernel.run,
    after,
  };
}

function statesOf({ store }: Bench): Readonly<Record<string, number>> {
  const rows = store.database.prepare('SELECT state, count(*) AS n FROM issuances GROUP BY state ORDER BY state').all();
  return Object.fromEntries(rows.map(({ n, state }) => [state as string, n as number]));
}

/** Takes what is sent off its queue, and hands it to its function as often and whenever it likes. */
function createDeliveries({ store }: Bench, kernel: ReturnType<typeof followed>, random: Random, ports: Ports) {
  const lambda = createProcess('lambda', true);
  const due = new Map<QueueName, { readonly body: string; readonly sentAt: number }[]>();
  const sentBefore = new Set<string>();
  const counts = { all: 0, late: 0 };
  let underWay = 0;
  let messages = 0;

  function plan(queue: QueueName, body: string, delayMs: number): void {
    const sentAt = kernel.now;
    const deliver = () => {
      const waiting = due.get(queue) ?? [];
      due.set(queue, waiting);
      waiting.push({ body, sentAt });
      // Whatever comes within a tenth of a second is one batch, or several.
      if (waiting.length === 1) kernel.after(100, () => flush(queue), 'owed');
    };
    kernel.after(delayMs, deliver, 'owed');
  }

  function flush(queue: QueueName): void {
    const waiting = due.get(queue)!.splice(0);
    while (waiting.length > 0) {
      const batch = Array.from({ length: Math.min(batchSize, waiting.length) }, () => {
        return waiting.splice(random.between(0, waiting.length - 1), 1)[0]!;
      });
      counts.all += batch.length;
      counts.late += batch.filter(({ sentAt }) => kernel.now - sentAt > 360_000).length;
      void hand(
        queue,
        batch.map(({ body }) => body),
      );
    }
  }

  async function hand(queue: QueueName, bodies: readonly string[]): Promise<void> {
    underWay += 1;
    const records = bodies.map((body) => ({ messageId: `m-${++messages}`, body }));
    const event = { Records: records } as unknown as SQSEvent;
    const { batchItemFailures } = await runBatch(event, (ids) => handle(queue, ids));
    for (const { itemIdentifier } of batchItemFailures)
      plan(queue, records.find(({ messageId }) => messageId === itemIdentifier)!.body, visibilityMs);
    underWay -= 1;
  }

  async function handle(queue: QueueName, ids: readonly string[]) {
    if (queue === queueNames.enrolment) return validateEnrollments(ports.validate(lambda), ids);
    const signing = ports.sign(lambda, queue === queueNames.pkcs11 ? 'sign-hsm' : 'sign-pca');
    return sendLater(signing, await issueCertificates(signing, ids));
  }

  return {
    counts,
    get isIdle() {
      return underWay === 0;
    },
    async take(queue: QueueName): Promise<void> {
      underWay += 1;
      const source = store.queue(queue);
      const next = store.look.visibleNext(queue);
      // What was sent to come later is taken when it is time, and comes once: it is what waited for its turn.
      if (next !== undefined && next > kernel.now) kernel.after(next - kernel.now, () => void this.take(queue), 'owed');
      const taken = await source.receive({ countMax: 1_000, visibilityMs, waitMsMax: 0 });
      await source.acknowledge(taken.map(({ receipt }) => receipt));
      for (const { body } of taken) {
        const isFirst = !sentBefore.has(`${queue} ${body}`);
        sentBefore.add(`${queue} ${body}`);
        const times = isFirst ? random.between(1, deliveriesMax) : 1;
        for (let n = 0; n < times; n++) plan(queue, body, isFirst ? random.between(...random.pick(delaysMs)) : 0);
      }
      underWay -= 1;
    },
  };
}
