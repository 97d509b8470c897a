/** The ports of the use cases, bound to a process: every method is a call in virtual time that faults may hit. */

import { createAcmPcaAuditReports } from '../../../shared/adapters/acm-pca/audit-reports.ts';
import { createAcmPcaBackend } from '../../../shared/adapters/acm-pca/backend.ts';
import { createLeasedPacingBudget } from '../../../shared/adapters/acm-pca/pacing.ts';
import type { SqliteQueue } from '../../../shared/adapters/sqlite/queue.ts';
import { createAuthorityDirectory } from '../../../shared/issuance/authority-directory.ts';
import { createCrlShards } from '../../../shared/issuance/crl-shards.ts';
import { createCustodyGate } from '../../../shared/issuance/custody-gate.ts';
import type { PermitStore } from '../../../shared/issuance/permits.ts';
import type {
  AuditStore,
  AuthorityRegistry,
  IssuanceLedger,
  SigningBackend,
  WorkQueue,
} from '../../../shared/issuance/ports.ts';
import type { ReceiveEnrollmentPorts } from '../../../shared/issuance/receive-enrollment.ts';
import type { ReconcilePorts } from '../../../shared/issuance/reconcile.ts';
import { createRequestReader } from '../../../shared/issuance/request-reader.ts';
import type { SettleOrphansPorts } from '../../../shared/issuance/settle-orphans.ts';
import type { IssueCertificatePorts } from '../../../shared/issuance/signer-ports.ts';
import type { ValidateEnrollmentPorts } from '../../../shared/issuance/validate-enrollment.ts';
import type { SimulatedAcmPca } from './acm-pca.ts';
import type { Calls } from './calls.ts';
import type { Role } from './faults.ts';
import type { Kernel } from './kernel.ts';
import type { Material } from './material.ts';
import type { Mistake } from './mistakes.ts';
import type { Process } from './processes.ts';
import type { Random } from './random.ts';
import type { SimulatedStore } from './store.ts';

export const queueNames = {
  enrolment: 'enrolment',
  'acm-pca': 'signing-acm-pca',
  pkcs11: 'signing-pkcs11',
} as const;
export type QueueName = (typeof queueNames)[keyof typeof queueNames];

export interface PortsParts {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly calls: Calls;
  readonly material: Material;
  readonly store: SimulatedStore;
  readonly pca: SimulatedAcmPca;
  readonly hsm: (process: Process) => SigningBackend;
  readonly mistake: Mistake | undefined;
  readonly trace: (text: string) => void;
  /** A queue took ids: whoever reads it is told. */
  readonly onSent: (queue: QueueName) => void;
}

type SigningRole = 'sign-pca' | 'sign-hsm';

export interface Ports {
  enroll(
    process: Process,
  ): ReceiveEnrollmentPorts & { readonly credential: (id: string) => ReturnType<SimulatedStore['credentials']['get']> };
  validate(process: Process): ValidateEnrollmentPorts;
  sign(process: Process, role: SigningRole): IssueCertificatePorts & Pick<ReconcilePorts, 'signingQueue'>;
  reconcile(process: Process): ReconcilePorts & SettleOrphansPorts;
}

/** A part of what one call carries: those that a throw of a coin picks. */
function some<T>(random: Random, items: readonly T[]): readonly T[] {
  return items.filter(() => random.chance(0.5));
}

export function createPorts(parts: PortsParts): Ports {
  const { kernel, material, store, trace, random } = parts;
  const clock = () => kernel.now;
  const { hierarchy } = material;
  const report = {
    itemFailed: (_: string, cause: unknown) => trace(`  reported: an item failed: ${String(cause)}`),
    custodyStopped: (caId: string) => trace(`  reported: custody stopped ${caId}`),
    custodyUnknown: (caId: string, cause: unknown) => trace(`  reported: custody of ${caId} unknown: ${String(cause)}`),
    misissued: (_: string, faults: readonly string[]) => trace(`  reported: misissued: ${faults.join('; ')}`),
    refused: (_: string, code: string) => trace(`  reported: refused by the CA: ${code}`),
    authorityUnavailable: (caId: string, code: string) => trace(`  reported: ${caId} is unavailable: ${code}`),
    throttled: (caId: string, code: string) => trace(`  reported: ${caId} throttles: ${code}`),
  };
  const shared = (process: Process, role: Role) => ({
    hierarchy,
    clock,
    requests: createRequestReader({ rememberedMax: 0 }),
    ledger: ledgerOf(parts, process, role),
    authorities: process.module(`authorities of ${role}`, () =>
      createAuthorityDirectory(registryOf(parts, process, role), clock),
    ),
    enrolmentQueue: queueOf(parts, process, role, queueNames.enrolment),
    signingQueue: (backend: string) =>
      backend === 'acm-pca' || backend === 'pkcs11' ? queueOf(parts, process, role, queueNames[backend]) : undefined,
  });
  return {
    enroll: (process) => ({
      ...shared(process, 'enroll'),
      registry: registryOf(parts, process, 'enroll'),
      backends: new Set(['acm-pca', 'pkcs11']),
      onSendFailed: (_, cause) => trace(`  reported: not sent to the enrolment queue: ${String(cause)}`),
      credential: (id) => parts.calls.make(process, 'enroll', 'credentials.get', () => store.credentials.get(id)),
    }),
    validate: (process) => ({ ...shared(process, 'validate'), onItemFailed: report.itemFailed }),
    sign: (process, role) => ({
      ...shared(process, role),
      backendOf: (issuer) => backendOf(parts, process, role, issuer.backend),
      custody: process.module('custody', () => createCustodyGate(hierarchy, clock)),
      crlShards: process.module('crlShards', () => createCrlShards(ledgerOf(parts, process, role))),
      throwaway: material.throwaway,
      random: (bytes) => random.bytes(bytes),
      report,
    }),
    reconcile: (process) => ({
      ...shared(process, 'reconcile'),
      audits: auditsOf(parts, process),
      auditReports: createAcmPcaAuditReports({
        client: parts.pca.clientFor(process, 'reconcile'),
        bucket: 'audits',
        readObject: parts.pca.objectsFor(process),
      }),
      sleep: sleepOf(kernel, process),
      backendOf: (issuer) => backendOf(parts, process, 'reconcile', issuer.backend),
      orphanReport: orphanReportTo(trace),
    }),
  };
}

function orphanReportTo(trace: (text: string) => void): SettleOrphansPorts['orphanReport'] {
  return {
    adopted: () => trace('  reported: an orphan adopted'),
    absent: () => trace('  reported: an orphan is absent at the CA'),
    duplicate: () => trace('  reported: a second certificate of an orphan'),
    mismatch: (_, __, faults) => trace(`  reported: a certificate that is not the orphan's: ${faults.join('; ')}`),
    blocked: (_, reason) => trace(`  reported: an orphan is blocked: ${reason}`),
    failed: (caId, cause) => trace(`  reported: orphans of ${caId} not settled: ${String(cause)}`),
  };
}

function sleepOf(kernel: Kernel, process: Process): (waitMs: number) => Promise<void> {
  return (waitMs) => new Promise((resolve) => kernel.after(waitMs, () => (process.isAlive ? resolve() : undefined)));
}

/** The backend as this process holds it; the reconciler has a way to ACM PCA alone, where certificates can be read. */
function backendOf(
  parts: PortsParts,
  process: Process,
  role: SigningRole | 'reconcile',
  backend: string,
): SigningBackend | undefined {
  const { kernel, material, pca, hsm, mistake } = parts;
  if (role === 'sign-hsm') return backend === 'pkcs11' ? process.module('hsm', () => hsm(process)) : undefined;
  if (backend !== 'acm-pca') return undefined;
  const clock = () => kernel.now;
  const sleep = sleepOf(kernel, process);
  const { caId, backendRef } = material.devices.installed;
  return process.module(`acm-pca of ${role}`, () =>
    createAcmPcaBackend({
      client: mistake?.client?.(pca.clientFor(process, role)) ?? pca.clientFor(process, role),
      authority: { caId, ref: backendRef },
      pacing: createLeasedPacingBudget({ store: permitsOf(parts, process, role), clock, sleep, budgetId: 'acm-pca' }),
      clock,
      sleep,
    }),
  );
}

function permitsOf({ calls, store }: PortsParts, process: Process, role: Role): PermitStore {
  const { permits } = store;
  return {
    read: (budgetId) => calls.make(process, role, 'permits.read', () => permits.read(budgetId)),
    exchange: (budgetId, version, next) =>
      calls.make(process, role, 'permits.exchange', () => permits.exchange(budgetId, version, next)),
  };
}

function auditsOf({ calls, store }: PortsParts, process: Process): AuditStore {
  const { audits } = store;
  const make = <T>(name: string, effect: () => Promise<T>) =>
    calls.make(process, 'reconcile', `audits.${name}`, effect);
  return {
    report: (caId, generation) => make('report', () => audits.report(caId, generation)),
    recordReport: (report) => make('recordReport', () => audits.recordReport(report)),
    beginAfter: (caId, generation) => make('beginAfter', () => audits.beginAfter(caId, generation)),
    deferBegin: (caId, generation, until) => make('deferBegin', () => audits.deferBegin(caId, generation, until)),
    recordComparison: (comparison) => make('recordComparison', () => audits.recordComparison(comparison)),
    comparison: (caId, generation) => make('comparison', () => audits.comparison(caId, generation)),
    comparisons: () => make('comparisons', () => audits.comparisons()),
  };
}

function registryOf({ calls, store }: PortsParts, process: Process, role: Role): AuthorityRegistry {
  const { registry } = store;
  return {
    list: () => calls.make(process, role, 'registry.list', () => registry.list()),
    isFrozen: (caId) => calls.make(process, role, 'registry.isFrozen', () => registry.isFrozen(caId)),
    install: () => Promise.reject(new Error('no function of the pipeline installs a CA')),
    fenceOf: async () => undefined,
    setFrozen: () => Promise.reject(new Error('no function of the pipeline freezes a CA')),
  };
}

function queueOf(
  { calls, store, random, onSent }: PortsParts,
  process: Process,
  role: Role,
  name: QueueName,
): WorkQueue {
  const queue: SqliteQueue = store.queue(name);
  const send = async (ids: readonly string[], delayMs?: number) => {
    await queue.send(ids, delayMs);
    onSent(name);
  };
  const call = role === 'reconcile' ? `queue.send ${name === 'enrolment' ? 'enrolment' : 'signing'}` : 'queue.send';
  return {
    send: (ids, delayMs) =>
      calls.make(process, role, call, () => send(ids, delayMs), { partly: () => send(some(random, ids), delayMs) }),
    depth: () => calls.make(process, role, 'queue.depth', () => queue.depth()),
  };
}

function ledgerOf(parts: PortsParts, process: Process, role: Role): IssuanceLedger {
  const { calls, random, mistake } = parts;
  const ledger = mistake?.ledger?.(parts.store.ledger, { ...parts, process, role }) ?? parts.store.ledger;
  const make = <T>(name: string, effect: () => Promise<T>, partly?: () => Promise<unknown>) =>
    calls.make(process, role, `ledger.${name}`, effect, partly === undefined ? {} : { partly });
  return {
    receive: (issuance) => make('receive', () => ledger.receive(issuance)),
    current: (requestId) => make('current', () => ledger.current(requestId)),
    get: (issuanceId) => make('get', () => ledger.get(issuanceId)),
    getMany: (issuanceIds) => make('getMany', () => ledger.getMany(issuanceIds)),
    advance: (transitions) =>
      transitions.length === 0
        ? ledger.advance(transitions)
        : make(
            `advance ${transitions[0]!.to}`,
            () => ledger.advance(transitions),
            () => ledger.advance(some(random, transitions)),
          ),
    noteAttempts: (attempts) =>
      make(
        'noteAttempts',
        () => ledger.noteAttempts(attempts),
        () => ledger.noteAttempts(some(random, attempts)),
      ),
    holders: (names, spkiSha256) => make('holders', () => ledger.holders(names, spkiSha256)),
    releaseName: (name, at) => make('releaseName', () => ledger.releaseName(name, at)),
    stale: (state, before, countMax) => make('stale', () => ledger.stale(state, before, countMax)),
    unsettled: (caId) => make('unsettled', () => ledger.unsettled(caId)),
    counters: (caId) => make('counters', () => ledger.counters(caId)),
    knownSerials: (caId, generation, serials) =>
      make('knownSerials', () => ledger.knownSerials(caId, generation, serials)),
    knownTickets: (tickets) => make('knownTickets', () => ledger.knownTickets(tickets)),
    issuedSerials: (caId, generation, after, countMax) =>
      make('issuedSerials', () => ledger.issuedSerials(caId, generation, after, countMax)),
    leaseCrlSlots: (caId, generation, count) =>
      make('leaseCrlSlots', () => ledger.leaseCrlSlots(caId, generation, count)),
  };
}
