import { afterEach, beforeEach, describe, expect } from 'vitest';
import type { BatchHandler } from '../../localstack/embedded/event-source-mapping.ts';
import { pollOnce } from '../../localstack/embedded/event-source-mapping.ts';
import { runBatch } from '../../shared/adapters/aws-lambda/queue-batch.ts';
import { createAdmissionControl } from '../../shared/issuance/admission.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import { receiveEnrollment } from '../../shared/issuance/receive-enrollment.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import type { PreparedIssuance } from '../../shared/lints/prepared-issuance.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { type HsmWorld, mappingOf, openHsmWorld, receiveCountMax } from '../support/hsm-world.ts';
import { approved, createCaller, recordOf, stateOf, tbsIntentOf } from '../support/issuance-world.ts';
import { dns, freshName, requestFor } from '../support/service.ts';
import { itWithSoftHsm, softHsmMissing } from '../support/softhsm.ts';

let h: HsmWorld;
beforeEach(async () => {
  if (softHsmMissing === undefined) h = await openHsmWorld();
});
afterEach(() => h?.close());

/** Each id is issued, with exactly the certificate that its intent fixed, and its message is gone. */
async function expectIssued(ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const record = await recordOf(h.world, id);
    expect(record.state, JSON.stringify(record.lastError)).toBe('issued');
    const { tbs } = parseCertificate(record.certificateDer!);
    expect(Buffer.compare(tbs.der, tbsIntentOf(record).tbsDer)).toBe(0);
  }
  expect(await h.queue.depth()).toMatchObject({ visible: 0, inFlight: 0 });
}

/** Signatures asked for, without the probes of the key: counts from 1. */
function countingSignatures(faultOf: (nth: number) => ReturnType<NonNullable<HsmWorld['faults']['onSign']>>) {
  let nth = 0;
  const own = new Set<string>();
  return {
    /** Those of these issuances count; called when their intents are there. */
    watch: (prepared: readonly PreparedIssuance[]) => {
      for (const { intent } of prepared) if (intent.kind === 'tbs') own.add(sha256Hex(intent.tbsDer));
    },
    onSign: (digest: string) => (own.has(digest) ? faultOf(++nth) : undefined),
  };
}

/** A signer whose signatures fail as told. */
function failingSigner(faultOf: (nth: number) => ReturnType<NonNullable<HsmWorld['faults']['onSign']>>) {
  const counting = countingSignatures(faultOf);
  h.faults.onSign = counting.onSign;
  return h.newSigner({
    wrap: (backend) => ({
      ...backend,
      submit: (batch) => {
        counting.watch(batch);
        return backend.submit(batch);
      },
    }),
  });
}

describe('an HSM that fails under the signer', () => {
  itWithSoftHsm('loses nothing when a session is lost in the middle of a batch', async () => {
    const ids = await h.enqueue(10);
    await failingSigner((nth) => (nth === 4 ? { before: 'CKR_SESSION_HANDLE_INVALID' } : undefined)).deliver();
    await expectIssued(ids);
    expect(h.alarms).toEqual([]);
  });

  itWithSoftHsm('signs the same TBSCertificate again when the answer to C_Sign is lost', async () => {
    const ids = await h.enqueue(10);
    await failingSigner((nth) => (nth === 3 ? { after: 'CKR_DEVICE_REMOVED' } : undefined)).deliver();
    await expectIssued(ids);
    const counts = await Promise.all(ids.map((id) => h.signaturesOf(id)));
    expect(counts.toSorted()).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
  });

  itWithSoftHsm('signs the same TBSCertificate in a later delivery when the answer is lost in this one', async () => {
    const ids = await h.enqueue(1);
    const signer = failingSigner((nth) => (nth <= 2 ? { after: 'CKR_FUNCTION_FAILED' } : undefined));
    await signer.deliver();
    const before = await recordOf(h.world, ids[0]!);
    expect(before).toMatchObject({ state: 'intended', attempts: 1, lastError: { code: 'CKR_FUNCTION_FAILED' } });
    h.elapse(3_600_000 / 60);
    await signer.deliver();
    h.elapse(60_000);
    await signer.deliver();
    await expectIssued(ids);
    expect(await h.signaturesOf(ids[0]!)).toBe(3);
    expect(tbsIntentOf(await recordOf(h.world, ids[0]!))).toEqual(tbsIntentOf(before));
  });

  itWithSoftHsm('waits while the HSM is busy (CKR_FUNCTION_FAILED), and goes on when it is not', async () => {
    const ids = await h.enqueue(12);
    let busy = true;
    const signer = failingSigner(() => (busy ? { before: 'CKR_FUNCTION_FAILED' } : undefined));
    await signer.deliver();
    expect(await h.queue.depth()).toMatchObject({ visible: 0, inFlight: 12 });
    busy = false;
    h.elapse(10_000);
    await signer.deliver();
    await expectIssued(ids);
    for (const id of ids) expect(await h.signaturesOf(id)).toBe(1);
  });

  itWithSoftHsm('lets one bad message fail alone, and a poison message end alone', async () => {
    await h.queue.send(['not an issuance\u001b[2J']);
    const ids = await h.enqueue(9);
    const signer = failingSigner((nth) => (nth === 5 ? { before: 'CKR_DATA_LEN_RANGE' } : undefined));
    await signer.deliver();
    const states = await Promise.all(ids.map((id) => stateOf(h.world, id)));
    expect(states.filter((state) => state === 'issued')).toHaveLength(8);
    expect(states.filter((state) => state === 'failed')).toHaveLength(1);
    for (let delivery = 0; delivery < receiveCountMax; delivery++) {
      h.elapse(180_000);
      await signer.deliver();
    }
    const { letters } = await h.world.store.deadLetters.list({ countMax: 10 });
    expect(letters).toMatchObject([
      { queue: 'signing-pkcs11', receiveCount: receiveCountMax, lastError: 'body-invalid' },
    ]);
    expect(await h.queue.depth()).toMatchObject({ visible: 0, inFlight: 0 });
  });

  for (const name of ['CKR_DEVICE_ERROR', 'CKR_TOKEN_NOT_PRESENT', 'CKR_GENERAL_ERROR']) {
    itWithSoftHsm(`stops with ${name}, says so, and takes up its work when the device is back`, async () => {
      const ids = await h.enqueue(10);
      let ailing = true;
      const signer = failingSigner((nth) => (ailing && nth > 3 ? { before: name } : undefined));
      await signer.deliver();
      const records = await Promise.all(ids.map((id) => recordOf(h.world, id)));
      expect(records.filter(({ state }) => state === 'issued')).toHaveLength(3);
      const waiting = records.filter(({ state }) => state === 'intended');
      expect(new Set(waiting.map(({ lastError }) => lastError?.code))).toEqual(new Set([name]));
      expect(waiting).toHaveLength(7);
      expect(h.alarms).toContain('backend-unavailable');
      ailing = false;
      h.elapse(10_000);
      await signer.deliver();
      await expectIssued(ids);
    });
  }

  itWithSoftHsm('finds its token again after it was removed and put back', async () => {
    const signer = h.newSigner();
    await signer.deliver();
    const before = await h.enqueue(3);
    await signer.deliver();
    await expectIssued(before);
    // Removed: sessions end, and the slot is empty. Evidence of the key is old by then and is read anew.
    h.faults.removed = true;
    signer.backend.close();
    h.elapse(60_000);
    const ids = await h.enqueue(5);
    for (const delayMs of [0, 2_000, 4_000]) {
      h.elapse(delayMs);
      await signer.deliver();
    }
    expect(new Set(await Promise.all(ids.map((id) => stateOf(h.world, id))))).toEqual(new Set(['approved']));
    expect((await recordOf(h.world, ids[0]!)).lastError?.code).toBe('token-missing');
    expect(h.alarms).toContain('backend-unavailable');
    h.faults.removed = false;
    h.elapse(60_000);
    await signer.deliver();
    await expectIssued(ids);
  });

  itWithSoftHsm('tries a wrong PIN once, over many messages and deliveries', async () => {
    const ids = await h.enqueue(25);
    const signer = h.newSigner({ pin: 'wrong' });
    for (let delivery = 0; delivery < 5; delivery++) {
      await signer.deliver();
      h.elapse(60_000);
    }
    expect(h.pinsTried).toEqual(['wrong']);
    expect(new Set(h.alarms)).toEqual(new Set(['hsm-pin-refused']));
    expect(new Set(await Promise.all(ids.map((id) => stateOf(h.world, id))))).toEqual(new Set(['approved']));
    const record = await recordOf(h.world, ids[0]!);
    expect(record.lastError).toMatchObject({ code: 'CKR_PIN_INCORRECT' });
    expect(JSON.stringify(record.lastError)).not.toContain('wrong');
  });

  itWithSoftHsm(
    'gives up nothing that it signs late: frozen before C_Sign, thawed after another took over',
    async () => {
      const thaw = Promise.withResolvers<void>();
      const reached = Promise.withResolvers<void>();
      const frozen = h.newSigner({
        wrap: (backend) => ({
          ...backend,
          async submit(batch) {
            reached.resolve();
            await thaw.promise;
            return backend.submit(batch);
          },
        }),
      });
      const ids = await h.enqueue(5);
      const late = frozen.deliver();
      await reached.promise;
      // Longer than the visibility timeout: the messages come back, and another process takes them.
      h.elapse(200_000);
      await h.newSigner().deliver();
      await expectIssued(ids);
      const certificates = await Promise.all(ids.map(async (id) => (await recordOf(h.world, id)).fingerprint));
      // Its sessions did not survive.
      let lost = 0;
      h.faults.onSign = () => (lost++ === 0 ? { before: 'CKR_SESSION_HANDLE_INVALID' } : undefined);
      thaw.resolve();
      await late;
      await expectIssued(ids);
      expect(await Promise.all(ids.map(async (id) => (await recordOf(h.world, id)).fingerprint))).toEqual(certificates);
      for (const id of ids) expect(await h.signaturesOf(id)).toBe(2);
    },
  );

  itWithSoftHsm('stops its own queue alone: the CA of another backend goes on', async () => {
    const other = h.world.store.queue('signing-acm-pca', { receiveCountMax, deadLetterQueue: 'signing-acm-pca-dead' });
    h.faults.removed = true;
    const onHsm = await h.enqueue(5);
    const atPca: string[] = [];
    for (let n = 0; n < 5; n++) atPca.push(await approved(h.world, { profile: 'device' }));
    await other.send(atPca);
    const ports = h.world.signerPorts();
    const handler: BatchHandler = (event) => runBatch(event, (ids) => issueCertificates(ports, ids));
    const signer = h.newSigner();
    await Promise.all([signer.deliver(), pollOnce(mappingOf(other.name), other, handler, () => undefined, 0)]);
    expect(new Set(await Promise.all(atPca.map((id) => stateOf(h.world, id))))).toEqual(new Set(['issued']));
    expect(new Set(await Promise.all(onHsm.map((id) => stateOf(h.world, id))))).toEqual(new Set(['approved']));
  });

  itWithSoftHsm(
    'waits for as long as the device is gone, gives up no message, and comes ever more seldom',
    async () => {
      h.faults.onOpenSession = 'CKR_DEVICE_ERROR';
      const ids = await h.enqueue(3);
      const signer = h.newSigner();
      for (let minute = 0; minute < 180; minute++) {
        await signer.deliver();
        h.elapse(60_000);
      }
      expect((await h.world.store.deadLetters.list({ countMax: 10 })).letters).toEqual([]);
      const waiting = await Promise.all(ids.map((id) => recordOf(h.world, id)));
      for (const { attempts, lastError, state } of waiting) {
        expect([state, lastError?.code]).toEqual(['approved', 'CKR_DEVICE_ERROR']);
        expect(attempts).toBeGreaterThan(10);
        expect(attempts).toBeLessThan(50);
      }
      h.faults.onOpenSession = undefined;
      h.elapse(320_000);
      await signer.deliver();
      await expectIssued(ids);
    },
  );

  /** Ten deliveries in which the signature fails with what may pass: the messages are given up. */
  async function giveUp(count: number) {
    const ids = await h.enqueue(count);
    let busy = true;
    const signer = failingSigner(() => (busy ? { before: 'CKR_FUNCTION_FAILED' } : undefined));
    for (let delivery = 0; delivery <= receiveCountMax; delivery++) {
      await signer.deliver();
      h.elapse(180_000);
    }
    busy = false;
    const { letters } = await h.world.store.deadLetters.list({ countMax: 10 });
    return { ids, signer, letters };
  }

  itWithSoftHsm(
    'ends in the dead-letter queue with its cause, and issues when that is mended and it is redriven',
    async () => {
      const { ids, letters, signer } = await giveUp(3);
      const { deadLetters } = h.world.store;
      expect(letters.map(({ body }) => body).sort()).toEqual([...ids].sort());
      for (const letter of letters) {
        expect(letter).toMatchObject({ receiveCount: receiveCountMax, lastError: 'CKR_FUNCTION_FAILED' });
      }
      for (const { id } of letters) expect(await deadLetters.redrive(id)).toBe(true);
      for (const { id } of letters) expect(await deadLetters.redrive(id)).toBe(false);
      await signer.deliver();
      await expectIssued(ids);
    },
  );

  itWithSoftHsm('changes nothing when a dead letter is redriven whose issuance was issued meanwhile', async () => {
    const { ids, letters, signer } = await giveUp(2);
    const { deadLetters } = h.world.store;
    expect(letters).toHaveLength(2);
    // As the reconciler does with what is stale.
    await h.queue.send(ids);
    await signer.deliver();
    await expectIssued(ids);
    const look = async () => ({
      signed: h.signed.length,
      records: await Promise.all(ids.map((id) => recordOf(h.world, id))),
    });
    const before = await look();
    for (const { id } of letters) expect(await deadLetters.redrive(id)).toBe(true);
    await signer.deliver();
    await expectIssued(ids);
    expect(await look()).toEqual(before);
    expect((await deadLetters.list({ countMax: 10 })).letters).toEqual([]);
  });
});

describe('back-pressure of an HSM that stays away', () => {
  itWithSoftHsm('closes its own door alone, and opens it when it is back', async () => {
    const { world } = h;
    const pca = world.store.queue('signing-acm-pca', { receiveCountMax, deadLetterQueue: 'signing-acm-pca-dead' });
    const enrolment = world.store.queue('enrolment', { receiveCountMax, deadLetterQueue: 'enrolment-dead' });
    const queues = { 'acm-pca': pca, pkcs11: h.queue };
    const signingQueue = (kind: string) => queues[kind as keyof typeof queues];
    const shared = { enrolmentQueue: enrolment, signingQueue, clock: () => world.now };
    const admission = createAdmissionControl({ ...shared, priorPerSecond: () => 25, validatedPerSecondPrior: 500 });
    const receivePorts = { ...world.receivePorts, ...shared, admission };
    const validatePorts = { ...world.validatePorts, ...shared };
    const signerPorts = world.signerPorts();
    const validator: BatchHandler = (event) => runBatch(event, (ids) => validateEnrollments(validatePorts, ids));
    const pcaSigner: BatchHandler = (event) => runBatch(event, (ids) => issueCertificates(signerPorts, ids));
    const hsmSigner = h.newSigner();
    const caller = await createCaller(world);
    const work = async () => {
      await pollOnce(mappingOf('enrolment'), enrolment, validator, () => undefined, 0);
      await pollOnce(mappingOf('signing-acm-pca'), pca, pcaSigner, () => undefined, 0);
      await hsmSigner.deliver();
    };
    const post = async (profile: 'device' | 'service', csrDer = requestFor([dns(freshName())])) => {
      try {
        return { csrDer, record: await receiveEnrollment(receivePorts, caller, profile, csrDer) };
      } catch (error) {
        if (!(error instanceof SealwrightError)) throw error;
        return { csrDer, error };
      }
    };

    h.faults.removed = true;
    const accepted: Uint8Array[] = [];
    let refusal: SealwrightError | undefined;
    for (let second = 0; second < 90 && refusal === undefined; second++) {
      const { csrDer, record, error } = await post('service');
      if (record !== undefined) accepted.push(csrDer);
      refusal = error;
      expect((await post('device')).error).toBeUndefined();
      await work();
      h.elapse(1_000);
    }
    expect(refusal).toMatchObject({ code: 'queue-too-deep' });
    expect(refusal!.retryAfterMs).toBeGreaterThanOrEqual(30_000);
    // What was accepted is answered still, and other CAs are open.
    expect((await post('service', accepted[0])).record?.state).toBe('approved');
    expect((await post('device')).error).toBeUndefined();
    await work();

    h.faults.removed = false;
    for (let minute = 0; minute < 4; minute++) {
      h.elapse(60_000);
      await work();
    }
    expect((await post('service')).record?.state).toBe('received');
    for (const csrDer of accepted) expect((await post('service', csrDer)).record?.state).toBe('issued');
  });
});
