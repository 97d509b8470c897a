/**
 * The use cases over the local ACM PCA endpoint in this process, its own SDK client and an in-memory ledger, in virtual
 * time: what is waited for moves the endpoint's clock, and the endpoint's clock is everybody's.
 */

import { randomBytes } from 'node:crypto';
import { createAcmPcaAuditReports } from '../../shared/adapters/acm-pca/audit-reports.ts';
import { createAcmPcaBackend } from '../../shared/adapters/acm-pca/backend.ts';
import type { CrlPlace } from '../../shared/adapters/acm-pca/ca-request.ts';
import { createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import { createLocalObjectReader } from '../../shared/adapters/acm-pca/local-objects.ts';
import type { PacingBudget } from '../../shared/adapters/acm-pca/pacing.ts';
import { createAcmPcaProvisioner } from '../../shared/adapters/acm-pca/provisioner.ts';
import { createThrowawaySignatures } from '../../shared/adapters/software/throwaway.ts';
import { openSqliteStore, type SqliteStore } from '../../shared/adapters/sqlite/store.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { createAuthorityDirectory, type IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import type { CompareReportPorts } from '../../shared/issuance/compare-report.ts';
import { createCrlShards } from '../../shared/issuance/crl-shards.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import type { IssuanceRecord } from '../../shared/issuance/issuance-record.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { SigningBackend } from '../../shared/issuance/ports.ts';
import { receiveEnrollment } from '../../shared/issuance/receive-enrollment.ts';
import { reconcile } from '../../shared/issuance/reconcile.ts';
import { createRequestReader } from '../../shared/issuance/request-reader.ts';
import { type SettleOrphansPorts, settleOrphans } from '../../shared/issuance/settle-orphans.ts';
import type { SignerReport } from '../../shared/issuance/signer-ports.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { startTestEndpoint, type TestEndpoint } from './acm-pca-endpoint.ts';
import { hierarchyOf } from './hierarchies.ts';
import { newCredential } from './ledger-fixtures.ts';
import { dns, freshName, newP256, requestFor, type TestKeyPair } from './service.ts';

export interface OrphanWorld {
  readonly endpoint: TestEndpoint;
  readonly store: SqliteStore;
  /** The CA `devices`. */
  readonly issuer: IssuingAuthority;
  readonly backend: SigningBackend;
  /** Ids on the signing queue. */
  readonly sent: string[];
  /** What was told to people, as `kind detail`. */
  readonly told: string[];
  readonly ports: SettleOrphansPorts & CompareReportPorts;
  /** Takes a request in and has it approved. */
  approve(options?: { readonly name?: string; readonly key?: TestKeyPair }): Promise<string>;
  sign(...ids: readonly string[]): Promise<void>;
  /** What the schedule does each minute. */
  minute(): Promise<void>;
  /** `count` of them, the clock moving. */
  minutes(count: number): Promise<void>;
  record(id: string): Promise<IssuanceRecord>;
  /** Certificates of `devices` at the endpoint. */
  issuedCount(): number;
  close(): Promise<void>;
}

/** Every call may go out at once: the endpoint has no quotas here. */
const unpaced: PacingBudget = {
  take: async () => ({ kind: 'granted' }),
  reserve: async (_call, _deadline, countMax) => ({
    permits: Array.from({ length: countMax }, () => ({ at: 0, goodUntil: Number.MAX_SAFE_INTEGER })),
    retryAfterMs: 0,
  }),
  report: () => undefined,
};

const quietReport: SignerReport = {
  itemFailed: () => undefined,
  custodyStopped: () => undefined,
  custodyUnknown: () => undefined,
  misissued: () => undefined,
  refused: () => undefined,
  authorityUnavailable: () => undefined,
  throttled: () => undefined,
};

export interface OrphanWorldOptions {
  /** `:memory:` unless given. */
  readonly ledgerFile?: string;
  readonly stateDir?: string;
  /** Instead of the sample one. */
  readonly hierarchy?: Hierarchy;
  /** Where its CAs publish CRLs. */
  readonly crlPlace?: CrlPlace;
}

export async function openOrphanWorld(options: OrphanWorldOptions = {}): Promise<OrphanWorld> {
  const endpoint = await startTestEndpoint(options.stateDir === undefined ? {} : { stateDir: options.stateDir });
  const clock = endpoint.now;
  const sleep = async (waitMs: number) => endpoint.advance(waitMs);
  /** A report is written in real time, beside the calls: virtual seconds would be over before it is there. */
  const sleepForReport = async (waitMs: number) => {
    await new Promise((resolve) => setTimeout(resolve, 40));
    endpoint.advance(Math.min(waitMs, 100));
  };
  const credentials = { accessKeyId: 'EMULATOR', secretAccessKey: 'emulator' };
  const client = createAcmPcaClient({ stage: 'dev', region: 'us-east-1', endpoint: endpoint.url, credentials });
  const store = openSqliteStore({ path: options.ledgerFile ?? ':memory:', clock });
  const hierarchy = options.hierarchy ?? hierarchyOf();
  const pca = createAcmPcaProvisioner({ client, clock, sleep, crlPlace: options.crlPlace });
  const provisioners = { 'acm-pca': pca, pkcs11: undefined, software: undefined };
  await buildHierarchy({ hierarchy, provisioners, registry: store.authorities, clock, report: () => undefined });
  const authorities = createAuthorityDirectory(store.authorities, clock, 0);
  const issuer = await authorities.newest('devices');
  if (issuer === undefined) throw new Error('the hierarchy was not built');
  const backend = createAcmPcaBackend({
    client,
    authority: { caId: 'devices', ref: issuer.backendRef },
    pacing: unpaced,
    clock,
    sleep,
  });
  const [sent, told]: [string[], string[]] = [[], []];
  const queue = {
    send: async (ids: readonly string[]) => void sent.push(...ids),
    depth: async () => ({ visible: 0, inFlight: 0, oldestAgeMs: 0 }),
  };
  const shared = {
    requests: createRequestReader(),
    hierarchy,
    ledger: store.ledger,
    authorities,
    clock,
    signingQueue: () => queue,
    enrolmentQueue: queue,
    backendOf: (one: IssuingAuthority) => (one.caId === 'devices' ? backend : undefined),
  };
  const ports: OrphanWorld['ports'] = {
    ...shared,
    audits: store.audits,
    sleep: sleepForReport,
    auditReports: createAcmPcaAuditReports({
      client,
      bucket: 'fleet-reports',
      readObject: createLocalObjectReader(endpoint.url),
    }),
    orphanReport: {
      adopted: (id) => told.push(`adopted ${id}`),
      absent: (id) => told.push(`absent ${id}`),
      duplicate: (id, arn) => told.push(`duplicate ${id} ${arn}`),
      mismatch: (id, arn) => told.push(`mismatch ${id} ${arn}`),
      blocked: (id, reason) => told.push(`blocked ${id} ${reason}`),
      failed: (caId, cause) => told.push(`failed ${caId} ${(cause as Error).message}`),
    },
    comparisonReport: {
      unknownCertificate: (caId, { arn, serialHex, subject }) =>
        told.push(`unknown-certificate ${caId} ${arn} ${serialHex} ${subject}`),
      unknownIssuance: (caId, { issuanceId }) => told.push(`unknown-issuance ${caId} ${issuanceId}`),
      failed: (caId, cause) => told.push(`failed ${caId} ${(cause as Error).message}`),
    },
  };
  const caller = newCredential({ createdAt: clock(), expiresAt: clock() + 30 * 86_400_000 });
  await store.credentials.create(caller);
  const signerPorts = {
    ...shared,
    custody: createCustodyGate(hierarchy, clock),
    crlShards: createCrlShards(store.ledger),
    throwaway: createThrowawaySignatures(),
    random: (bytes: number) => randomBytes(bytes),
    report: quietReport,
  };

  const world: OrphanWorld = {
    endpoint,
    store,
    issuer,
    backend,
    sent,
    told,
    ports,
    async approve({ name = freshName(), key = newP256() } = {}) {
      const receivePorts = { ...shared, registry: store.authorities, backends: new Set(['acm-pca'] as const) };
      const csr = requestFor([dns(name)], key);
      const record = await receiveEnrollment(
        { ...receivePorts, onSendFailed: () => undefined } as Parameters<typeof receiveEnrollment>[0],
        caller,
        'device',
        csr,
      );
      await validateEnrollments({ ...shared, onItemFailed: () => undefined }, [record.issuanceId]);
      sent.length = 0;
      return record.issuanceId;
    },
    async sign(...ids) {
      await issueCertificates(signerPorts, ids);
    },
    async minute() {
      await reconcile(shared);
      const resent = sent.splice(0);
      if (resent.length > 0) await world.sign(...resent);
      await settleOrphans(ports);
      const again = sent.splice(0);
      if (again.length > 0) await world.sign(...again);
    },
    async minutes(count) {
      for (let minute = 0; minute < count; minute++) {
        endpoint.advance(60_000);
        await world.minute();
      }
    },
    async record(id) {
      const record = await store.ledger.get(id);
      if (record === undefined) throw new Error(`no issuance ${id}`);
      return record;
    },
    issuedCount: () => endpoint.view().authorities[issuer.backendRef]?.certificates.issued ?? 0,
    async close() {
      client.destroy();
      store.close();
      if (options.stateDir === undefined) await endpoint.dispose();
      else await endpoint.stop();
    },
  };
  return world;
}

/** Loses the answers of the next IssueCertificate calls, before or after they took effect. */
export function loseAnswers(world: OrphanWorld, when: 'before' | 'after', count: number): void {
  world.endpoint.control({ failures: [{ operation: 'IssueCertificate', when, count }] });
}

/** An issuance whose submits all lost their answers: `intended`, with a certificate at the CA (`after`) or without one. */
export async function lostIssuance(
  world: OrphanWorld,
  when: 'before' | 'after',
  options: Parameters<OrphanWorld['approve']>[0] = {},
): Promise<string> {
  const id = await world.approve(options);
  loseAnswers(world, when, 1_000);
  await world.sign(id);
  world.endpoint.control({ failures: [] });
  const { state } = await world.record(id);
  if (state !== 'intended') throw new Error(`${id} is ${state}`);
  return id;
}
