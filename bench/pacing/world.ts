/** What signers are measured on: the endpoint in its process, a ledger, the CAs, and issuances that wait to be signed. */

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlView } from '../../localstack/acm-pca/control.ts';
import { startChild } from '../../localstack/embedded/service-process.ts';
import { createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import { createAcmPcaProvisioner } from '../../shared/adapters/acm-pca/provisioner.ts';
import { openSqliteStore, type SqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { receiveCountMax, signingQueueName } from '../../shared/adapters/stack/stack.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { type AuthorityDirectory, createAuthorityDirectory } from '../../shared/issuance/authority-directory.ts';
import { buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import type { EnrolmentCredential } from '../../shared/issuance/issuance-record.ts';
import { receiveEnrollment } from '../../shared/issuance/receive-enrollment.ts';
import { createRequestReader } from '../../shared/issuance/request-reader.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { prepareRequest } from '../client/requests.ts';
import { hierarchyVariant, profileOn } from '../hierarchy-variant.ts';
import { withTemporaryFolder, withUndo } from '../interruption.ts';

export interface PacingWorld {
  readonly endpointUrl: string;
  readonly hierarchy: Hierarchy;
  readonly store: SqliteStore;
  readonly authorities: AuthorityDirectory;
  /** The CA that signs. */
  readonly caId: string;
  readonly queue: ReturnType<SqliteStore['queue']>;
  /** Changes switches of the endpoint, and reads its counts. */
  control(change?: object): Promise<ControlView>;
}

export const region = 'us-east-1';
export const clientOptions = {
  stage: 'dev',
  region,
  credentials: { accessKeyId: 'emulator', secretAccessKey: 'emulator' },
} as const;
const batchCount = 100;
const dayMs = 86_400_000;

/** Runs `work` on a world of its own in which `requests` issuances are approved and on the signing queue. */
export function withPacingWorld<T>(requests: number, work: (world: PacingWorld) => Promise<T>): Promise<T> {
  return withTemporaryFolder(async (dir) => {
    const stateDir = join(dir, 'acm-pca');
    mkdirSync(stateDir);
    const script = join(import.meta.dirname, '..', '..', 'localstack', 'acm-pca', 'main.ts');
    const endpoint = await startChild(script, ['--port', '0', '--state', stateDir, '--region', region, '--control'], {
      env: process.env,
      logFile: join(dir, 'acm-pca.log'),
      name: 'the ACM PCA endpoint',
    });
    return withUndo(
      () => endpoint.stop(),
      () => {
        const store = openSqliteStore({ path: join(dir, 'ledger.sqlite'), clock: Date.now });
        return withUndo(store.close, async () => work(await prepare(endpoint.url, store, requests)));
      },
    );
  });
}

async function prepare(endpointUrl: string, store: SqliteStore, requests: number): Promise<PacingWorld> {
  const text = readFileSync('hierarchy.yaml', 'utf8');
  const { hierarchy } = hierarchyVariant(text, ({ backend }) => backend === 'pkcs11');
  const measured = profileOn(hierarchy, 'acm-pca');
  if (measured === undefined) throw new Error('the hierarchy has no profile with DNS names on ACM PCA');
  const client = createAcmPcaClient({ ...clientOptions, endpoint: endpointUrl });
  const provisioner = createAcmPcaProvisioner({ client, clock: Date.now });
  await buildHierarchy({
    hierarchy,
    provisioners: { 'acm-pca': provisioner, pkcs11: undefined, software: undefined },
    registry: store.authorities,
    clock: Date.now,
    report: () => undefined,
  });
  client.destroy();
  const name = signingQueueName('acm-pca');
  const world: PacingWorld = {
    endpointUrl,
    hierarchy,
    store,
    authorities: createAuthorityDirectory(store.authorities, Date.now),
    caId: measured.caId,
    queue: store.queue(name, { receiveCountMax, deadLetterQueue: `${name}-dead` }),
    control: (change) => control(endpointUrl, change),
  };
  await approve(world, measured.profile, requests);
  return world;
}

async function control(endpointUrl: string, change: object | undefined): Promise<ControlView> {
  const answer = await fetch(`${endpointUrl}/_control`, {
    ...(change === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(change) }),
  });
  if (!answer.ok) throw new Error(`the endpoint refused a switch: ${await answer.text()}`);
  return (await answer.json()) as ControlView;
}

/** Takes requests in and has them approved, by the use cases; the validator leaves their ids on the signing queue. */
async function approve(world: PacingWorld, profile: string, requests: number): Promise<void> {
  const { authorities, hierarchy, queue, store } = world;
  const caller = newCaller(profile, requests);
  await store.credentials.create(caller);
  const shared = {
    requests: createRequestReader(),
    hierarchy,
    ledger: store.ledger,
    authorities,
    clock: Date.now,
  };
  const fail = (issuanceId: string, cause: unknown) => {
    throw new Error(`${issuanceId} was not approved`, { cause });
  };
  const receivePorts = {
    ...shared,
    registry: store.authorities,
    backends: new Set(['acm-pca']),
    enrolmentQueue: store.queue('enrolment'),
    onSendFailed: fail,
  };
  for (let from = 0; from < requests; from += batchCount) {
    const count = Math.min(batchCount, requests - from);
    const records = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        receiveEnrollment(receivePorts, caller, profile, prepareRequest('pacing', from + index).csrDer),
      ),
    );
    const ids = records.map(({ issuanceId }) => issuanceId);
    await validateEnrollments({ ...shared, signingQueue: () => queue, onItemFailed: fail }, ids);
  }
  const { visible } = await queue.depth();
  if (visible !== requests) throw new Error(`${visible} of ${requests} requests were approved`);
}

function newCaller(profile: string, requests: number): EnrolmentCredential {
  const now = Date.now();
  return {
    id: 'bench',
    principal: 'bench',
    owner: 'bench',
    fleet: 'bench',
    profiles: [profile],
    names: { dns: ['*.fleet.example'], spiffe: [], ip: [] },
    countMax: requests,
    used: 0,
    createdAt: now,
    expiresAt: now + dayMs,
    sha256: 'bench',
  };
}
