import {
  ACMPCAClient,
  DescribeCertificateAuthorityCommand,
  GetCertificateAuthorityCertificateCommand,
} from '@aws-sdk/client-acm-pca';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import { describeKey } from '../../shared/adapters/acm-pca/describe-key.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { caCertificateDer, templateTime } from '../support/template-issuance.ts';

const ref = 'arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/0f4b6f62-4f8a-4b5e-9a3b-6a2d7c1f0e11';
const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };

describe('what the provider says of a key', () => {
  let mock: ReturnType<typeof mockClient>;
  beforeEach(() => {
    mock = mockClient(ACMPCAClient as never);
    mock
      .on(GetCertificateAuthorityCertificateCommand as never)
      .resolves({ Certificate: encodePem('CERTIFICATE', caCertificateDer) } as never);
  });
  afterEach(() => mock.restore());

  function answer(standard: string | undefined, status = 'ACTIVE'): void {
    const CertificateAuthority = {
      Arn: ref,
      Status: status,
      KeyStorageSecurityStandard: standard,
      CertificateAuthorityConfiguration: { KeyAlgorithm: 'EC_prime256v1' },
    };
    mock.on(DescribeCertificateAuthorityCommand as never).resolves({ CertificateAuthority } as never);
  }

  const aws = () => createAcmPcaClient({ stage: 'prod', region: 'eu-central-1', credentials });

  it('is provider-attested at the level of its standard, with the status that the standard has (aws-facts)', async () => {
    answer('FIPS_140_2_LEVEL_3_OR_HIGHER');
    const { tbs } = parseCertificate(caCertificateDer);
    expect(await describeKey(aws(), ref, templateTime)).toEqual({
      source: 'provider',
      model: 'managed-ca',
      keyId: `sha256:${tbs.publicKey.sha256}`,
      spkiSha256: tbs.publicKey.sha256,
      keyAlgorithm: 'EC_prime256v1',
      securityLevel: 3,
      standard: 'FIPS 140-2',
      cmvpStatus: 'historical',
      attestation: 'FIPS_140_2_LEVEL_3_OR_HIGHER',
      status: 'usable',
      readAt: templateTime,
    });
  });

  it.each([
    ['FIPS_140_2_LEVEL_2_OR_HIGHER', { securityLevel: 2, standard: 'FIPS 140-2' }],
    ['CCPC_LEVEL_1_OR_HIGHER', { securityLevel: 0, standard: 'CCPC', cmvpStatus: 'unknown' }],
    ['FIPS_140_9_LEVEL_9', { securityLevel: 0, cmvpStatus: 'unknown' }],
    [undefined, { securityLevel: 0, cmvpStatus: 'unknown' }],
  ])('reads %s as no more than it says', async (standard, expected) => {
    answer(standard);
    expect(await describeKey(aws(), ref, templateTime)).toMatchObject(expected);
  });

  it('does not rely on a status that it does not know', async () => {
    answer('FIPS_140_2_LEVEL_3_OR_HIGHER', 'SOMETHING_NEW');
    expect((await describeKey(aws(), ref, templateTime)).status).toBe('disabled');
  });

  it.each([
    ['an emulator account', aws, ref.replace('111122223333', '000000000000')],
    [
      "an endpoint that is not AWS's",
      () =>
        createAcmPcaClient({ stage: 'dev', region: 'eu-central-1', endpoint: 'http://127.0.0.1:4566', credentials }),
      ref,
    ],
    ['an endpoint that is not known', () => new ACMPCAClient({ region: 'eu-central-1', credentials }), ref],
  ])('evidences %s as an emulator without level, whatever it claims', async (_, client, authorityArn) => {
    answer('FIPS_140_2_LEVEL_3_OR_HIGHER');
    const key = await describeKey(client(), authorityArn, templateTime);
    expect(key).toMatchObject({ source: 'emulator', securityLevel: 0, cmvpStatus: 'unknown' });
    expect(key.standard).toBeUndefined();
  });

  it('is no evidence when the provider cannot be asked', async () => {
    const denied = Object.assign(new Error('not authorized'), { name: 'AccessDeniedException' });
    mock.on(DescribeCertificateAuthorityCommand as never).rejects(denied as never);
    await expect(describeKey(aws(), ref, templateTime)).rejects.toThrow('not authorized');
  });
});
