/**
 * The signer of an HSM's CA as it runs: its queue, its function, its use case and its adapter over SoftHSM, whose library
 * fails as a test tells it to. Time stands still until it is moved.
 */
import { randomBytes } from 'node:crypto';
import type { Handle, PKCS11 } from 'pkcs11js';
import { signerReport } from '../../functions/signer/report.ts';
import type { EventSourceMapping } from '../../localstack/embedded/deployment.ts';
import { type BatchHandler, pollOnce } from '../../localstack/embedded/event-source-mapping.ts';
import { type BatchContext, runBatch } from '../../shared/adapters/aws-lambda/queue-batch.ts';
import { createPkcs11Backend, type Pkcs11Backend } from '../../shared/adapters/pkcs11/backend.ts';
import { createPkcs11Provisioner } from '../../shared/adapters/pkcs11/provisioner.ts';
import { readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import type { SqliteQueue } from '../../shared/adapters/sqlite/queue.ts';
import type { AlarmName } from '../../shared/issuance/alarms.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { SigningBackend } from '../../shared/issuance/ports.ts';
import { sendLater } from '../../shared/issuance/send-later.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { hierarchyOf, sampleWith } from './hierarchies.ts';
import { approved, type IssuanceWorld, openIssuanceWorld, recordOf, tbsIntentOf } from './issuance-world.ts';
import { interposed, newSoftHsmToken, returnValue } from './softhsm.ts';

/** What the library does instead of what it is asked. */
export interface HsmFaults {
  /** A return value instead of a signature, `before` it is made or `after`; by the SHA-256 of what is signed. */
  onSign: ((digest: string) => { readonly before?: string; readonly after?: string } | undefined) | undefined;
  /** The token is not in its slot. */
  removed: boolean;
  /** Opening a session fails with this. */
  onOpenSession: string | undefined;
}

export interface Signer {
  /** Delivers what is visible, batch by batch, until nothing is. */
  deliver(): Promise<void>;
  readonly backend: Pkcs11Backend;
}

export interface HsmWorld {
  readonly world: IssuanceWorld;
  readonly faults: HsmFaults;
  /** SHA-256 of everything that C_Sign has signed, the probes of the key included. */
  readonly signed: string[];
  readonly pinsTried: string[];
  readonly alarms: AlarmName[];
  readonly queue: SqliteQueue;
  /** Another process: a backend of its own, with sessions of its own. */
  newSigner(options?: { readonly pin?: string; readonly wrap?: (backend: SigningBackend) => SigningBackend }): Signer;
  /** Approved issuances of the HSM's CA, on its queue. */
  enqueue(count: number): Promise<readonly string[]>;
  elapse(ms: number): void;
  /** How often the TBSCertificate of an issuance was signed. */
  signaturesOf(issuanceId: string): Promise<number>;
  close(): Promise<void>;
}

export const receiveCountMax = 10;
const visibilityMs = 180_000;

export function mappingOf(queue: string): EventSourceMapping {
  return {
    functionName: 'signer',
    handler: 'functions/signer/handler.handler',
    queue,
    batchSize: 10,
    windowMs: 0,
    concurrencyMax: 2,
    visibilityMs,
  };
}

function faultyLibrary(faults: HsmFaults, signed: string[], pinsTried: string[]) {
  return interposed((real) => ({
    C_Sign: ((session: Handle, data: Buffer, out: Buffer) => {
      const digest = data.length === 32 ? data.toString('hex') : sha256Hex(data);
      const fault = faults.onSign?.(digest);
      // The operation that C_SignInit began is ended by the real call, whatever is answered in its place.
      const signature = real.C_Sign(session, data, out);
      if (fault?.before !== undefined) throw returnValue(fault.before);
      signed.push(digest);
      if (fault?.after !== undefined) throw returnValue(fault.after);
      return signature;
    }) as PKCS11['C_Sign'],
    C_GetSlotList: ((present: boolean) =>
      faults.removed ? [] : real.C_GetSlotList(present)) as PKCS11['C_GetSlotList'],
    C_OpenSession: ((slot: Handle, flags: number) => {
      if (faults.onOpenSession !== undefined) throw returnValue(faults.onOpenSession);
      return real.C_OpenSession(slot, flags);
    }) as PKCS11['C_OpenSession'],
    C_Login: ((session: Handle, user: number, pin: string) => {
      pinsTried.push(pin);
      return real.C_Login(session, user, pin);
    }) as PKCS11['C_Login'],
  }));
}

let tokens = 0;

/** A world of its own, with a token of its own. */
export async function openHsmWorld(): Promise<HsmWorld> {
  tokens += 1;
  const tokenLabel = `hsm-world-${tokens}`;
  const { library, pinFile } = newSoftHsmToken(tokenLabel);
  const pinOfFile = () => readPinFile(pinFile);
  const provisioner = createPkcs11Provisioner({ library, readPin: pinOfFile, random: randomBytes });
  const world = await openIssuanceWorld({
    hierarchy: hierarchyOf(sampleWith(['tokenLabel: sealwright-issuance', `tokenLabel: ${tokenLabel}`])),
    pkcs11Provisioner: provisioner,
  });
  provisioner.close();
  const faults: HsmFaults = { onSign: undefined, removed: false, onOpenSession: undefined };
  const signed: string[] = [];
  const pinsTried: string[] = [];
  const alarms: AlarmName[] = [];
  const openLibrary = faultyLibrary(faults, signed, pinsTried);
  const queue = world.store.queue('signing-pkcs11', { receiveCountMax, deadLetterQueue: 'signing-pkcs11-dead' });
  const issuer = (await world.authorities.newest('workloads'))!;
  const opened: Pkcs11Backend[] = [];

  return {
    world,
    faults,
    signed,
    pinsTried,
    alarms,
    queue,
    newSigner({ pin, wrap } = {}) {
      const backend = createPkcs11Backend({
        library,
        authority: {
          caId: 'workloads',
          ref: issuer.backendRef,
          spkiSha256: issuer.spkiSha256,
          signingAlgorithm: 'SHA256WITHECDSA',
        },
        readPin: () => pin ?? pinOfFile(),
        clock: () => world.now,
        openLibrary,
      });
      opened.push(backend);
      const wrapped = wrap === undefined ? backend : wrap(backend);
      const ports = {
        ...world.signerPorts({
          backendOf: (of) => (of.caId === 'workloads' ? wrapped : world.devices),
          report: signerReport((name) => alarms.push(name)),
        }),
        signingQueue: (kind: string) => (kind === 'pkcs11' ? queue : undefined),
      };
      const handler: BatchHandler = (event, context) =>
        runBatch(event, async (ids) => sendLater(ports, await issueCertificates(ports, ids)), context as BatchContext);
      return {
        backend,
        async deliver() {
          const onError = (cause: unknown) => {
            throw cause;
          };
          while ((await pollOnce(mappingOf(queue.name), queue, handler, onError, 0)) > 0);
        },
      };
    },
    async enqueue(count) {
      const ids: string[] = [];
      for (let n = 0; n < count; n++) ids.push(await approved(world, { profile: 'service' }));
      await queue.send(ids);
      return ids;
    },
    elapse(ms) {
      world.now += ms;
    },
    async signaturesOf(issuanceId) {
      const digest = sha256Hex(tbsIntentOf(await recordOf(world, issuanceId)).tbsDer);
      return signed.filter((one) => one === digest).length;
    },
    async close() {
      for (const backend of opened) backend.close();
      await world.close();
    },
  };
}
