/** One schedule: the pipeline over its real use cases, in virtual time, until everything has come to rest. */
import { issueCertificates } from '../../../shared/issuance/issue-certificate.ts';
import { sendLater } from '../../../shared/issuance/send-later.ts';
import { tokenReuseMsMax } from '../../../shared/issuance/signer-ports.ts';
import { validateEnrollments } from '../../../shared/issuance/validate-enrollment.ts';
import { createAcmPca } from './acm-pca.ts';
import { createCalls } from './calls.ts';
import { createClients } from './clients.ts';
import { createFaults } from './faults.ts';
import { createLambda, createOneProcess, type Host } from './hosts.ts';
import { createHsm } from './hsm.ts';
import { createJournal, type Journal } from './journal.ts';
import { createKernel, type Kernel } from './kernel.ts';
import { createMapping, type Mapping } from './mapping.ts';
import { installAuthorities, type Material, startAt } from './material.ts';
import type { Mistake } from './mistakes.ts';
import type { Plan } from './plan.ts';
import { createPorts, type Ports, type QueueName, queueNames } from './ports.ts';
import type { Process } from './processes.ts';
import { createReconciler } from './reconciler.ts';
import { createRedeliveries } from './redelivery.ts';
import type { SimulatedStore } from './store.ts';

/** What stays for the whole life of the simulator's process. */
export interface Bench {
  readonly material: Material;
  readonly store: SimulatedStore;
  /** The store's clock follows the schedule that runs. */
  readonly time: { now: number };
}

export interface Outcome {
  readonly plan: Plan;
  readonly journal: Journal;
  /** Issuances that a client was told of with a 202, and the request of each. */
  readonly accepted: ReadonlyMap<string, number>;
  /** Issuances that had no end when nothing but the queues was at work and no message was left. */
  readonly abandoned: readonly string[];
  readonly ended: 'over' | 'nothing-left' | 'time-out';
  /** Cells of the matrix. */
  readonly hits: readonly number[];
  /** Of everything that happened, and when. */
  readonly hash: number;
}

const virtualMsMax = 12 * 3_600_000;

export interface ScheduleOptions {
  readonly mistake: Mistake | undefined;
  readonly trace: ((line: string) => void) | undefined;
}

/** Prepares the registry once: schedules do not change it. */
export async function prepareBench({ material, store }: Bench): Promise<void> {
  await installAuthorities(material, store.registry);
}

export async function runSchedule(bench: Bench, plan: Plan, options: ScheduleOptions): Promise<Outcome> {
  const { store, material, time } = bench;
  time.now = startAt;
  store.wipe();
  await Promise.all(material.credentials.map((credential) => store.credentials.create(credential)));
  const world = createWorld(bench, plan, options);
  try {
    world.start();
    const untilMax = startAt + virtualMsMax;
    let ended = await world.run(untilMax);
    let abandoned: readonly string[] = [];
    if (!plan.reconciles && ended !== 'time-out') {
      abandoned = world.abandoned();
      world.startReconciler();
      ended = await world.run(untilMax);
    }
    return { plan, ended, abandoned, ...world.result() };
  } finally {
    world.close();
  }
}

/** Sets the store's clock to each event's time. */
function followedBy(kernel: Kernel, time: { now: number }): Kernel {
  return {
    get now() {
      return kernel.now;
    },
    get owed() {
      return kernel.owed;
    },
    run: kernel.run,
    after(delayMs, run, kind) {
      const follow = () => {
        time.now = kernel.now;
        return run();
      };
      kernel.after(delayMs, follow, kind);
    },
  };
}

/** Writes down what happens, for people and as a hash. */
function createTrace(kernel: Kernel, print: ((line: string) => void) | undefined) {
  let hash = 0;
  return {
    say(text: string) {
      const ms = kernel.now - startAt;
      for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
      hash = Math.imul(hash ^ ms, 0x01000193);
      print?.(`${(ms / 1000).toFixed(3).padStart(10)}  ${text}`);
    },
    hash: () => hash >>> 0,
  };
}

function createWorld(bench: Bench, plan: Plan, { mistake, trace: print }: ScheduleOptions) {
  const { store, material, time } = bench;
  const { random } = plan;
  const kernel = followedBy(createKernel(startAt), time);
  const { say: trace, hash } = createTrace(kernel, print);
  const journal = createJournal(store.look);
  const mappings: Mapping[] = [];
  const hits: number[] = [];
  const redeliveries = createRedeliveries({
    kernel,
    random,
    mappings: () => mappings,
    onQueue: store.look.bodies,
    post: (client) => clients.post(client),
    keepClientBack: (client, until) => clients.keepBack(client, until),
    reconcile: () => reconciler.run(),
    keepReconcilerBack: (until) => reconciler.keepBack(until),
    isUp: () => host.poller() !== undefined,
    onHit: (cell) => void hits.push(cell),
  });
  const faults = createFaults(random, plan.targets, plan.stray);
  const { latencyMsMax } = plan;
  const calls = createCalls({ kernel, random, faults, latencyMsMax, trace, onTarget: redeliveries.plan });
  const pca = createAcmPca({ kernel, random, calls, key: material.devices, journal, behaviour: plan.acmPca });
  const hsm = createHsm({ kernel, random, calls, key: material.workloads, journal, busyCalls: plan.hsmBusyCalls });
  const onSent = (queue: QueueName) => mappings.find((mapping) => mapping.queueName === queue)?.gather();
  const ports = createPorts({ kernel, random, calls, material, store, pca, hsm, mistake, trace, onSent });
  const host = hostOf(plan, kernel, () => {
    for (const mapping of mappings) mapping.reset();
    // As the embedded host does at its start: nothing else is at work on what an earlier process left.
    if (reconciles) reconciler.run(0);
  });

  let reconciles = plan.reconciles;
  const isQuiet = () =>
    kernel.owed === 0 && clients.isIdle && mappings.every(({ active }) => active === 0) && store.look.queued() === 0;
  const isWaiting = () => {
    const isHeldBack = Object.keys(plan.heldBackMs).length > 0 && kernel.owed === 0;
    return isHeldBack || (isQuiet() && store.look.pending() === 'orphans');
  };
  const reconciler = createReconciler({
    kernel,
    firstAfterMs: plan.reconcilesFirstAfterMs,
    host,
    ports,
    redeliveries,
    mistake,
    trace,
    isWaiting,
  });
  const clients = createClients({ kernel, plan, material, host, ports, redeliveries, trace });
  // An ACM PCA intent that is older than its token is the reconciler's: a message does nothing about it, and is gone.
  const leftToReconciler = new Set<string>();
  const noteLeft = () => {
    for (const id of store.look.intendedBefore(kernel.now - tokenReuseMsMax)) leftToReconciler.add(id);
  };
  const onDelivered: Parameters<typeof createMapping>[0]['onDelivered'] = (work, overlapping) =>
    redeliveries.began('message', work.issuanceIds, overlapping);
  const map = (role: Mapping['role'], queueName: QueueName) =>
    createMapping({
      kernel,
      calls,
      role,
      queueName,
      queue: store.queue(queueName),
      visibleNext: store.look.visibleNext,
      batchSize: plan.batchSize,
      windowMs: plan.windowMs,
      concurrencyMax: plan.concurrencyMax,
      retry: plan.retry,
      poller: host.poller,
      sandbox: host.sandbox,
      timeoutMs: host.timeoutMs,
      handle: handlerOf(ports, role),
      onHandled: plan.reconciles ? () => undefined : noteLeft,
      onDelivered,
      ignoresFailures: mistake?.ignoresFailures === true,
      trace,
    });
  mappings.push(
    map('validate', queueNames.enrolment),
    map('sign-pca', queueNames['acm-pca']),
    map('sign-hsm', queueNames.pkcs11),
  );

  const isAtRest = () => isQuiet() && reconciler.isIdle && (!reconciles || store.look.pending() === 'none');
  return {
    // What is wrong at a signature is wrong whatever follows.
    run: (untilMax: number) => kernel.run(() => journal.violations.length > 0 || isAtRest(), untilMax),
    start() {
      trace(`schedule ${plan.number}: ${plan.aim}; ${plan.host}, ${plan.requests.map(({ name }) => name).join(' ')}`);
      clients.start();
      for (const mapping of mappings) {
        const heldBackMs = mapping.role === 'sign-pca' ? undefined : plan.heldBackMs[mapping.role];
        if (heldBackMs !== undefined) mapping.pauseUntil(startAt + heldBackMs);
      }
      if (reconciles) reconciler.start();
    },
    abandoned() {
      noteLeft();
      return store.look.unfinished().filter((id) => !leftToReconciler.has(id));
    },
    startReconciler() {
      reconciles = true;
      reconciler.start();
    },
    result: () => ({ journal, accepted: clients.accepted, hits, hash: hash() }),
    close: () => host.close(),
  };
}

function hostOf(plan: Plan, kernel: Kernel, onStart: () => void): Host {
  return plan.host === 'lambda' ? createLambda() : createOneProcess(kernel, plan.random, onStart);
}

/** As functions/validator/handler.ts and functions/signer/handler.ts do it. */
function handlerOf(ports: Ports, role: Mapping['role']): Parameters<typeof createMapping>[0]['handle'] {
  if (role === 'validate') return (process, ids) => validateEnrollments(ports.validate(process), ids);
  return async (process: Process, ids) => {
    const signing = ports.sign(process, role);
    return sendLater(signing, await issueCertificates(signing, ids));
  };
}
