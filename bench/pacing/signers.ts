import { randomBytes } from 'node:crypto';
import { type Poller, startPoller } from '../../localstack/embedded/event-source-mapping.ts';
import { createAcmPcaBackend } from '../../shared/adapters/acm-pca/backend.ts';
import { createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import { createLeasedPacingBudget } from '../../shared/adapters/acm-pca/pacing.ts';
import { runBatch } from '../../shared/adapters/aws-lambda/queue-batch.ts';
import { createThrowawaySignatures } from '../../shared/adapters/software/throwaway.ts';
import type { ItemOutcome } from '../../shared/issuance/batch.ts';
import { createCrlShards } from '../../shared/issuance/crl-shards.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { PermitStore } from '../../shared/issuance/permits.ts';
import type { SigningBackend } from '../../shared/issuance/ports.ts';
import { createRequestReader } from '../../shared/issuance/request-reader.ts';
import { sendLater } from '../../shared/issuance/send-later.ts';
import type { IssueCertificatePorts } from '../../shared/issuance/signer-ports.ts';
import type { PacingOptions } from './options.ts';
import { clientOptions, type PacingWorld } from './world.ts';

/** What signers tell while they run. */
export interface Observer {
  /** IssueCertificate was answered with an ARN. */
  issued(): void;
  /** A message was not settled by its delivery. */
  deferred(outcome: Exclude<ItemOutcome, { kind: 'done' }>): void;
  /** A write to the permit store. */
  exchanged(kind: 'stored' | 'conflict'): void;
  failed(cause: unknown): void;
}

/** As the signer for ACM PCA is deployed (serverless.yml), but one batch at a time: each is one concurrent signer. */
const mapping = {
  functionName: 'signerAcmPca',
  handler: 'functions/signer/handler.handler',
  queue: 'signing-acm-pca',
  batchSize: 10,
  windowMs: 0,
  concurrencyMax: 1,
  visibilityMs: 180_000,
};
const burstMs = 300;

/** Starts a signer of its own: client, pacing budget, backend and evidence are shared with no other. */
export function startSigner(world: PacingWorld, options: PacingOptions, observer: Observer): Poller {
  const ports = signerPorts(world, options, observer);
  const signingQueue = () => world.queue;
  return startPoller(
    mapping,
    world.queue,
    (event) =>
      runBatch(event, async (ids) => {
        const outcomes = await issueCertificates(ports, ids);
        for (const outcome of outcomes) if (outcome.kind !== 'done') observer.deferred(outcome);
        return sendLater({ signingQueue }, outcomes);
      }),
    observer.failed,
  );
}

function signerPorts(world: PacingWorld, options: PacingOptions, observer: Observer): IssueCertificatePorts {
  const { authorities, hierarchy, store } = world;
  const client = createAcmPcaClient({ ...clientOptions, endpoint: world.endpointUrl });
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const answer = await next(args);
      if (context.commandName === 'IssueCertificateCommand') observer.issued();
      return answer;
    },
    { step: 'initialize' },
  );
  const pacing = createLeasedPacingBudget({
    store: observed(store.permits, observer),
    clock: Date.now,
    budgetId: 'bench',
    rates: {
      IssueCertificate: { perSecond: options.rate, burstMs },
      GetCertificate: { perSecond: 3 * options.rate, burstMs },
    },
    shareForOthers: options.shareForOthers,
  });
  // One CA is measured.
  let backend: SigningBackend | undefined;
  const failed = (...told: readonly unknown[]) => observer.failed(told);
  return {
    hierarchy,
    requests: createRequestReader(),
    authorities,
    ledger: store.ledger,
    clock: Date.now,
    backendOf: ({ caId, backendRef: ref }) => {
      backend ??= createAcmPcaBackend({ client, authority: { caId, ref }, pacing, clock: Date.now });
      return backend;
    },
    custody: createCustodyGate(hierarchy, Date.now),
    crlShards: createCrlShards(store.ledger),
    throwaway: createThrowawaySignatures(),
    random: (bytes) => randomBytes(bytes),
    report: {
      itemFailed: failed,
      custodyStopped: failed,
      custodyUnknown: failed,
      misissued: failed,
      refused: failed,
      authorityUnavailable: failed,
      throttled: failed,
    },
  };
}

function observed(store: PermitStore, { exchanged }: Observer): PermitStore {
  return {
    read: store.read,
    async exchange(budgetId, expectedVersion, next) {
      const outcome = await store.exchange(budgetId, expectedVersion, next);
      exchanged(outcome.kind);
      return outcome;
    },
  };
}
