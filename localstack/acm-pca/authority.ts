/** What a CA is at an instant, and what it signs as. */
import type { KeyObject } from 'node:crypto';
import {
  basicConstraintsOf,
  type Certificate,
  type Extension,
  parseCertificate,
  subjectKeyIdentifierOf,
} from '../../shared/pki/certificate.ts';
import { crlDistributionPointExtension, keyIdentifierOf } from '../../shared/pki/certificate-builder.ts';
import * as der from '../../shared/pki/der/writer.ts';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { oids } from '../../shared/pki/oids.ts';
import { parseAuthorityArn } from './arn.ts';
import { loadCaKey } from './ca-key.ts';
import type { Endpoint } from './endpoint.ts';
import { refuse } from './errors.ts';
import type { AuthorityRecord, Store } from './store.ts';

export type AuthorityStatus = 'CREATING' | 'PENDING_CERTIFICATE' | 'ACTIVE' | 'DISABLED' | 'EXPIRED' | 'DELETED';

/** What a CA puts into the certificates it signs. */
export interface Issuer {
  readonly certificate: Certificate;
  /** Name DER. */
  readonly name: Uint8Array;
  readonly keyIdentifier: Uint8Array;
  readonly notAfter: EpochMs;
  /** Undefined: no limit of its own. */
  readonly pathLen: number | undefined;
}

const issuers = new WeakMap<AuthorityRecord, Issuer>();
const keys = new WeakMap<AuthorityRecord, KeyObject>();

/** Issuer fields of a CA that has its certificate; undefined before that. */
export function issuerOf(record: AuthorityRecord): Issuer | undefined {
  const known = issuers.get(record);
  if (known !== undefined || record.certificate === undefined) return known;
  const certificate = parseCertificate(Buffer.from(record.certificate, 'base64'));
  const { tbs } = certificate;
  const issuer: Issuer = {
    certificate,
    name: tbs.subject.der,
    keyIdentifier: subjectKeyIdentifierOf(tbs) ?? keyIdentifierOf(tbs.publicKey),
    notAfter: tbs.notAfter,
    pathLen: basicConstraintsOf(tbs)?.pathLen,
  };
  issuers.set(record, issuer);
  return issuer;
}

/** The CA's private key. */
export function privateKeyOf(store: Store, record: AuthorityRecord): KeyObject {
  const known = keys.get(record);
  if (known !== undefined) return known;
  const key = loadCaKey(store.privateKeyPem(record.id));
  keys.set(record, key);
  return key;
}

/** Status at `now`: a new CA is CREATING for a while, and a CA whose certificate has ended is EXPIRED. */
export function statusOf(record: AuthorityRecord, now: EpochMs): AuthorityStatus {
  if (record.status === 'DELETED') return 'DELETED';
  if (now < record.readyAt) return 'CREATING';
  const issuer = issuerOf(record);
  if (issuer !== undefined && now > issuer.notAfter) return 'EXPIRED';
  return record.status;
}

/** A deleted CA that can no longer be restored. */
function isOver(record: AuthorityRecord, now: EpochMs): boolean {
  return record.status === 'DELETED' && now >= (record.restorableUntil ?? 0);
}

/**
 * The CA of an ARN. InvalidArnException, ResourceNotFoundException; also the latter once the restoration period of a deleted
 * one is over, which is when its record and its key go.
 */
export function requireAuthority(endpoint: Endpoint, arn: string): AuthorityRecord {
  const record = endpoint.store.findAuthority(parseAuthorityArn(endpoint.scope, arn));
  if (record === undefined) refuse('ResourceNotFoundException', `Could not find Certificate Authority ${arn}.`);
  if (isOver(record, endpoint.clock())) {
    endpoint.store.removeAuthority(record.id);
    refuse('ResourceNotFoundException', `Could not find Certificate Authority ${arn}.`);
  }
  return record;
}

/** Every CA that is there at `now`; those whose restoration period is over go, with their keys. */
export function presentAuthorities({ store, clock }: Endpoint): readonly AuthorityRecord[] {
  const now = clock();
  for (const record of store.authorities()) {
    if (isOver(record, now)) store.removeAuthority(record.id);
  }
  return store.authorities();
}

/** InvalidStateException with the status found. */
export function refuseState(record: AuthorityRecord, status: AuthorityStatus): never {
  refuse('InvalidStateException', `The certificate authority ${record.arn} is in the state ${status}.`);
}

function crlUrl(record: AuthorityRecord, region: string): string | undefined {
  const crl = record.revocation.CrlConfiguration as
    | (NonNullable<AuthorityRecord['revocation']['CrlConfiguration']> & { readonly CustomPath?: string })
    | undefined;
  if (crl?.Enabled !== true || crl.CrlDistributionPointExtensionConfiguration?.OmitExtension === true) return undefined;
  const host = crl.CustomCname || `${crl.S3BucketName}.s3.${region}.amazonaws.com`;
  return `http://${host}/${crl.CustomPath ?? 'crl'}/${record.id}.crl`;
}

function ocspExtension(url: string): Extension {
  const access = der.sequence(der.oid(oids.ocsp), der.implicit(6, der.ia5Content(url)));
  return { oid: oids.authorityInfoAccess, critical: false, value: der.sequence(access) };
}

/** Extensions that the CA's revocation configuration puts into what it issues: CDP, and AIA with OCSP. */
export function revocationExtensions(record: AuthorityRecord, region: string): readonly Extension[] {
  const url = crlUrl(record, region);
  const ocsp = record.revocation.OcspConfiguration;
  return [
    ...(url === undefined ? [] : [crlDistributionPointExtension(url)]),
    ...(ocsp?.Enabled === true
      ? [ocspExtension(`http://${ocsp.OcspCustomCname || `ocsp.acm-pca.${region}.amazonaws.com`}`)]
      : []),
  ];
}
