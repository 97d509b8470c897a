import { findAuthority, type Hierarchy } from '../hierarchy/hierarchy.ts';
import { subjectKeyIdentifierOf } from '../pki/certificate.ts';
import { buildTbsCertList, type CertificateList, parseCertificateList } from '../pki/certificate-list.ts';
import type { SubjectPublicKey } from '../pki/public-key.ts';
import { parseSignatureAlgorithm } from '../pki/signature-algorithm.ts';
import { verifySignature } from '../pki/verify-signature.ts';
import type { AuthorityDirectory, IssuingAuthority } from './authority-directory.ts';
import { crlUrlOf } from './crl-shards.ts';
import type { CustodyGate } from './custody-gate.ts';
import { generationOf } from './generation.ts';
import type { Clock, SigningBackend } from './ports.ts';
import type { CrlChange, CrlSource, RevokedSerial } from './revocation-ports.ts';

/** CRLs as they are published: whole objects by a key of `crlKeyOf`. A reader sees the old bytes or the new, never a mixture. */
export interface CrlReader {
  /** Undefined for what is not there, and for a key that is none. */
  read(key: string): Promise<Uint8Array | undefined>;
}

export interface PublishedCrl {
  readonly bytes: Uint8Array;
  /** Changes whenever the bytes do. */
  readonly version: string;
}

/** `conflict`: another version is there than was expected, which somebody else has published meanwhile. */
export type CrlReplaced = 'replaced' | 'conflict';

/** Where they are published. */
export interface CrlObjects extends CrlReader {
  /** Undefined for what is not there. */
  current(key: string): Promise<PublishedCrl | undefined>;
  /** Replaces the version that is expected, undefined where none is to be there. Durable on return. */
  replace(key: string, bytes: Uint8Array, expected: string | undefined): Promise<CrlReplaced>;
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
 * Every run takes some shards up though nothing says that they have to be made anew, so that an object that was lost or damaged
 * is there again: each within an hour, and eight a run at least.
 */
const sweepRunsMax = 60;
const sweepShardsMin = 8;
const runMs = 60_000;
/** Shards that are read and signed at once: an HSM has more sessions, and S3 takes thousands. */
const atOnce = 8;
/** Of one CA in one run, which a Lambda of 29 s outlives; what is left comes in the next, the most urgent first. */
const runMsMax = 15_000;
/** An HSM that is not there fails each shard: after this many the CA waits for the next run. */
const failuresMax = 3;

export interface PublishedCrls {
  /** CRLs signed and published. */
  readonly published: number;
  /** Shards that were to have a new CRL and have none: their CA could not sign, or the object was not taken. */
  readonly failed: number;
  /** Shards that the run had no time for. */
  readonly left: number;
}

/**
 * Publishes what is missing, due, or lacks a revoked certificate: every shard of every generation whose CA is still valid and
 * whose CRLs are ours, those without a revoked certificate too. One CA that cannot sign keeps none of the others.
 */
export async function publishCrls(
  ports: PublishCrlsPorts,
  report: (caId: string, cause: unknown) => void,
): Promise<PublishedCrls> {
  const totals = { published: 0, failed: 0, left: 0 };
  for (const issuer of await ports.authorities.all()) {
    const isOurs = issuer.tier === 'issuance' && issuer.backend !== 'acm-pca' && issuer.notAfter > ports.clock();
    if (!isOurs || ports.hierarchy.crlBaseUrl === '') continue;
    try {
      const { causes, left, published } = await publishOf(ports, issuer);
      totals.published += published;
      totals.failed += causes.length;
      totals.left += left;
      if (causes.length > 0) report(issuer.caId, causes[0]);
    } catch (cause) {
      totals.failed += 1;
      report(issuer.caId, cause);
    }
  }
  return totals;
}

interface Due {
  readonly shard: number;
  readonly change: CrlChange | undefined;
  /** Of the CRL that was noted; undefined where none was. */
  readonly endsAt: number | undefined;
}

async function publishOf(ports: PublishCrlsPorts, issuer: IssuingAuthority) {
  const now = ports.clock();
  const due = await dueShards(ports, issuer, now);
  const causes: unknown[] = [];
  let published = 0;
  let at = 0;
  const worker = async () => {
    while (at < due.length && causes.length < failuresMax && ports.clock() - now < runMsMax) {
      try {
        if (await refresh(ports, issuer, due[at++]!)) published += 1;
      } catch (cause) {
        causes.push(cause);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, due.length) }, worker));
  return { published, causes, left: due.length - at };
}

/** What has to be looked at, the most urgent first: what changed, then by its end. */
async function dueShards(ports: PublishCrlsPorts, issuer: IssuingAuthority, now: number): Promise<readonly Due[]> {
  const { caId, generation } = issuer;
  const { crlSource } = ports;
  const changes = await crlSource.changes(caId, generation);
  const [count, publications] = await Promise.all([
    crlSource.shardCount(caId, generation),
    crlSource.publications(caId, generation),
  ]);
  const changeOf = new Map(changes.map((change) => [change.shard, change]));
  const runs = Math.min(sweepRunsMax, Math.ceil(count / sweepShardsMin));
  const swept = Math.floor(now / runMs) % runs;
  const due: Due[] = [];
  for (let shard = 0; shard < count; shard += 1) {
    const change = changeOf.get(shard);
    const endsAt = publications.get(shard);
    const isDue = change !== undefined || endsAt === undefined || isNearEnd(endsAt, now) || shard % runs === swept;
    if (isDue) due.push({ shard, change, endsAt });
  }
  const urgency = ({ change, endsAt = 0 }: Due) => (change === undefined ? endsAt : 0);
  return due.sort((a, b) => urgency(a) - urgency(b) || a.shard - b.shard);
}

/** Answers whether a CRL was made. */
async function refresh(ports: PublishCrlsPorts, issuer: IssuingAuthority, { change, endsAt, shard }: Due) {
  const { caId, generation } = issuer;
  const found = await ports.crlObjects.current(crlKeyOf(caId, generation, shard));
  const current = found === undefined ? undefined : readCrl(found.bytes);
  // A certificate stays until it has been on one CRL that was made after its end (RFC 5280 §3.3).
  const revoked = await ports.crlSource.revokedOf(caId, generation, shard, current?.thisUpdate ?? 0);
  const isGood = current !== undefined && !isDue(current, revoked, ports.clock());
  const list = isGood
    ? current
    : await publishShard(ports, issuer, shard, { revoked, current, version: found?.version });
  // Somebody else has published meanwhile: the next run sees whether that one has all.
  if (list === undefined) return false;
  if (change !== undefined || endsAt !== list.nextUpdate)
    await ports.crlSource.notePublished(caId, generation, shard, list.nextUpdate, change);
  return !isGood;
}

/** Bytes that are no CRL of ours are as if there were none. */
function readCrl(bytes: Uint8Array): CertificateList | undefined {
  try {
    return parseCertificateList(bytes);
  } catch {
    return undefined;
  }
}

function isNearEnd(nextUpdate: number, now: number): boolean {
  return nextUpdate - now <= crlPeriodMs / 2;
}

function isDue(current: CertificateList, revoked: readonly RevokedSerial[], now: number): boolean {
  if (isNearEnd(current.nextUpdate, now)) return true;
  const listed = new Set(current.entries.map(({ serial }) => serial));
  return revoked.some(({ serial }) => !listed.has(serial));
}

interface ShardContent {
  readonly revoked: readonly RevokedSerial[];
  readonly current: CertificateList | undefined;
  /** Of the object that is to be replaced. */
  readonly version: string | undefined;
}

/** The CRL that was published; undefined when another one came before it. */
async function publishShard(
  ports: PublishCrlsPorts,
  issuer: IssuingAuthority,
  shard: number,
  { current, revoked, version }: ShardContent,
): Promise<CertificateList | undefined> {
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
    // The number is taken after the version was read that this one replaces: what is published only ever has greater ones.
    number: await ports.crlSource.nextCrlNumber(caId, generation, Number(current?.number ?? 0n)),
    distributionPoint: crlUrlOf(ports.hierarchy.crlBaseUrl, caId, generation, shard),
  });
  const crl = await backend.signCrl(tbs);
  const list = await readAsSigned(crl, tbs, certificate.tbs.publicKey);
  const outcome = await ports.crlObjects.replace(crlKeyOf(caId, generation, shard), crl, version);
  return outcome === 'replaced' ? list : undefined;
}

/** Read and verified as by whoever relies on it, before anybody does. */
async function readAsSigned(crl: Uint8Array, tbs: Uint8Array, key: SubjectPublicKey): Promise<CertificateList> {
  const list = parseCertificateList(crl);
  if (Buffer.compare(list.tbsDer, tbs) !== 0) throw new Error('the backend signed another CRL than it was given');
  const algorithm = parseSignatureAlgorithm(list.signatureAlgorithmDer);
  if (!(await verifySignature(algorithm, key, list.tbsDer, list.signature)))
    throw new Error("the signature of a CRL does not verify under its CA's key");
  return list;
}

function wholeSeconds(at: number): number {
  return at - (at % 1_000);
}
