/** Modes of a CA, and what its revocation configuration puts into its certificates. */
import { type ConformanceCase, require, requireEqual } from '../suite.ts';
import { newAuthority, newIssue, type World } from '../world.ts';
import { documented } from './documented.ts';

const authorityInfoAccess = '1.3.6.1.5.5.7.1.1';
const crlDistributionPoints = '2.5.29.31';
const on = (arn: string): { readonly CertificateAuthorityArn: string } => ({ CertificateAuthorityArn: arn });

async function activeRoot(world: World, more: Readonly<Record<string, unknown>>): Promise<string> {
  const arn = await world.createAuthority(more);
  await world.settled(arn);
  await world.activate(arn);
  return arn;
}

async function refusesCreation(world: World, RevocationConfiguration: object): Promise<void> {
  const input = newAuthority({ RevocationConfiguration });
  await world.refused('CreateCertificateAuthority', input, 'InvalidArgsException', 'ValidationException');
}

export const configurationCases: readonly ConformanceCase[] = [
  documented('mode/a short-lived CA issues for 7 days at most', 'createAuthority', 'authority', async (world) => {
    const arn = await activeRoot(world, { UsageMode: 'SHORT_LIVED_CERTIFICATE' });
    const { CertificateAuthority: ca } = await world.must('DescribeCertificateAuthority', on(arn));
    requireEqual((ca as Record<string, unknown>).UsageMode, 'SHORT_LIVED_CERTIFICATE', 'the mode');
    await world.issueAndGet(arn, { Validity: { Type: 'DAYS', Value: 7 } });
    const input = newIssue(arn, { Validity: { Type: 'DAYS', Value: 8 } });
    await world.refused('IssueCertificate', input, 'ValidationException', 'InvalidArgsException');
  }),
  documented(
    'revocation/neither CRL nor OCSP is in a certificate of a CA without them',
    'createAuthority',
    'certificate',
    async (world) => {
      const { certificate } = await world.issueAndGet(await world.root());
      require(!certificate.extensions.has(authorityInfoAccess), 'there is an authority information access');
      require(!certificate.extensions.has(crlDistributionPoints), 'there is a CRL distribution point');
    },
  ),
  documented(
    'revocation/OCSP puts its address into certificates, once it is enabled',
    'updateAuthority',
    'authority',
    async (world) => {
      const arn = await activeRoot(world, {});
      const RevocationConfiguration = { OcspConfiguration: { Enabled: true } };
      await world.must('UpdateCertificateAuthority', { ...on(arn), RevocationConfiguration });
      const { certificate } = await world.issueAndGet(arn);
      requireEqual(certificate.extensions.get(authorityInfoAccess)?.critical, false, 'a critical access description');
    },
  ),
  documented(
    'revocation/a configuration that disables has Enabled only',
    'createAuthority',
    'authority',
    async (world) => {
      await refusesCreation(world, { CrlConfiguration: { Enabled: false, ExpirationInDays: 7 } });
      await refusesCreation(world, { OcspConfiguration: { Enabled: false, OcspCustomCname: 'ocsp.example' } });
    },
  ),
  documented('revocation/a CNAME has no protocol prefix', 'createAuthority', 'authority', (world) =>
    refusesCreation(world, { OcspConfiguration: { Enabled: true, OcspCustomCname: 'http://ocsp.example' } }),
  ),
  documented('revocation/CRLs want a bucket', 'createAuthority', 'authority', (world) =>
    refusesCreation(world, { CrlConfiguration: { Enabled: true, ExpirationInDays: 7 } }),
  ),
  documented('revocation/CRLs want a bucket that S3 could have', 'createAuthority', 'authority', async (world) => {
    for (const S3BucketName of ['Fleet-CRLs', 'crls..fleet', '192.0.2.1']) {
      await refusesCreation(world, { CrlConfiguration: { Enabled: true, ExpirationInDays: 7, S3BucketName } });
    }
  }),
];
