import {
  ACMPCAClient,
  GetCertificateCommand,
  IssueCertificateCommand,
  type IssueCertificateCommandInput,
} from '@aws-sdk/client-acm-pca';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AcmPcaLimits, createAcmPcaBackend } from '../../shared/adapters/acm-pca/backend.ts';
import type { PacedCall, PacingRate } from '../../shared/adapters/acm-pca/pacing.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { createPacingBudget } from '../support/process-pacing.ts';
import { caCertificateDer, newTemplateIssuance, templateTime } from '../support/template-issuance.ts';

const ref = 'arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/0f4b6f62-4f8a-4b5e-9a3b-6a2d7c1f0e11';
const ticketOf = (index: number) => `${ref}/certificate/${index + 1}`;
const pem = encodePem('CERTIFICATE', caCertificateDer).trimEnd();

/** As the SDK throws it; no answer at all has no status. */
function serviceError(name: string, status: number | 'no answer' = 400): Error {
  const $metadata = status === 'no answer' ? { attempts: 1 } : { httpStatusCode: status, requestId: 'r-1' };
  return Object.assign(new Error(`text of ${name}`), { name, $metadata });
}

const plenty: PacingRate = { perSecond: 1_000_000, burstMs: 1000 };

function setUp(limits: Partial<AcmPcaLimits> = {}, rates: Partial<Record<PacedCall, PacingRate>> = {}) {
  const time = { now: templateTime };
  const clock = () => time.now;
  const slept: number[] = [];
  const sleep = async (waitMs: number) => {
    slept.push(waitMs);
    const until = time.now + waitMs;
    await Promise.resolve();
    time.now = Math.max(time.now, until);
  };
  const pacing = createPacingBudget({
    clock,
    sleep,
    rates: { IssueCertificate: plenty, GetCertificate: plenty, ...rates },
  });
  const client = new ACMPCAClient({ region: 'eu-central-1', endpoint: 'https://acm-pca.eu-central-1.amazonaws.com' });
  const backend = createAcmPcaBackend({ client, authority: { caId: 'devices', ref }, pacing, clock, sleep, limits });
  return { backend, time, slept };
}

describe('the ACM PCA backend', () => {
  // aws-sdk-client-mock is typed for a newer client: hence the casts.
  let mock: ReturnType<typeof mockClient>;

  beforeEach(() => {
    mock = mockClient(ACMPCAClient as never);
  });
  afterEach(() => mock.restore());

  const onIssue = () => mock.on(IssueCertificateCommand as never);
  const onGet = () => mock.on(GetCertificateCommand as never);
  const issueInputs = () =>
    mock
      .commandCalls(IssueCertificateCommand as never)
      .map((call) => call.args[0].input as IssueCertificateCommandInput);
  const getCount = () => mock.commandCalls(GetCertificateCommand as never).length;

  describe('what it sends', () => {
    it('sends the stored intent: template, absolute validity, token, and names of ours alone', async () => {
      onIssue().resolves({ CertificateArn: ticketOf(0) } as never);
      const prepared = newTemplateIssuance();
      const { backend } = setUp();
      expect(await backend.submit([prepared])).toEqual([
        { kind: 'submitted', issuanceId: prepared.issuanceId, ticket: ticketOf(0) },
      ]);
      const [input] = issueInputs();
      if (prepared.intent.kind !== 'template') throw new Error('not a template intent');
      expect(input).toMatchObject({
        CertificateAuthorityArn: ref,
        SigningAlgorithm: 'SHA256WITHECDSA',
        TemplateArn: 'arn:aws:acm-pca:::template/BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough/V1',
        Validity: { Type: 'ABSOLUTE', Value: prepared.intent.notAfter / 1000 },
        ValidityNotBefore: { Type: 'ABSOLUTE', Value: prepared.intent.notBefore / 1000 },
        IdempotencyToken: prepared.intent.idempotencyToken,
        ApiPassthrough: {
          Subject: { CommonName: 'a.fleet.example' },
          Extensions: {
            SubjectAlternativeNames: [{ DnsName: 'a.fleet.example' }],
            ExtendedKeyUsage: [{ ExtendedKeyUsageType: 'SERVER_AUTH' }, { ExtendedKeyUsageType: 'CLIENT_AUTH' }],
          },
        },
      });
      expect(Buffer.from(input!.Csr!).toString()).toBe(encodePem('CERTIFICATE REQUEST', prepared.csrDer));
      expect(input!.IdempotencyToken!.length).toBeLessThanOrEqual(36);
    });

    it('sends key usage critical and in DER, which the KeyUsage member does not promise (RFC 5280 4.2.1.3)', async () => {
      onIssue().resolves({ CertificateArn: ticketOf(0) } as never);
      await setUp().backend.submit([newTemplateIssuance()]);
      const { Extensions } = issueInputs()[0]!.ApiPassthrough!;
      expect(Extensions!.KeyUsage).toBeUndefined();
      expect(Extensions!.CustomExtensions).toEqual([
        { ObjectIdentifier: '2.5.29.15', Value: Buffer.from('03020780', 'hex').toString('base64'), Critical: true },
      ]);
    });

    it('sends an empty subject and a critical SAN when there is no common name (RFC 5280 4.2.1.6)', async () => {
      onIssue().resolves({ CertificateArn: ticketOf(0) } as never);
      await setUp().backend.submit([newTemplateIssuance({ commonName: undefined })]);
      const { Subject, Extensions } = issueInputs()[0]!.ApiPassthrough!;
      expect(Subject).toEqual({});
      expect(Extensions!.SubjectAlternativeNames).toBeUndefined();
      expect(
        Extensions!.CustomExtensions!.map(({ ObjectIdentifier, Critical }) => [ObjectIdentifier, Critical]),
      ).toEqual([
        ['2.5.29.15', true],
        ['2.5.29.17', true],
      ]);
      expect(Buffer.from(Extensions!.CustomExtensions![1]!.Value!, 'base64').toString('latin1')).toContain(
        'a.fleet.example',
      );
    });

    it('signs nothing when one intent of the batch is not in the ledger', async () => {
      const batch = [newTemplateIssuance(), newTemplateIssuance({ id: 'two', redeemed: false })];
      await expect(setUp().backend.submit(batch)).rejects.toThrow(/in the ledger/);
      expect(issueInputs()).toHaveLength(0);
    });

    it('does not use a token again 240 s after its intent: ACM PCA has forgotten it at 300 (aws-facts)', async () => {
      onIssue().resolves({ CertificateArn: ticketOf(0) } as never);
      const { backend, time } = setUp();
      const prepared = newTemplateIssuance();
      time.now = templateTime + 239_999;
      expect((await backend.submit([prepared]))[0]!.kind).toBe('submitted');
      time.now = templateTime + 240_000;
      expect((await backend.submit([prepared]))[0]).toMatchObject({ kind: 'retry', code: 'pca-token-window-passed' });
      expect(issueInputs()).toHaveLength(1);
    });
  });

  describe('what it makes of errors to IssueCertificate', () => {
    it.each([
      ['ThrottlingException', 400, 'retry', 'pca-throttled'],
      ['RequestInProgressException', 400, 'retry', 'pca-in-progress'],
      ['RequestFailedException', 400, 'refused', 'pca-request-failed'],
      ['LimitExceededException', 400, 'unavailable', 'pca-limit-exceeded'],
      ['InvalidStateException', 400, 'unavailable', 'pca-invalid-state'],
      ['MalformedCSRException', 400, 'refused', 'pca-malformed-csr'],
      ['ValidationException', 400, 'refused', 'pca-validation'],
      ['InvalidArgsException', 400, 'refused', 'pca-invalid-args'],
      ['InvalidArnException', 400, 'unavailable', 'pca-invalid-arn'],
      ['ResourceNotFoundException', 400, 'unavailable', 'pca-not-found'],
      ['AccessDeniedException', 400, 'unavailable', 'pca-access-denied'],
      ['UnrecognizedClientException', 400, 'unavailable', 'pca-not-authenticated'],
      ['InternalFailure', 500, 'retry', 'pca-outcome-unknown'],
      ['ServiceUnavailable', 503, 'retry', 'pca-outcome-unknown'],
      ['TimeoutError', 'no answer', 'retry', 'pca-outcome-unknown'],
      ['AbortError', 'no answer', 'retry', 'pca-outcome-unknown'],
      ['NeverSeenBefore', 400, 'retry', 'pca-error-not-known'],
    ] as const)('%s (%s) → %s %s', async (name, status, kind, code) => {
      onIssue().rejects(serviceError(name, status) as never);
      const prepared = newTemplateIssuance();
      const [outcome] = await setUp().backend.submit([prepared]);
      expect(outcome).toMatchObject({ kind, code, issuanceId: prepared.issuanceId });
    });

    it('answers each in its place: what goes wrong with one is in its own outcome', async () => {
      const batch = [1, 2, 3].map((index) => newTemplateIssuance({ id: String(index) }));
      onIssue()
        .resolvesOnce({ CertificateArn: ticketOf(0) } as never)
        .rejectsOnce(serviceError('MalformedCSRException') as never)
        .resolvesOnce({ CertificateArn: ticketOf(2) } as never);
      const outcomes = await setUp({ inFlightMax: 1 }).backend.submit(batch);
      expect(outcomes.map(({ kind }) => kind)).toEqual(['submitted', 'refused', 'submitted']);
      expect(outcomes.map(({ issuanceId }) => issuanceId)).toEqual(batch.map(({ issuanceId }) => issuanceId));
    });

    it('sends a throttled call again with the same token, never anew (design: the stored intent is used)', async () => {
      onIssue()
        .rejectsOnce(serviceError('ThrottlingException') as never)
        .resolvesOnce({ CertificateArn: ticketOf(0) } as never);
      const [outcome] = await setUp().backend.submit([newTemplateIssuance()]);
      expect(outcome!.kind).toBe('submitted');
      const [first, second] = issueInputs();
      expect(second).toEqual(first);
    });

    it('sends a call whose answer was lost again with the same token', async () => {
      onIssue()
        .rejectsOnce(serviceError('TimeoutError', 'no answer') as never)
        .resolvesOnce({ CertificateArn: ticketOf(0) } as never);
      const [outcome] = await setUp().backend.submit([newTemplateIssuance()]);
      expect(outcome!.kind).toBe('submitted');
      expect(new Set(issueInputs().map(({ IdempotencyToken }) => IdempotencyToken)).size).toBe(1);
    });

    it('gives up after its attempts and says when to come again', async () => {
      onIssue().rejects(serviceError('ThrottlingException') as never);
      const [outcome] = await setUp({ attemptsMax: 3 }).backend.submit([newTemplateIssuance()]);
      expect(outcome).toMatchObject({ kind: 'retry', code: 'pca-throttled', retryAfterMs: 1000 });
      expect(issueInputs()).toHaveLength(3);
    });

    it('names the error, its words and the request id for the operator', async () => {
      onIssue().rejects(serviceError('ValidationException') as never);
      const [outcome] = await setUp().backend.submit([newTemplateIssuance()]);
      expect(outcome).toMatchObject({ message: 'ValidationException: text of ValidationException (request r-1)' });
    });
  });

  describe('pacing', () => {
    it('answers retry for what the budget does not carry before the deadline, without a call', async () => {
      onIssue().resolves({ CertificateArn: ticketOf(0) } as never);
      const limits = { submitMsMax: 3_000, callMsMax: 1_000 };
      const { backend, time } = setUp(limits, { IssueCertificate: { perSecond: 10, burstMs: 1000 } });
      const batch = Array.from({ length: 40 }, (_, index) => newTemplateIssuance({ id: String(index) }));
      const outcomes = await backend.submit(batch);
      // A burst of ten, then ten a second for the two seconds in which a call may still begin.
      expect(outcomes.filter(({ kind }) => kind === 'submitted')).toHaveLength(30);
      expect(outcomes.filter(({ kind }) => kind === 'retry')).toHaveLength(10);
      expect(outcomes[39]).toMatchObject({ code: 'pca-paced' });
      expect(issueInputs()).toHaveLength(30);
      expect(time.now - templateTime).toBeLessThanOrEqual(limits.submitMsMax);
    });

    it('slows down after a throttle', async () => {
      onIssue()
        .rejectsOnce(serviceError('ThrottlingException') as never)
        .resolves({ CertificateArn: ticketOf(0) } as never);
      const { backend, time } = setUp({ inFlightMax: 1 }, { IssueCertificate: { perSecond: 100, burstMs: 0 } });
      await backend.submit(Array.from({ length: 10 }, (_, index) => newTemplateIssuance({ id: String(index) })));
      expect(time.now - templateTime).toBeGreaterThan(10 * 10 * 1.5);
    });
  });

  describe('collecting', () => {
    const ticket = { issuanceId: 'one.1', ticket: ticketOf(0) };

    it('answers the certificate as DER', async () => {
      onGet().resolves({ Certificate: pem, CertificateChain: pem } as never);
      const [outcome] = await setUp().backend.collect([ticket]);
      expect(outcome!.kind).toBe('issued');
      if (outcome!.kind === 'issued') expect(Buffer.compare(outcome!.certificateDer, caCertificateDer)).toBe(0);
      expect(mock.commandCalls(GetCertificateCommand as never)[0]!.args[0].input).toEqual({
        CertificateAuthorityArn: ref,
        CertificateArn: ticketOf(0),
      });
    });

    it('polls until the asynchronous half is done', async () => {
      onGet()
        .rejectsOnce(serviceError('RequestInProgressException') as never)
        .rejectsOnce(serviceError('RequestInProgressException') as never)
        .rejectsOnce(serviceError('ThrottlingException') as never)
        .resolvesOnce({ Certificate: pem } as never);
      const { backend, slept } = setUp();
      expect((await backend.collect([ticket]))[0]!.kind).toBe('issued');
      expect(slept).toContain(20);
      expect(getCount()).toBe(4);
    });

    it('is pending, not failed, when the polls are used up', async () => {
      onGet().rejects(serviceError('RequestInProgressException') as never);
      const { backend, time } = setUp({ pollDelaysMs: [0, 20, 50] });
      expect((await backend.collect([ticket]))[0]).toMatchObject({ kind: 'pending' });
      expect(getCount()).toBe(3);
      expect(time.now - templateTime).toBe(70);
    });

    it('believes that a certificate is not there only when every poll says so', async () => {
      onGet()
        .rejectsOnce(serviceError('ResourceNotFoundException') as never)
        .resolvesOnce({ Certificate: pem } as never);
      expect((await setUp().backend.collect([ticket]))[0]!.kind).toBe('issued');
      mock.reset();
      onGet().rejects(serviceError('ResourceNotFoundException') as never);
      const { backend } = setUp({ pollDelaysMs: [0, 20, 50] });
      expect((await backend.collect([ticket]))[0]).toMatchObject({ kind: 'failed', code: 'pca-not-found' });
      expect(getCount()).toBe(3);
    });

    it.each([
      ['RequestFailedException', 400, 'failed', 1],
      ['InvalidArnException', 400, 'failed', 1],
      ['AccessDeniedException', 400, 'pending', 1],
      ['InvalidStateException', 400, 'pending', 1],
      ['InternalFailure', 500, 'pending', 3],
      ['TimeoutError', 'no answer', 'pending', 3],
      ['NeverSeenBefore', 400, 'pending', 1],
    ] as const)('%s (%s) → %s after %i calls', async (name, status, kind, calls) => {
      onGet().rejects(serviceError(name, status) as never);
      const { backend } = setUp({ pollDelaysMs: [0, 1, 1] });
      expect((await backend.collect([ticket]))[0]!.kind).toBe(kind);
      expect(getCount()).toBe(calls);
    });

    it('never gives up a certificate whose answer cannot be read', async () => {
      onGet().resolves({ Certificate: 'no PEM' } as never);
      expect((await setUp().backend.collect([ticket]))[0]).toMatchObject({ kind: 'pending' });
    });

    it('answers in the order asked, whatever order the certificates come in', async () => {
      const tickets = [0, 1, 2].map((index) => ({ issuanceId: `${index}.1`, ticket: ticketOf(index) }));
      mock
        .on(GetCertificateCommand as never, { CertificateArn: ticketOf(0) } as never)
        .rejectsOnce(serviceError('RequestInProgressException') as never)
        .resolves({ Certificate: pem } as never)
        .on(GetCertificateCommand as never, { CertificateArn: ticketOf(1) } as never)
        .resolves({ Certificate: pem } as never)
        .on(GetCertificateCommand as never, { CertificateArn: ticketOf(2) } as never)
        .rejects(serviceError('RequestFailedException') as never);
      const outcomes = await setUp().backend.collect(tickets);
      expect(outcomes.map(({ issuanceId, kind }) => [issuanceId, kind])).toEqual([
        ['0.1', 'issued'],
        ['1.1', 'issued'],
        ['2.1', 'failed'],
      ]);
    });
  });
});
