import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyIssued } from '../../shared/issuance/verify-issued.ts';
import type { PreparedIssuance } from '../../shared/lints/prepared-issuance.ts';
import { parseCertificate, subjectAltNames } from '../../shared/pki/certificate.ts';
import { type EndpointBackend, openEndpointBackend } from '../support/acm-pca-backend.ts';
import { dayMs } from '../support/hierarchy-world.ts';
import { newTemplateIssuance, templateTime } from '../support/template-issuance.ts';

describe('the ACM PCA backend against the local endpoint', () => {
  let world: EndpointBackend;

  beforeAll(async () => {
    world = await openEndpointBackend();
  });
  afterAll(() => world.endpoint.dispose());

  async function issueAll(batch: readonly PreparedIssuance[]): Promise<readonly Uint8Array[]> {
    const submitted = await world.backend.submit(batch);
    const tickets = submitted.map((outcome) => {
      if (outcome.kind !== 'submitted') throw new Error(JSON.stringify(outcome));
      return { issuanceId: outcome.issuanceId, ticket: outcome.ticket };
    });
    return (await world.backend.collect(tickets)).map((outcome) => {
      if (outcome.kind !== 'issued') throw new Error(JSON.stringify(outcome));
      return outcome.certificateDer;
    });
  }

  it('issues a batch in one call of submit and one of collect, each certificate what its intent says', async () => {
    const batch = Array.from({ length: 24 }, (_, index) =>
      world.prepare({
        id: `batch-${index}`,
        names: [{ kind: 'dns', value: `d${index}.fleet.example` }],
        commonName: `d${index}.fleet.example`,
      }),
    );
    const certificates = await issueAll(batch);
    for (const [index, { intent }] of batch.entries()) {
      const verdict = await verifyIssued(certificates[index]!, intent, 'device', world.issuer);
      expect(verdict).toMatchObject({ kind: 'verified' });
    }
    expect(new Set(certificates.map((der) => parseCertificate(der).fingerprint)).size).toBe(24);
  });

  it.each([
    [
      'a common name and many names',
      {
        names: Array.from({ length: 10 }, (_, n) => ({ kind: 'dns' as const, value: `n${n}.fleet.example` })),
        commonName: 'n0.fleet.example',
      },
    ],
    ['an empty subject and a critical SAN', { commonName: undefined }],
    [
      'a SPIFFE id alone',
      { names: [{ kind: 'uri' as const, value: 'spiffe://fleet.example/a' }], commonName: undefined },
    ],
    [
      'more names than the SAN member takes',
      {
        names: Array.from({ length: 151 }, (_, n) => ({ kind: 'dns' as const, value: `n${n}.x.example` })),
        commonName: 'n0.x.example',
      },
    ],
  ])('issues %s, and nothing of what the CSR asks for', async (what, options) => {
    const prepared = world.prepare({ id: what, ...options });
    const [certificateDer] = await issueAll([prepared]);
    const { tbs } = parseCertificate(certificateDer!);
    if (prepared.intent.kind !== 'template') throw new Error('not a template intent');
    expect(subjectAltNames(tbs)).toEqual({ critical: prepared.intent.sanCritical, names: prepared.intent.names });
    expect(await verifyIssued(certificateDer!, prepared.intent, 'device', world.issuer)).toMatchObject({
      kind: 'verified',
    });
  });

  it('gets the same certificate when a submit is repeated inside the window (aws-facts: idempotency)', async () => {
    const prepared = world.prepare({ id: 'twice' });
    const [first] = await world.backend.submit([prepared]);
    world.endpoint.advance(200_000);
    expect(await world.backend.submit([prepared])).toEqual([first]);
  });

  it('is refused, not clamped, when notAfter passes the CA (aws-facts: nesting)', async () => {
    // Linted against a CA that lives longer than the endpoint's.
    const late = newTemplateIssuance({ id: 'late', at: templateTime + 1000 * dayMs });
    const [outcome] = await world.backend.submit([late]);
    expect(outcome).toMatchObject({ kind: 'refused', code: 'pca-validation' });
  });

  it('is unavailable, and says so of each, while the CA is disabled', async () => {
    await world.setStatus('DISABLED');
    const outcomes = await world.backend.submit([world.prepare({ id: 'a' }), world.prepare({ id: 'b' })]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['unavailable', 'unavailable']);
    expect((await world.backend.describeKey()).status).toBe('disabled');
    await world.setStatus('ACTIVE');
    expect((await world.backend.submit([world.prepare({ id: 'c' })]))[0]!.kind).toBe('submitted');
  });
});
