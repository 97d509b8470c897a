/** Rules of RevocationConfiguration (API reference, CreateCertificateAuthority). */
import type { RevocationConfiguration } from '@aws-sdk/client-acm-pca';
import { refuse } from './errors.ts';

/** What a CA has when nothing is configured. */
export const disabledRevocation: RevocationConfiguration = {
  CrlConfiguration: { Enabled: false },
  OcspConfiguration: { Enabled: false },
};

function requireNothingElse(what: string, configuration: object): void {
  if (Object.keys(configuration).some((name) => name !== 'Enabled')) {
    refuse('InvalidArgsException', `A configuration that disables ${what} contains Enabled only.`);
  }
}

function requireNoScheme(cname: string | undefined): void {
  if (cname?.includes('://') === true) {
    refuse('InvalidArgsException', 'A CNAME does not include a protocol prefix.');
  }
}

/** S3 user guide, "General purpose bucket naming rules": 3 to 63 of a-z, 0-9, dots and hyphens; no dots in a row, no address. */
function isBucketName(name: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..') && !/^\d+(\.\d+){3}$/.test(name);
}

/** InvalidArgsException for a configuration that contradicts itself. Whether the bucket is there is not looked at. */
export function checkRevocationConfiguration({
  CrlConfiguration: crl,
  OcspConfiguration: ocsp,
}: RevocationConfiguration): void {
  if (ocsp !== undefined) {
    if (ocsp.Enabled !== true) requireNothingElse('OCSP', ocsp);
    requireNoScheme(ocsp.OcspCustomCname);
  }
  if (crl === undefined) return;
  if (crl.Enabled !== true) {
    requireNothingElse('CRLs', crl);
    return;
  }
  requireNoScheme(crl.CustomCname);
  if (crl.S3BucketName === undefined) refuse('InvalidArgsException', 'A CRL configuration needs an S3BucketName.');
  if (!isBucketName(crl.S3BucketName)) {
    refuse('InvalidArgsException', `${crl.S3BucketName} does not conform to the naming rules of S3 buckets.`);
  }
  if (crl.CrlDistributionPointExtensionConfiguration?.OmitExtension === true && crl.CustomCname !== undefined) {
    refuse('InvalidArgsException', 'OmitExtension cannot be enabled with a CustomCname set.');
  }
}
