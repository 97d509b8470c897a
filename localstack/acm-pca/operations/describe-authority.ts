/** DescribeCertificateAuthority, ListCertificateAuthorities. */
import type { DescribeCertificateAuthorityRequest, ListCertificateAuthoritiesRequest } from '@aws-sdk/client-acm-pca';
import type { EpochMs } from '../../../shared/pki/epoch.ts';
import { issuerOf, presentAuthorities, requireAuthority, statusOf } from '../authority.ts';
import type { Endpoint } from '../endpoint.ts';
import { readPage } from '../pagination.ts';
import type { AuthorityRecord } from '../store.ts';

/** The service documents 1000 as the maximum of MaxResults and 100 as what it returns at most. */
const pageAuthoritiesMax = 100;

/** Timestamps of the JSON protocol: seconds since the epoch, with a fraction. */
export function timestamp(at: EpochMs): number {
  return at / 1000;
}

function describe(endpoint: Endpoint, record: AuthorityRecord): object {
  const issuer = issuerOf(record);
  const tbs = issuer?.certificate.tbs;
  return {
    Arn: record.arn,
    OwnerAccount: endpoint.scope.account,
    CreatedAt: timestamp(record.createdAt),
    LastStateChangeAt: timestamp(record.stateChangedAt),
    Type: record.type,
    Status: statusOf(record, endpoint.clock()),
    ...(tbs === undefined
      ? {}
      : {
          Serial: tbs.serialNumber.toString(),
          NotBefore: timestamp(tbs.notBefore),
          NotAfter: timestamp(tbs.notAfter),
        }),
    CertificateAuthorityConfiguration: record.configuration,
    RevocationConfiguration: record.revocation,
    ...(record.restorableUntil === undefined ? {} : { RestorableUntil: timestamp(record.restorableUntil) }),
    KeyStorageSecurityStandard: record.keyStorageSecurityStandard,
    UsageMode: record.usageMode,
  };
}

/** DescribeCertificateAuthority. */
export function describeCertificateAuthority(endpoint: Endpoint, input: DescribeCertificateAuthorityRequest): object {
  return { CertificateAuthority: describe(endpoint, requireAuthority(endpoint, input.CertificateAuthorityArn ?? '')) };
}

/** ListCertificateAuthorities, oldest first, those deleted but still restorable among them; no other account shares any. */
export function listCertificateAuthorities(endpoint: Endpoint, input: ListCertificateAuthoritiesRequest): object {
  const own = input.ResourceOwner === 'OTHER_ACCOUNTS' ? [] : presentAuthorities(endpoint);
  const { items, nextToken } = readPage(own, (record) => record.seq, {
    listName: 'authorities',
    token: input.NextToken,
    sizeMax: Math.min(input.MaxResults ?? pageAuthoritiesMax, pageAuthoritiesMax),
  });
  return {
    CertificateAuthorities: items.map((record) => describe(endpoint, record)),
    ...(nextToken === undefined ? {} : { NextToken: nextToken }),
  };
}
