/**
 * The use cases over an in-memory store, CA keys in files and a clock that a test sets. `devices` has a backend that
 * signs from a template, as ACM PCA does, `workloads` one that signs a TBSCertificate; what they answer can be scripted.
 */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSoftwareBackend } from '../../shared/adapters/software/backend.ts';
import { keyFilePath, readKeyFile, signWithKeyFile } from '../../shared/adapters/software/key-file.ts';
import { createSoftwareProvisioner } from '../../shared/adapters/software/provisioner.ts';
import { createThrowawaySignatures } from '../../shared/adapters/software/throwaway.ts';
import { openSqliteStore, type SqliteStore } from '../../shared/adapters/sqlite/store.ts';
import type { KeyDescription } from '../../shared/custody/key-description.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import {
  type AuthorityDirectory,
  createAuthorityDirectory,
  type IssuingAuthority,
} from '../../shared/issuance/authority-directory.ts';
import { buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import { redraftIntent } from '../../shared/issuance/build-intent.ts';
import { createCrlShards } from '../../shared/issuance/crl-shards.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import type { EnrolmentCredential, IssuanceRecord } from '../../shared/issuance/issuance-record.ts';
import type { IssuanceState } from '../../shared/issuance/issuance-state.ts';
import type {
  AuthorityProvisioner,
  CollectOutcome,
  SigningBackend,
  SubmitOutcome,
  WorkQueue,
} from '../../shared/issuance/ports.ts';
import { type ReceiveEnrollmentPorts, receiveEnrollment } from '../../shared/issuance/receive-enrollment.ts';
import type { ReconcilePorts } from '../../shared/issuance/reconcile.ts';
import { createRequestReader } from '../../shared/issuance/request-reader.ts';
import type { IssueCertificatePorts, SignerReport } from '../../shared/issuance/signer-ports.ts';
import { type ValidateEnrollmentPorts, validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { type Intent, isRedeemed, type PreparedIssuance } from '../../shared/lints/prepared-issuance.ts';
import { parseTbsCertificate } from '../../shared/pki/certificate.ts';
import { assembleCertificate, buildTbsCertificate } from '../../shared/pki/certificate-builder.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { hierarchyOf } from './hierarchies.ts';
import { newCredential } from './ledger-fixtures.ts';
import { dns, freshName, newP256, requestFor, type TestKeyPair, uri } from './service.ts';

export const worldTime = Date.UTC(2026, 10, 23, 12, 0, 0, 345);

export interface FakeQueue extends WorkQueue {
  readonly sent: string[];
  /** The next sends reject, this many; what they were given is not sent. */
  failures: number;
}

function fakeQueue(): FakeQueue {
  const sent: string[] = [];
  const queue: FakeQueue = {
    sent,
    failures: 0,
    async send(ids) {
      if (queue.failures > 0) {
        queue.failures -= 1;
        throw new Error('the queue is not there');
      }
      sent.push(...ids);
    },
    depth: async () => ({ visible: 0, inFlight: 0, oldestAgeMs: 0 }),
  };
  return queue;
}

/** A backend whose answers a test may replace; `submitted` and `collected` keep what it was given. */
export interface ScriptedBackend extends SigningBackend {
  readonly submitted: PreparedIssuance[];
  readonly collected: string[];
  /** Answers in the place of the backend's own; undefined leaves its own. */
  onSubmit: ((prepared: PreparedIssuance) => SubmitOutcome | Promise<SubmitOutcome> | undefined) | undefined;
  onCollect: ((issuanceId: string, ticket: string) => CollectOutcome | Promise<CollectOutcome> | undefined) | undefined;
  onDescribe: ((honest: KeyDescription) => KeyDescription | Promise<KeyDescription>) | undefined;
}

export interface IssuanceWorld {
  readonly hierarchy: Hierarchy;
  readonly store: SqliteStore;
  readonly authorities: AuthorityDirectory;
  /** The time it is; a test moves it. */
  now: number;
  readonly enrolment: FakeQueue;
  readonly signing: { readonly 'acm-pca': FakeQueue; readonly pkcs11: FakeQueue };
  readonly devices: ScriptedBackend;
  readonly workloads: ScriptedBackend;
  /** What was told to people: `itemFailed ID message`, `custodyStopped CA codes`, … */
  readonly told: string[];
  /** Where the CA keys are. */
  readonly folder: string;
  readonly receivePorts: ReceiveEnrollmentPorts;
  readonly validatePorts: ValidateEnrollmentPorts;
  /** A signer of its own: custody evidence, CRL leases and random numbers are not shared with another. */
  signerPorts(changes?: Partial<IssueCertificatePorts>): IssueCertificatePorts;
  readonly reconcilePorts: ReconcilePorts;
  close(): Promise<void>;
}

function reportTo(told: string[]) {
  const itemFailed = (issuanceId: string, cause: unknown) =>
    void told.push(`itemFailed ${issuanceId} ${cause instanceof Error ? cause.message : String(cause)}`);
  const report: SignerReport = {
    itemFailed,
    custodyStopped: (caId, findings) => {
      told.push(`custodyStopped ${caId} ${findings.map(({ code }) => code).join(' ')}`);
    },
    custodyUnknown: (caId) => void told.push(`custodyUnknown ${caId}`),
    misissued: (issuanceId, faults) => void told.push(`misissued ${issuanceId} ${faults.join('; ')}`),
    refused: (issuanceId, code) => void told.push(`refused ${issuanceId} ${code}`),
    authorityUnavailable: (caId, code) => void told.push(`authorityUnavailable ${caId} ${code}`),
    throttled: (caId, code) => void told.push(`throttled ${caId} ${code}`),
  };
  return report;
}

export interface WorldOptions {
  /** Instead of the sample one. */
  readonly hierarchy?: Hierarchy;
  /** Makes the CAs of the HSM; without it their keys are in files too. */
  readonly pkcs11Provisioner?: AuthorityProvisioner;
}

/** The sample hierarchy, built. */
export async function openIssuanceWorld(options: WorldOptions = {}): Promise<IssuanceWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'sealwright-world-'));
  const hierarchy = options.hierarchy ?? hierarchyOf();
  const clock = () => world.now;
  const store = openSqliteStore({ path: ':memory:', clock });
  const provisioner = createSoftwareProvisioner({ stage: 'dev', folder, random: (bytes) => randomBytes(bytes) });
  const provisioners = {
    'acm-pca': provisioner,
    pkcs11: options.pkcs11Provisioner ?? provisioner,
    software: provisioner,
  };
  const told: string[] = [];
  const { ledger } = store;
  const authorities = createAuthorityDirectory(store.authorities, clock, 0);
  const signing = { 'acm-pca': fakeQueue(), pkcs11: fakeQueue() };
  const signingQueue = (backend: string) => signing[backend as keyof typeof signing];
  const enrolment = fakeQueue();
  const shared = {
    requests: createRequestReader(),
    hierarchy,
    ledger,
    authorities,
    signingQueue,
    enrolmentQueue: enrolment,
    clock,
  };
  const devices = scripted(templateBackend(folder, 'devices', () => authorities, clock));
  const workloads = scripted(tbsBackend(folder, 'workloads', () => authorities, hierarchy, clock));
  const report = reportTo(told);
  const world: IssuanceWorld = {
    hierarchy,
    store,
    authorities,
    now: worldTime,
    enrolment,
    signing,
    devices,
    workloads,
    told,
    folder,
    receivePorts: {
      ...shared,
      registry: store.authorities,
      backends: new Set(['acm-pca', 'pkcs11']),
      onSendFailed: (issuanceId) => told.push(`sendFailed ${issuanceId}`),
    },
    validatePorts: { ...shared, onItemFailed: report.itemFailed },
    reconcilePorts: shared,
    signerPorts: (more = {}) => ({
      ...shared,
      backendOf: (issuer) =>
        issuer.caId === 'devices' ? devices : issuer.caId === 'workloads' ? workloads : undefined,
      custody: createCustodyGate(hierarchy, clock),
      crlShards: createCrlShards(store.ledger),
      throwaway: createThrowawaySignatures(),
      random: (bytes) => randomBytes(bytes),
      report,
      ...more,
    }),
    async close() {
      store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await buildHierarchy({ hierarchy, provisioners, registry: store.authorities, clock, report: () => undefined });
  return world;
}

function scripted(honest: SigningBackend): ScriptedBackend {
  const backend: ScriptedBackend = {
    submitted: [],
    collected: [],
    onSubmit: undefined,
    onCollect: undefined,
    onDescribe: undefined,
    async describeKey() {
      const description = await honest.describeKey();
      return backend.onDescribe === undefined ? description : backend.onDescribe(description);
    },
    async submit(batch) {
      backend.submitted.push(...batch);
      return Promise.all(batch.map(async (one) => (await backend.onSubmit?.(one)) ?? (await honest.submit([one]))[0]!));
    },
    async collect(tickets) {
      backend.collected.push(...tickets.map(({ issuanceId }) => issuanceId));
      return Promise.all(
        tickets.map(
          async (one) => (await backend.onCollect?.(one.issuanceId, one.ticket)) ?? (await honest.collect([one]))[0]!,
        ),
      );
    },
  };
  return backend;
}

const attributes = {
  token: true,
  sensitive: true,
  extractable: false,
  neverExtractable: true,
  alwaysSensitive: true,
  local: true,
  sign: true,
};

async function issuerOf(authorities: AuthorityDirectory, caId: string): Promise<IssuingAuthority> {
  const issuer = await authorities.newest(caId);
  if (issuer === undefined) throw new Error(`no CA ${caId}`);
  return issuer;
}

/** Signs what it is given, byte for byte, and claims to be a token. */
function tbsBackend(
  folder: string,
  caId: string,
  authorities: () => AuthorityDirectory,
  hierarchy: Hierarchy,
  clock: () => number,
): SigningBackend {
  const { signingAlgorithm } = hierarchy.authorities.find(({ id }) => id === caId)!;
  const open = async () => {
    const { backendRef: ref, spkiSha256 } = await issuerOf(authorities(), caId);
    return createSoftwareBackend({
      stage: 'dev',
      folder,
      clock,
      authority: { caId, ref, spkiSha256, signingAlgorithm },
    });
  };
  return {
    async describeKey() {
      const description = await (await open()).describeKey();
      return { ...description, source: 'emulator', model: 'self-managed-hsm', attributes };
    },
    submit: async (batch) => (await open()).submit(batch),
    collect: async (tickets) => (await open()).collect(tickets),
  };
}

/**
 * Builds a TBSCertificate from a template with a serial of its own, once for each idempotency token, and hands it out by
 * its ticket.
 */
function templateBackend(
  folder: string,
  caId: string,
  authorities: () => AuthorityDirectory,
  clock: () => number,
): SigningBackend {
  const byToken = new Map<string, string>();
  const certificates = new Map<string, Uint8Array>();

  async function submitOne(prepared: PreparedIssuance): Promise<SubmitOutcome> {
    const { issuanceId, intent } = prepared;
    if (!isRedeemed(prepared)) throw new Error('not redeemed');
    if (intent.kind !== 'template') throw new Error('not a template');
    const known = byToken.get(intent.idempotencyToken);
    const ticket = known ?? `arn:${randomBytes(8).toString('hex')}`;
    byToken.set(intent.idempotencyToken, ticket);
    if (known === undefined)
      certificates.set(ticket, await signTemplate(folder, await issuerOf(authorities(), caId), prepared));
    return { kind: 'submitted', issuanceId, ticket };
  }

  return {
    async describeKey() {
      const issuer = await issuerOf(authorities(), caId);
      const { sha256 } = readKeyFile(keyFilePath(folder, issuer.backendRef)).publicKey;
      return {
        source: 'emulator',
        model: 'managed-ca',
        keyId: `sha256:${sha256}`,
        spkiSha256: sha256,
        keyAlgorithm: 'EC_prime256v1',
        securityLevel: 0,
        cmvpStatus: 'unknown',
        status: 'usable',
        readAt: clock(),
      };
    },
    submit: (batch) => Promise.all(batch.map(submitOne)),
    collect: async (tickets) =>
      tickets.map(({ issuanceId, ticket }): CollectOutcome => {
        const certificateDer = certificates.get(ticket);
        if (certificateDer === undefined)
          return { kind: 'failed', issuanceId, code: 'ResourceNotFoundException', message: 'no such certificate' };
        return { kind: 'issued', issuanceId, certificateDer };
      }),
  };
}

/** What ACM PCA would issue for a template intent; `edit` changes the fields of its TBSCertificate. */
export async function signTemplate(
  folder: string,
  issuer: IssuingAuthority,
  { csrDer, intent }: Pick<PreparedIssuance, 'csrDer' | 'intent'>,
  edit: (fields: Parameters<typeof buildTbsCertificate>[0]) => Parameters<typeof buildTbsCertificate>[0] = (fields) =>
    fields,
): Promise<Uint8Array> {
  const { publicKey } = parseCertificationRequest(csrDer);
  const expected = parseTbsCertificate(redraftIntent(intent, 'device', issuer, publicKey).lintTbs);
  const tbs = buildTbsCertificate(
    edit({
      serialNumber: Uint8Array.from([0x41, ...randomBytes(15)]),
      signingAlgorithm: intent.signingAlgorithm,
      issuer: expected.issuer.der,
      notBefore: expected.notBefore,
      notAfter: expected.notAfter,
      subject: expected.subject.der,
      publicKey: publicKey.der,
      extensions: expected.extensions,
    }),
  );
  const key = readKeyFile(keyFilePath(folder, issuer.backendRef));
  return assembleCertificate(tbs, intent.signingAlgorithm, await signWithKeyFile(key, intent.signingAlgorithm, tbs));
}

export async function createCaller(
  world: IssuanceWorld,
  changes: Partial<EnrolmentCredential> = {},
): Promise<EnrolmentCredential> {
  const caller = newCredential({
    profiles: ['device', 'service', 'svid'],
    createdAt: world.now,
    expiresAt: world.now + 30 * 86_400_000,
    ...changes,
  });
  await world.store.credentials.create(caller);
  return caller;
}

export interface Received {
  readonly caller: EnrolmentCredential;
  readonly record: IssuanceRecord;
  readonly csrDer: Uint8Array;
  readonly key: TestKeyPair;
}

export interface ReceiveOptions {
  readonly profile?: 'device' | 'service' | 'svid';
  readonly name?: string;
  readonly key?: TestKeyPair;
  readonly caller?: EnrolmentCredential;
}

/** Takes a sound request in, as `received`. */
export async function receive(world: IssuanceWorld, options: ReceiveOptions = {}): Promise<Received> {
  const { profile = 'device', key = newP256(), name = freshName() } = options;
  const caller = options.caller ?? (await createCaller(world));
  const csrDer = requestFor([profile === 'svid' ? uri(`spiffe://fleet.example/${name}`) : dns(name)], key);
  const record = await receiveEnrollment(world.receivePorts, caller, profile, csrDer);
  return { caller, record, csrDer, key };
}

/** Takes a request in and has it approved. Answers its id. */
export async function approved(world: IssuanceWorld, options: ReceiveOptions = {}): Promise<string> {
  const { record } = await receive(world, options);
  await validateEnrollments(world.validatePorts, [record.issuanceId]);
  const state = await stateOf(world, record.issuanceId);
  if (state !== 'approved') throw new Error(`${record.issuanceId} is ${state}`);
  return record.issuanceId;
}

export async function recordOf(world: IssuanceWorld, issuanceId: string): Promise<IssuanceRecord> {
  const record = await world.store.ledger.get(issuanceId);
  if (record === undefined) throw new Error(`no issuance ${issuanceId}`);
  return record;
}

export async function stateOf(world: IssuanceWorld, issuanceId: string): Promise<IssuanceState> {
  return (await recordOf(world, issuanceId)).state;
}

export function tbsIntentOf(record: IssuanceRecord): Extract<Intent, { kind: 'tbs' }> {
  if (record.intent?.kind !== 'tbs') throw new Error('no intent of the kind tbs');
  return record.intent;
}
