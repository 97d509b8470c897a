/**
 * What every SigningBackend owes its use cases (the comment of the port). One suite, run by each adapter; where they may
 * differ, the difference is declared in `SigningBackendTraits`, so that it is seen and not worked around.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KeyDescription } from '../../shared/custody/key-description.ts';
import type { SigningBackend, SubmitOutcome } from '../../shared/issuance/ports.ts';
import type { PreparedIssuance } from '../../shared/lints/prepared-issuance.ts';
import { type Certificate, parseCertificate, verifyCertificateSignature } from '../../shared/pki/certificate.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';

export interface SigningBackendTraits {
  readonly name: string;
  /** Whether the certificate is there when `submit` answers, or is collected later. */
  readonly certificateComes: 'at-submit' | 'by-collect';
  /** What a repeated submit of one intent yields: the same TBSCertificate signed again, or the very same certificate. */
  readonly repetition: 'same-tbs' | 'same-certificate';
  /** What is evidenced of the key. */
  readonly evidence: Pick<KeyDescription, 'source' | 'model' | 'securityLevel' | 'keyAlgorithm'> & {
    readonly attributes: boolean;
    readonly module: boolean;
  };
}

export interface SigningBackendFixture {
  readonly backend: SigningBackend;
  /** The certificate of its CA. */
  readonly issuerDer: Uint8Array;
  /** The instant that the backend's clock shows. */
  readonly now: () => number;
  /** An issuance under the CA, its intent redeemed unless said otherwise. Each has an id of its own. */
  readonly prepare: (options: {
    readonly id: string;
    readonly redeemed?: boolean;
    readonly caId?: string;
  }) => PreparedIssuance;
  /** Takes the key away, so that it is gone and not only busy, and puts it back. */
  readonly key: { readonly remove: () => Promise<void> | void; readonly restore: () => Promise<void> | void };
  readonly close: () => Promise<void> | void;
}

const collectTriesMax = 50;

async function collectAll(
  backend: SigningBackend,
  submitted: readonly SubmitOutcome[],
): Promise<readonly Certificate[]> {
  const issued = new Map<string, Uint8Array>();
  let tickets = submitted.flatMap((outcome) => {
    if (outcome.kind === 'signed') issued.set(outcome.issuanceId, outcome.certificateDer);
    else if (outcome.kind !== 'submitted') throw new Error(JSON.stringify(outcome));
    return outcome.kind === 'submitted' ? [{ issuanceId: outcome.issuanceId, ticket: outcome.ticket }] : [];
  });
  for (let tries = 0; tickets.length > 0; tries += 1) {
    if (tries === collectTriesMax) throw new Error('certificates do not come');
    const outcomes = await backend.collect(tickets);
    expect(outcomes.map(({ issuanceId }) => issuanceId)).toEqual(tickets.map(({ issuanceId }) => issuanceId));
    for (const outcome of outcomes) {
      if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome));
      if (outcome.kind === 'issued') issued.set(outcome.issuanceId, outcome.certificateDer);
    }
    tickets = tickets.filter(({ issuanceId }) => !issued.has(issuanceId));
  }
  return submitted.map(({ issuanceId }) => parseCertificate(issued.get(issuanceId)!));
}

/**
 * Declares the suite. `open` is called once; `missing` is the reason for which nothing of it can run here.
 */
export function signingBackendContract(
  traits: SigningBackendTraits,
  open: () => Promise<SigningBackendFixture>,
  missing?: string,
): void {
  describe(`signing backend: ${traits.name}`, () => {
    let fixture: SigningBackendFixture;
    let issuer: Certificate;

    beforeAll(async () => {
      if (missing !== undefined) return;
      fixture = await open();
      issuer = parseCertificate(fixture.issuerDer);
    });
    afterAll(async () => {
      if (missing === undefined) await fixture.close();
    });

    const test = (name: string, body: () => Promise<void>): void => {
      it(name, async (context) => {
        if (missing !== undefined) context.skip(missing);
        await body();
      });
    };
    const batchOf = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, index) => fixture.prepare({ id: `${prefix}-${index}` }));

    test('describes the key that its CA certificate names, as it is now', async () => {
      const { attributes, module, ...declared } = traits.evidence;
      const key = await fixture.backend.describeKey();
      expect(key).toMatchObject({ ...declared, status: 'usable', spkiSha256: issuer.tbs.publicKey.sha256 });
      expect(key.keyId).toBe(`sha256:${key.spkiSha256}`);
      expect(key.readAt).toBe(fixture.now());
      expect(key.attributes !== undefined).toBe(attributes);
      expect(key.module !== undefined).toBe(module);
    });

    test('answers one outcome for each issuance, in the order asked', async () => {
      const batch = batchOf('order', 20);
      const outcomes = await fixture.backend.submit(batch);
      expect(outcomes.map(({ issuanceId }) => issuanceId)).toEqual(batch.map(({ issuanceId }) => issuanceId));
      const kind = traits.certificateComes === 'at-submit' ? 'signed' : 'submitted';
      expect(new Set(outcomes.map((outcome) => outcome.kind))).toEqual(new Set([kind]));
      await collectAll(fixture.backend, outcomes);
    });

    test('issues under its CA, on the key of the request, what the intent says', async () => {
      const batch = batchOf('content', 3);
      const certificates = await collectAll(fixture.backend, await fixture.backend.submit(batch));
      for (const [index, certificate] of certificates.entries()) {
        const { intent, csrDer } = batch[index]!;
        expect(await verifyCertificateSignature(certificate, issuer.tbs.publicKey)).toBe(true);
        expect(certificate.tbs.issuer.der).toEqual(issuer.tbs.subject.der);
        expect(certificate.tbs.publicKey.sha256).toBe(parseCertificationRequest(csrDer).publicKey.sha256);
        expect([certificate.tbs.notBefore, certificate.tbs.notAfter]).toEqual([intent.notBefore, intent.notAfter]);
        if (intent.kind === 'tbs') expect(Buffer.compare(certificate.tbs.der, intent.tbsDer)).toBe(0);
      }
    });

    test('makes no second certificate when an intent is submitted again', async () => {
      const batch = batchOf('again', 2);
      const [first] = await collectAll(fixture.backend, await fixture.backend.submit(batch));
      const [second] = await collectAll(fixture.backend, await fixture.backend.submit([batch[0]!]));
      expect(second!.tbs.serialHex).toBe(first!.tbs.serialHex);
      expect(Buffer.compare(second!.tbs.der, first!.tbs.der)).toBe(0);
      if (traits.repetition === 'same-certificate') expect(second!.fingerprint).toBe(first!.fingerprint);
    });

    test('serves calls that run at once', async () => {
      const batches = ['left', 'middle', 'right'].map((prefix) => batchOf(prefix, 10));
      const outcomes = await Promise.all(batches.map((batch) => fixture.backend.submit(batch)));
      const certificates = await collectAll(fixture.backend, outcomes.flat());
      expect(new Set(certificates.map(({ tbs }) => tbs.serialHex)).size).toBe(30);
    });

    test('takes an empty batch', async () => {
      expect(await fixture.backend.submit([])).toEqual([]);
      expect(await fixture.backend.collect([])).toEqual([]);
    });

    test('signs nothing of a batch with an intent that the ledger does not hold (intent-before-signature)', async () => {
      const batch = [...batchOf('held', 1), fixture.prepare({ id: 'not-held', redeemed: false })];
      await expect(fixture.backend.submit(batch)).rejects.toThrow('intent');
    });

    test('signs nothing for another CA', async () => {
      await expect(fixture.backend.submit([fixture.prepare({ id: 'foreign', caId: 'another' })])).rejects.toThrow(
        'another CA',
      );
    });

    test('answers unavailable for each while its key is gone, says so, and works again when it is back', async () => {
      const batch = batchOf('gone', 3);
      await fixture.key.remove();
      try {
        const outcomes = await fixture.backend.submit(batch);
        expect(outcomes.map(({ kind }) => kind)).toEqual(['unavailable', 'unavailable', 'unavailable']);
        const key = await fixture.backend.describeKey();
        expect(key).toMatchObject({ status: 'gone', spkiSha256: '' });
      } finally {
        await fixture.key.restore();
      }
      await collectAll(fixture.backend, await fixture.backend.submit(batch));
    });
  });
}
