import {
  ACMPCAClient,
  DescribeCertificateAuthorityCommand,
  GetCertificateAuthorityCertificateCommand,
} from '@aws-sdk/client-acm-pca';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { presentReport } from '../../functions/custody/present.ts';
import { createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import { describeKey } from '../../shared/adapters/acm-pca/describe-key.ts';
import { createPkcs11Backend } from '../../shared/adapters/pkcs11/backend.ts';
import { readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import type { KeyDescription } from '../../shared/custody/key-description.ts';
import type { OwnerValidation } from '../../shared/custody/owner-validations.ts';
import { costUsd, publishedPrices } from '../../shared/inventory/prices.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { certificatesPerMonth, hoursPerMonth } from '../../shared/issuance/cost-of-custody.ts';
import { type ReportCustodyPorts, reportCustody } from '../../shared/issuance/report-custody.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { clusterOf } from '../support/clusters.ts';
import { evidencedFields, unevidenced } from '../support/custody-fields.ts';
import { type CustodyWorld, openCustodyWorld } from '../support/custody-world.ts';
import { validateResponse } from '../support/openapi.ts';
import { interposed, itWithSoftHsm, newSoftHsmToken, softHsmMissing } from '../support/softhsm.ts';

let w: CustodyWorld;
beforeEach(async () => {
  if (softHsmMissing === undefined) w = await openCustodyWorld();
});
afterEach(() => w?.close());

async function report(evidenceOf: ReportCustodyPorts['evidenceOf']) {
  const { world } = w;
  const presented = presentReport(
    await reportCustody({
      hierarchy: world.hierarchy,
      authorities: world.authorities,
      ledger: world.store.ledger,
      evidenceOf,
      prices: publishedPrices,
      clock: () => world.now,
    }),
  );
  const body = JSON.parse(JSON.stringify(presented)) as typeof presented;
  expect(validateResponse('GET', '/v1/custody', 200, 'application/json', body)).toEqual([]);
  return body;
}

const arn = 'arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/0f4b6f62-4f8a-4b5e-9a3b-6a2d7c1f0e11';

/** What AWS Private CA would say of a CA, through the adapter. */
async function atAws(issuer: IssuingAuthority): Promise<KeyDescription> {
  const mock = mockClient(ACMPCAClient as never);
  const CertificateAuthority = {
    Arn: arn,
    Status: 'ACTIVE',
    KeyStorageSecurityStandard: 'FIPS_140_2_LEVEL_3_OR_HIGHER',
    CertificateAuthorityConfiguration: { KeyAlgorithm: 'EC_secp384r1' },
  };
  mock.on(DescribeCertificateAuthorityCommand as never).resolves({ CertificateAuthority } as never);
  mock
    .on(GetCertificateAuthorityCertificateCommand as never)
    .resolves({ Certificate: encodePem('CERTIFICATE', issuer.certificateDer) } as never);
  try {
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const client = createAcmPcaClient({ stage: 'prod', region: 'eu-central-1', credentials });
    return await describeKey(client, arn, w.world.now);
  } finally {
    mock.restore();
  }
}

const ownersEntry: OwnerValidation = {
  manufacturer: 'Example',
  model: 'HSM 1',
  firmware: '9.8',
  standard: 'FIPS 140-3',
  certificateNumber: '0000',
  securityLevel: 3,
  status: 'active',
  statusAsOf: '2026-01-05',
  source: 'https://csrc.nist.gov/projects/cryptographic-module-validation-program',
};

/** The token of `workloads`, as a module of another name, with a cluster behind it or with its owner's entries. */
function onCloudHsm(issuer: IssuingAuthority, validations?: readonly OwnerValidation[]) {
  const label = w.sharedToken;
  return createPkcs11Backend({
    library: w.library,
    authority: {
      caId: issuer.caId,
      ref: issuer.backendRef,
      spkiSha256: issuer.spkiSha256,
      signingAlgorithm: 'SHA256WITHECDSA',
    },
    readPin: () => readPinFile(newSoftHsmToken(label).pinFile),
    clock: () => w.world.now,
    ...(validations === undefined
      ? { describeCluster: async () => clusterOf({ readAt: w.world.now }) }
      : { validations }),
    openLibrary: interposed((real) => ({
      C_GetTokenInfo: (slot) => ({
        ...real.C_GetTokenInfo(slot),
        ...{ manufacturerID: 'Example', model: 'HSM 1', firmwareVersion: { major: 9, minor: 8 } },
      }),
    })),
  });
}

describe('a custody report', () => {
  itWithSoftHsm('evidences every field of a CA at AWS, none of them unknown', async () => {
    const { authorities } = await report((issuer) => {
      if (issuer.caId === 'root') return { describeKey: () => atAws(issuer) };
      return issuer.caId === 'workloads' ? onCloudHsm(issuer) : undefined;
    });
    const byId = new Map(authorities.map((one) => [one.id, one]));
    expect(unevidenced(byId.get('root'), evidencedFields['acm-pca'])).toEqual([]);
    expect(unevidenced(byId.get('workloads'), evidencedFields.cloudhsm)).toEqual([]);
    expect(byId.get('root')).toMatchObject({
      status: 'holds',
      place: 'acm-pca',
      evidence: { source: 'provider', kind: 'provider-attested', securityLevel: 3 },
      validation: {
        standard: 'FIPS 140-2',
        certificateNumber: null,
        status: 'historical',
        historicalSince: '2026-09-21',
        basis: expect.stringMatching(/^provider-attested: FIPS_140_2_LEVEL_3_OR_HIGHER; .*not disclosed$/),
      },
      cost: { perMonth: 400, emulated: false, sharedBy: 1 },
    });
    expect(byId.get('workloads')).toMatchObject({
      status: 'holds',
      place: 'cloudhsm',
      evidence: { source: 'module', kind: 'module-reported', securityLevel: 3, cluster: { mode: 'FIPS' } },
      validation: { standard: 'FIPS 140-3', certificateNumber: '4703', status: 'active', historicalSince: null },
      cost: {
        perMonth: Math.round(costUsd(publishedPrices, 'cloudhsm-hsm-hour', 2 * hoursPerMonth) * 100) / 100,
        sharedBy: 3,
      },
    });
    expect(JSON.stringify(byId.get('root'))).not.toMatch(/"validated"/i);
  });

  itWithSoftHsm(
    "says of another vendor's HSM that the validation is its owner's entry, with date and source",
    async () => {
      const of = async (validations: readonly OwnerValidation[]) => {
        const { authorities } = await report((issuer) =>
          issuer.caId === 'workloads' ? onCloudHsm(issuer, validations) : undefined,
        );
        return authorities.find(({ id }) => id === 'workloads');
      };
      const { certificateNumber, source, standard, status, statusAsOf } = ownersEntry;
      const listed = await of([{ ...ownersEntry, firmware: '9', securityLevel: 1 }, ownersEntry]);
      expect(listed).toMatchObject({
        status: 'holds',
        place: 'hsm',
        evidence: { source: 'module', securityLevel: 3, cluster: null },
        validation: { certificateNumber, source, standard, status, statusAsOf },
      });
      expect(listed?.validation?.basis).toBe(
        "the owner's entry in the hierarchy (modules), looked up by the owner on 2026-01-05",
      );
      expect(listed?.findings).toEqual([]);
      for (const other of [{ firmware: '9.80' }, { firmware: '8' }, { model: 'HSM 2' }, { statusAsOf: '2099-01-01' }])
        expect(await of([{ ...ownersEntry, ...other }])).toMatchObject({
          evidence: { securityLevel: 'none' },
          validation: { status: 'unknown', basis: expect.stringMatching(/^none: /) },
        });
    },
  );

  itWithSoftHsm('evidences what an emulator can, and says where one stands in', async () => {
    const { authorities } = await report((issuer) =>
      issuer.backend === 'pkcs11' ? w.backendOf(issuer.caId as 'workloads') : undefined,
    );
    const workloads = authorities.find(({ id }) => id === 'workloads')!;
    expect(unevidenced(workloads, evidencedFields.softhsm)).toEqual([]);
    expect(workloads).toMatchObject({
      status: 'holds',
      evidence: { source: 'emulator', securityLevel: 'none' },
      validation: { standard: null, certificateNumber: null, basis: expect.stringMatching(/^none: an emulator/) },
      cost: { emulated: true },
    });
    const root = authorities.find(({ id }) => id === 'root')!;
    expect(root).toMatchObject({ status: 'unknown', unknownBecause: 'not-readable-here', evidence: null });
  });

  itWithSoftHsm('reports a CA that is stopped, and one whose module gives no answer', async () => {
    const { authorities } = await report((issuer) => ({
      describeKey: async () => {
        if (issuer.caId !== 'workloads') throw new Error('no answer');
        const key = await w.backendOf('workloads').describeKey();
        return { ...key, attributes: { ...key.attributes!, extractable: true } };
      },
    }));
    const statuses = authorities.map(({ id, status, unknownBecause }) => [id, status, unknownBecause]);
    expect(statuses).toContainEqual(['workloads', 'stopped', null]);
    expect(statuses).toContainEqual(['devices', 'unknown', 'no-answer']);
  });

  itWithSoftHsm('compares the models and the key stores with the figures of the hierarchy', async () => {
    const { comparison } = await report(() => undefined);
    expect(comparison.models.columns).toEqual(['software', 'self-managed-hsm', 'managed-ca']);
    for (const { rows, columns } of [comparison.models, comparison.keyStores])
      for (const { aspect, values } of rows) {
        expect(values, aspect).toHaveLength(columns.length);
        expect(
          values.every((value) => value !== ''),
          aspect,
        ).toBe(true);
      }
    const usedBy = comparison.models.rows.find(({ aspect }) => aspect === 'CAs of this hierarchy')!;
    expect(usedBy.values).toEqual(['none', 'devices, workloads, gateways', 'root, subordinate']);
  });

  itWithSoftHsm('counts as certificates a month what keeps the outstanding ones renewed', async () => {
    const bucketStart = w.world.now + 30 * 86_400_000;
    const row = {
      dimension: 'profile',
      value: 'svid',
      bucketStart,
      bucketMs: 3_600_000,
      issued: 12,
      revoked: 2,
    } as const;
    // Ten of an hour's life, renewed every 40 minutes: 1.5 an hour each.
    expect(certificatesPerMonth(w.world.hierarchy, [row], w.world.now)).toBeCloseTo(10 * 1.5 * hoursPerMonth, 6);
    expect(certificatesPerMonth(w.world.hierarchy, [{ ...row, dimension: 'total' }], w.world.now)).toBe(0);
    expect(certificatesPerMonth(w.world.hierarchy, [row], bucketStart + 3_600_000)).toBe(0);
  });

  it('has fields to be evidenced for every place', () => {
    expect(unevidenced({}, evidencedFields.cloudhsm)).toHaveLength(evidencedFields.cloudhsm.length);
    expect(unevidenced({ model: 'unknown', quorum: 'none' }, ['model', 'quorum'])).toEqual(['model']);
  });
});
