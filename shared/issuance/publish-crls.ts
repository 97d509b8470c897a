import { findAuthority, type Hierarchy } from '../hierarchy/hierarchy.ts';
import { subjectKeyIdentifierOf } from '../pki/certificate.ts';
import { buildTbsCertList, type CertificateList, parseCertificateList } from '../pki/certificate-list.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import { crlUrlOf } from './crl-shards.ts';
import type { CustodyGate } from './custody-gate.ts';
import { generationOf } from './generation.ts';
import type { Clock, SigningBackend } from './ports.ts';
import type { CrlSource, RevokedSerial } from './revocation-ports.ts';

/** Where CRLs are published: whole objects by a key of `crlKeyOf`. A reader sees the old bytes or the new, never a mixture. */
export interface CrlObjects {
  read(key: string): Promise<Uint8Array | undefined>;
  /** Durable on return. */
  replace(key: string, bytes: Uint8Array): Promise<void>;
}

export interface PublishCrlsPorts {
  readonly hierarchy: Hierarchy;
  readonly authorities: AuthorityDirectory;
  readonly crlSource: CrlSource;
  readonly crlObjects: CrlObjects;
  readonly backendOf: (issuer: IssuingAuthority) => SigningBackend | undefined;
  readonly custody: CustodyGate;
  readonly clock: Clock;
}

/** Valid for a day, made anew at half of it: half a day for an HSM that is not there. */
export const crlPeriodMs = 24 * 3_600_000;
/** Clocks of those who verify run behind. */
const backdateMs = 5 * 60_000;

/** `devices/2-17`: as in the URL of the distribution point. */
export function crlKeyOf(caId: string, generation: number, shard: number): string {
  return `${caId}/${generation}-${shard}`;
}

/**
 * Publishes what is missing, due, or lacks a revoked certificate: every shard of every generation whose CA is still valid and
 * whose CRLs are ours, those without a revoked certificate too. One CA that cannot sign keeps none of the others.
 */
export async function publishCrls(
  ports: PublishCrlsPorts,
  report: (caId: string, cause: unknown) => void,
): Promise<{ readonly published: number; readonly failed: number }> {
  let published = 0;
  let failed = 0;
  for (const issuer of await ports.authorities.all()) {
    const isOurs = issuer.tier === 'issuance' && issuer.backend !== 'acm-pca' && issuer.notAfter > ports.clock();
    if (!isOurs || ports.hierarchy.crlBaseUrl === '') continue;
    try {
      published += await publishOf(ports, issuer);
    } catch (cause) {
      failed += 1;
      report(issuer.caId, cause);
    }
  }
  return { published, failed };
}

async function publishOf(ports: PublishCrlsPorts, issuer: IssuingAuthority): Promise<number> {
  const { caId, generation } = issuer;
  const count = await ports.crlSource.shardCount(caId, generation);
  let published = 0;
  for (let shard = 0; shard < count; shard += 1) {
    const bytes = await ports.crlObjects.read(crlKeyOf(caId, generation, shard));
    const current = bytes === undefined ? undefined : readCrl(bytes);
    // A certificate stays until it has been on one CRL that was made after its end (RFC 5280 §3.3).
    const revoked = await ports.crlSource.revokedOf(caId, generation, shard, current?.thisUpdate ?? 0);
    if (current !== undefined && !isDue(current, revoked, ports.clock())) continue;
    await publishShard(ports, issuer, shard, revoked);
    published += 1;
  }
  return published;
}

/** Bytes that are no CRL of ours are as if there were none. */
function readCrl(bytes: Uint8Array): CertificateList | undefined {
  try {
    return parseCertificateList(bytes);
  } catch {
    return undefined;
  }
}

function isDue(current: CertificateList, revoked: readonly RevokedSerial[], now: number): boolean {
  if (current.nextUpdate - now <= crlPeriodMs / 2) return true;
  const listed = new Set(current.entries.map(({ serial }) => serial));
  return revoked.some(({ serial }) => !listed.has(serial));
}

async function publishShard(
  ports: PublishCrlsPorts,
  issuer: IssuingAuthority,
  shard: number,
  revoked: readonly RevokedSerial[],
): Promise<void> {
  const { caId, certificate, generation } = issuer;
  const backend = ports.backendOf(issuer);
  const authority = findAuthority(ports.hierarchy, caId);
  const keyIdentifier = subjectKeyIdentifierOf(certificate.tbs);
  if (backend?.signCrl === undefined || authority === undefined || keyIdentifier === undefined)
    throw new Error(`no backend here signs CRLs of ${caId} generation ${generation}`);
  const verdict = await ports.custody.check(issuer, backend);
  if (verdict.kind !== 'holds') throw new Error(`custody of ${caId}: ${verdict.kind}, its CRL is not signed`);
  const thisUpdate = wholeSeconds(ports.clock()) - backdateMs;
  const tbs = buildTbsCertList({
    signingAlgorithm: generationOf(authority, issuer).signingAlgorithm,
    issuer: certificate.tbs.subject.der,
    thisUpdate,
    nextUpdate: thisUpdate + backdateMs + crlPeriodMs,
    entries: revoked.map((one) => ({ ...one, revokedAt: wholeSeconds(one.revokedAt) })),
    authorityKeyIdentifier: keyIdentifier,
    number: await ports.crlSource.nextCrlNumber(caId, generation),
    distributionPoint: crlUrlOf(ports.hierarchy.crlBaseUrl, caId, generation, shard),
  });
  const crl = await backend.signCrl(tbs);
  // Read as whoever checks reads it, before anybody does.
  parseCertificateList(crl);
  await ports.crlObjects.replace(crlKeyOf(caId, generation, shard), crl);
}

function wholeSeconds(at: number): number {
  return at - (at % 1_000);
}
