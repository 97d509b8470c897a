/**
 * Building CAs in ACM PCA: for the builder of a hierarchy, never part of the signer, whose credential reaches none of these
 * calls. Each call converges. A CA is found again by its tags; no second one is made as long as the first is there, in
 * whatever state.
 */
import {
  type ACMPCAClient,
  type ASN1Subject,
  type CertificateAuthority,
  CreateCertificateAuthorityCommand,
  DescribeCertificateAuthorityCommand,
  GetCertificateAuthorityCertificateCommand,
  GetCertificateAuthorityCsrCommand,
  GetCertificateCommand,
  ImportCertificateAuthorityCertificateCommand,
  IssueCertificateCommand,
  ListCertificateAuthoritiesCommand,
  ListTagsCommand,
  type RevocationConfiguration,
} from '@aws-sdk/client-acm-pca';
import type { Authority } from '../../hierarchy/hierarchy.ts';
import { SealwrightError } from '../../issuance/errors.ts';
import type { AuthorityProvisioner, AuthoritySigningOrder, Clock } from '../../issuance/ports.ts';
import { parseCertificationRequest } from '../../pki/certification-request.ts';
import { decodePemBlocks, encodePem } from '../../pki/pem.ts';
import { authorityRequest, type CrlPlace, createRequest, revocationOf, tagsOf } from './ca-request.ts';
import { type Sleep, sleepInRealTime } from './pacing.ts';
import { describeError, ruleFor } from './service-errors.ts';

export interface AcmPcaProvisionerOptions {
  readonly client: ACMPCAClient;
  readonly clock: Clock;
  readonly sleep?: Sleep;
  /** For a new CA to come out of CREATING, for a CA certificate, for an import: each at most this long. */
  readonly waitMsMax?: number;
  /** Where CAs that publish CRLs put them; without it no such CA is made. */
  readonly crlPlace?: CrlPlace | undefined;
}

interface Provisioner {
  readonly client: ACMPCAClient;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly waitMsMax: number;
  readonly crlPlace: CrlPlace | undefined;
}

const callMsMax = 10_000;
const waitMsMaxDefault = 120_000;
const firstDelayMs = 50;
const delayMsMax = 3_000;
/** An account has 200 CAs (quota); pages hold 100. Deleted ones are listed until they cannot be restored any more. */
const pagesMax = 20;

/** The provisioner of one account and Region. Errors of the service that waiting does not mend are `backend-unavailable`. */
export function createAcmPcaProvisioner(options: AcmPcaProvisionerOptions): AuthorityProvisioner {
  const { client, clock, sleep = sleepInRealTime, waitMsMax = waitMsMaxDefault } = options;
  const provisioner: Provisioner = { client, clock, sleep, waitMsMax, crlPlace: options.crlPlace };
  return {
    findAuthority: (authority) => findDescribed(provisioner, authority),
    createAuthority: (authority) => createAuthority(provisioner, authority),
    certificationRequest: (ref) => certificationRequest(provisioner, ref),
    signAuthority: (order) => signAuthority(provisioner, order),
    installCertificate: (ref, certificateDer, chain) => installCertificate(provisioner, ref, certificateDer, chain),
  };
}

/** Calls until it answers, until the error is one that a repetition does not mend, or until the time is up. */
async function persist<T>(
  { clock, sleep, waitMsMax }: Provisioner,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = clock() + waitMsMax;
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, delayMsMax)) {
    try {
      return await call(AbortSignal.timeout(callMsMax));
    } catch (cause) {
      if (ruleFor(cause).provision === 'end' || clock() + delayMs > deadline) {
        throw new SealwrightError('backend-unavailable', { message: describeError(cause), cause });
      }
      await sleep(delayMs);
    }
  }
}

async function describe(provisioner: Provisioner, ref: string): Promise<CertificateAuthority> {
  const command = new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: ref });
  const { CertificateAuthority } = await persist(provisioner, (abortSignal) =>
    provisioner.client.send(command, { abortSignal }),
  );
  if (CertificateAuthority === undefined) throw new Error('DescribeCertificateAuthority answered without a CA');
  return CertificateAuthority;
}

/** Describes until `isThere`, within bounds; the last description in any case. */
async function describeUntil(
  provisioner: Provisioner,
  ref: string,
  isThere: (status: string | undefined) => boolean,
): Promise<CertificateAuthority> {
  const { clock, sleep, waitMsMax } = provisioner;
  const deadline = clock() + waitMsMax;
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, delayMsMax)) {
    const found = await describe(provisioner, ref);
    if (isThere(found.Status) || clock() + delayMs > deadline) return found;
    await sleep(delayMs);
  }
}

async function createAuthority(provisioner: Provisioner, authority: Authority): Promise<{ readonly ref: string }> {
  const ref = (await findAuthority(provisioner, authority)) ?? (await makeAuthority(provisioner, authority));
  const found = await describeUntil(provisioner, ref, (status) => status !== 'CREATING');
  requireAsDescribed(provisioner, authority, found);
  if (found.Status !== 'PENDING_CERTIFICATE' && found.Status !== 'ACTIVE') {
    const message = `the CA ${ref} of ${authority.id} is ${found.Status}: ACM PCA can neither certify nor use it so`;
    throw new SealwrightError('backend-unavailable', { message });
  }
  return { ref };
}

async function findDescribed(provisioner: Provisioner, authority: Authority) {
  const ref = await findAuthority(provisioner, authority);
  if (ref === undefined) return undefined;
  requireAsDescribed(provisioner, authority, await describeUntil(provisioner, ref, (status) => status !== 'CREATING'));
  const request = parseCertificationRequest(await certificationRequest(provisioner, ref));
  return { ref, spkiSha256: request.publicKey.sha256 };
}

async function makeAuthority(provisioner: Provisioner, authority: Authority): Promise<string> {
  const command = new CreateCertificateAuthorityCommand(createRequest(authority, provisioner.crlPlace));
  const { CertificateAuthorityArn } = await persist(provisioner, (abortSignal) =>
    provisioner.client.send(command, { abortSignal }),
  );
  if (CertificateAuthorityArn === undefined) throw new Error('CreateCertificateAuthority answered without an ARN');
  return CertificateAuthorityArn;
}

/** A CA of the same id and generation that says something else is not ours to use, and not ours to replace. */
function requireAsDescribed({ crlPlace }: Provisioner, authority: Authority, found: CertificateAuthority): void {
  const expected = createRequest(authority, crlPlace);
  const { KeyAlgorithm, Subject = {} } = found.CertificateAuthorityConfiguration ?? {};
  const faults = [
    KeyAlgorithm === authority.keyAlgorithm ? undefined : 'key algorithm',
    found.Type === expected.CertificateAuthorityType ? undefined : 'type',
    (found.UsageMode ?? 'GENERAL_PURPOSE') === expected.UsageMode ? undefined : 'mode',
    sameSubject(Subject, expected.CertificateAuthorityConfiguration?.Subject ?? {}) ? undefined : 'subject',
    sameCrl(found, revocationOf(authority, crlPlace)) ? undefined : 'CRL configuration',
  ].filter((fault) => fault !== undefined);
  if (faults.length === 0) return;
  throw new Error(
    `the CA ${found.Arn} is tagged as ${authority.id} generation ${authority.generation} but differs in ${faults.join(', ')}: raise the generation, or take its tags away`,
  );
}

/** What is not given has the value that it has without: no CRLs, a complete one. */
function sameCrl({ RevocationConfiguration }: CertificateAuthority, expected: RevocationConfiguration): boolean {
  const canonical = ({ CrlConfiguration: crl }: RevocationConfiguration) => {
    if (crl?.Enabled !== true) return 'none';
    const { CustomCname = '', ExpirationInDays, S3BucketName } = crl;
    const { CrlType = 'COMPLETE' } = crl as { readonly CrlType?: string };
    return JSON.stringify([CrlType, S3BucketName, CustomCname, ExpirationInDays]);
  };
  return canonical(RevocationConfiguration ?? {}) === canonical(expected);
}

function sameSubject(a: ASN1Subject, b: ASN1Subject): boolean {
  const canonical = ({ CustomAttributes = [], ...standard }: ASN1Subject) =>
    JSON.stringify([
      Object.entries(standard)
        .filter(([, value]) => value !== undefined && value !== '')
        .sort(),
      CustomAttributes.map(({ ObjectIdentifier, Value }) => [ObjectIdentifier, Value]),
    ]);
  return canonical(a) === canonical(b);
}

/** States of a CA that is no more, or never was. */
const gone: ReadonlySet<string | undefined> = new Set(['DELETED', 'FAILED']);

/** The oldest CA of this account with the tags. */
async function findAuthority(provisioner: Provisioner, authority: Authority): Promise<string | undefined> {
  const { client } = provisioner;
  const candidates: CertificateAuthority[] = [];
  let next: string | undefined;
  for (let page = 0; page < pagesMax; page += 1) {
    const command = new ListCertificateAuthoritiesCommand({
      ResourceOwner: 'SELF',
      ...(next === undefined ? {} : { NextToken: next }),
    });
    const { CertificateAuthorities = [], NextToken } = await persist(provisioner, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    candidates.push(...CertificateAuthorities.filter(({ Status }) => !gone.has(Status)));
    next = NextToken;
    if (next === undefined) break;
  }
  if (next !== undefined) throw new Error('there are more CAs in the account than its quota lets be');
  candidates.sort((a, b) => (a.CreatedAt?.getTime() ?? 0) - (b.CreatedAt?.getTime() ?? 0));
  for (const { Arn } of candidates) {
    if (Arn !== undefined && (await hasTags(provisioner, Arn, authority))) return Arn;
  }
  return undefined;
}

async function hasTags(provisioner: Provisioner, ref: string, authority: Authority): Promise<boolean> {
  // A CA has at most 50 tags, and a page holds as many.
  const command = new ListTagsCommand({ CertificateAuthorityArn: ref });
  const { Tags = [] } = await persist(provisioner, (abortSignal) => provisioner.client.send(command, { abortSignal }));
  return tagsOf(authority).every(({ Key, Value }) => Tags.some((tag) => tag.Key === Key && tag.Value === Value));
}

async function certificationRequest(provisioner: Provisioner, ref: string): Promise<Uint8Array> {
  const command = new GetCertificateAuthorityCsrCommand({ CertificateAuthorityArn: ref });
  const { Csr = '' } = await persist(provisioner, (abortSignal) => provisioner.client.send(command, { abortSignal }));
  return requireBlock(decodePemBlocks(Csr, 'CERTIFICATE REQUEST', 1), 'GetCertificateAuthorityCsr');
}

function requireBlock(blocks: readonly Uint8Array[], call: string): Uint8Array {
  const [der] = blocks;
  if (der === undefined) throw new Error(`${call} answered without PEM`);
  return der;
}

/** A CA certificate. An order that is repeated within five minutes gets the same one; a later one a second of the same key. */
async function signAuthority(provisioner: Provisioner, order: AuthoritySigningOrder): Promise<Uint8Array> {
  const { client } = provisioner;
  const issue = new IssueCertificateCommand(authorityRequest(order));
  const { CertificateArn } = await persist(provisioner, (abortSignal) => client.send(issue, { abortSignal }));
  if (CertificateArn === undefined) throw new Error('IssueCertificate answered without an ARN');
  const get = new GetCertificateCommand({ CertificateAuthorityArn: order.issuerRef, CertificateArn });
  const { Certificate = '' } = await persist(provisioner, (abortSignal) => client.send(get, { abortSignal }));
  return requireBlock(decodePemBlocks(Certificate, 'CERTIFICATE', 1), 'GetCertificate');
}

async function installCertificate(
  provisioner: Provisioner,
  ref: string,
  certificateDer: Uint8Array,
  chain: readonly Uint8Array[],
): Promise<void> {
  const { client } = provisioner;
  const { Status } = await describe(provisioner, ref);
  if (Status === 'ACTIVE' && (await isInstalled(provisioner, ref, certificateDer))) return;
  const command = new ImportCertificateAuthorityCertificateCommand({
    CertificateAuthorityArn: ref,
    Certificate: Buffer.from(encodePem('CERTIFICATE', certificateDer), 'latin1'),
    ...(chain.length === 0
      ? {}
      : { CertificateChain: Buffer.from(chain.map((der) => encodePem('CERTIFICATE', der)).join(''), 'latin1') }),
  });
  await persist(provisioner, (abortSignal) => client.send(command, { abortSignal }));
  const after = await describeUntil(provisioner, ref, (status) => status === 'ACTIVE');
  if (after.Status !== 'ACTIVE') {
    const message = `the CA ${ref} has its certificate and is ${after.Status}`;
    throw new SealwrightError('backend-unavailable', { message });
  }
}

async function isInstalled(provisioner: Provisioner, ref: string, certificateDer: Uint8Array): Promise<boolean> {
  const command = new GetCertificateAuthorityCertificateCommand({ CertificateAuthorityArn: ref });
  const { Certificate = '' } = await persist(provisioner, (abortSignal) =>
    provisioner.client.send(command, { abortSignal }),
  );
  const [installed] = decodePemBlocks(Certificate, 'CERTIFICATE', 1);
  return installed !== undefined && Buffer.compare(installed, certificateDer) === 0;
}
