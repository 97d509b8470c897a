/** An ACM PCA endpoint in this process, with a clock that a test moves, and the real SDK client for it. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ACMPCAClient,
  type ApiPassthrough,
  CreateCertificateAuthorityAuditReportCommand,
  CreateCertificateAuthorityCommand,
  type CreateCertificateAuthorityRequest,
  DescribeCertificateAuthorityAuditReportCommand,
  type DescribeCertificateAuthorityAuditReportResponse,
  GetCertificateAuthorityCsrCommand,
  GetCertificateCommand,
  ImportCertificateAuthorityCertificateCommand,
  IssueCertificateCommand,
  type IssueCertificateRequest,
  type KeyAlgorithm,
  type SigningAlgorithm,
} from '@aws-sdk/client-acm-pca';
import { AsnConvert } from '@peculiar/asn1-schema';
import * as asn1 from '@peculiar/asn1-x509';
import type { ReportEntry } from '../../localstack/acm-pca/report-content.ts';
import {
  type AcmPcaEndpoint,
  type AcmPcaEndpointOptions,
  startAcmPcaEndpoint,
} from '../../localstack/acm-pca/server.ts';
import type { Extension } from '../../shared/pki/certificate.ts';
import { assembleCertificationRequest, buildCertificationRequestInfo } from '../../shared/pki/certificate-builder.ts';
import { encodeDistinguishedName } from '../../shared/pki/distinguished-name.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { encodeCaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';

export const dayMs = 86_400_000;

/** Octets that are the same in every run of the same seed. */
export function seededBytes(seed: string): (count: number) => Uint8Array {
  let counter = 0;
  return (count) => {
    counter += 1;
    return createHash('shake256', { outputLength: count }).update(`${seed} ${counter}`).digest();
  };
}

/** The unmodified SDK client: one attempt a call, so that each error is seen. */
export function clientOf(url: string): ACMPCAClient {
  const credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' };
  return new ACMPCAClient({ endpoint: url, region: 'us-east-1', credentials, maxAttempts: 1 });
}

export interface TestEndpoint {
  readonly url: string;
  readonly client: ACMPCAClient;
  readonly stateDir: string;
  readonly control: AcmPcaEndpoint['control'];
  readonly view: AcmPcaEndpoint['view'];
  /** Moves the endpoint's clock. */
  advance(ms: number): void;
  now(): number;
  /** Ends the endpoint and keeps its state. */
  stop(): Promise<void>;
  /** Ends the endpoint and removes its state. */
  dispose(): Promise<void>;
}

/** Starts at 2026-11-23T12:00:00Z. New CAs and certificates are there at once unless the options say otherwise. */
export async function startTestEndpoint(options: Partial<AcmPcaEndpointOptions> = {}): Promise<TestEndpoint> {
  const stateDir = options.stateDir ?? mkdtempSync(join(tmpdir(), 'acm-pca-'));
  let now = Date.UTC(2026, 10, 23, 12);
  const endpoint = await startAcmPcaEndpoint({
    port: 0,
    stateDir,
    clock: () => now,
    randomBytes: seededBytes(stateDir),
    issueDelayMs: 0,
    createDelayMs: 0,
    ...options,
  });
  const client = clientOf(endpoint.url);
  const stop = async (): Promise<void> => {
    client.destroy();
    await endpoint.close();
  };
  return {
    url: endpoint.url,
    client,
    stateDir,
    control: endpoint.control,
    view: endpoint.view,
    advance: (ms) => {
      now += ms;
    },
    now: () => now,
    stop,
    dispose: async () => {
      await stop();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

/** What a test CSR asks for. */
export interface CsrOptions {
  readonly subject?: string;
  readonly extensions?: readonly Extension[];
  readonly key?: KeyObject;
}

/** A P-256 key. */
export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** A CSR as PEM bytes, signed with SHA-256; the empty string is the empty subject. */
export function newCsr({ subject = 'CN=a.example', extensions = [], key = newKey() }: CsrOptions = {}): Uint8Array {
  const spki = publicKeyDer(key);
  const info = buildCertificationRequestInfo(encodeName(subject), spki, extensions);
  const algorithm = encodeCaSigningAlgorithm(key.asymmetricKeyType === 'rsa' ? 'SHA256WITHRSA' : 'SHA256WITHECDSA');
  const der = assembleCertificationRequest(info, algorithm, sign('sha256', info, key));
  return Buffer.from(encodePem('CERTIFICATE REQUEST', der));
}

function publicKeyDer(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

/** Name DER; the empty string is the empty name. */
export function encodeName(text: string): Uint8Array {
  return text === '' ? Uint8Array.of(0x30, 0) : encodeDistinguishedName(text);
}

/** Template ARN by name. */
export function templateArn(name: string): string {
  return `arn:aws:acm-pca:::template/${name}/V1`;
}

/** A CA to create: ECDSA P-256 unless said otherwise. */
export interface NewAuthority {
  readonly type?: 'ROOT' | 'SUBORDINATE';
  readonly commonName?: string;
  readonly keyAlgorithm?: KeyAlgorithm;
  readonly signingAlgorithm?: SigningAlgorithm;
  readonly more?: Partial<CreateCertificateAuthorityRequest>;
}

/** Creates a CA and answers its ARN. */
export async function createAuthority(client: ACMPCAClient, authority: NewAuthority = {}): Promise<string> {
  const created = await client.send(
    new CreateCertificateAuthorityCommand({
      CertificateAuthorityType: authority.type ?? 'ROOT',
      CertificateAuthorityConfiguration: {
        KeyAlgorithm: authority.keyAlgorithm ?? 'EC_prime256v1',
        SigningAlgorithm: authority.signingAlgorithm ?? 'SHA256WITHECDSA',
        Subject: { CommonName: authority.commonName ?? 'Test Root', Organization: 'Example Fleet' },
      },
      ...authority.more,
    }),
  );
  return created.CertificateAuthorityArn!;
}

/** IssueCertificate with defaults: a fresh CSR, 30 days, EndEntityCertificate/V1. Answers the ARN. */
export async function issue(
  client: ACMPCAClient,
  authorityArn: string,
  more: Partial<IssueCertificateRequest> & { readonly template?: string; readonly api?: ApiPassthrough } = {},
): Promise<string> {
  const { template, api, ...rest } = more;
  const issued = await client.send(
    new IssueCertificateCommand({
      CertificateAuthorityArn: authorityArn,
      Csr: newCsr(),
      SigningAlgorithm: 'SHA256WITHECDSA',
      Validity: { Type: 'DAYS', Value: 30 },
      ...(template === undefined ? {} : { TemplateArn: templateArn(template) }),
      ...(api === undefined ? {} : { ApiPassthrough: api }),
      ...rest,
    }),
  );
  return issued.CertificateArn!;
}

/** Issues and gets: leaf PEM and chain PEM. */
export async function issueAndGet(
  client: ACMPCAClient,
  authorityArn: string,
  more: Parameters<typeof issue>[2] = {},
): Promise<{ readonly arn: string; readonly pem: string; readonly chain: string | undefined }> {
  const arn = await issue(client, authorityArn, more);
  const got = await client.send(
    new GetCertificateCommand({ CertificateAuthorityArn: authorityArn, CertificateArn: arn }),
  );
  return { arn, pem: got.Certificate!, chain: got.CertificateChain };
}

/** Gives a CA its certificate, from itself (a root) or from `parentArn` with the template named. */
export async function activate(
  client: ACMPCAClient,
  arn: string,
  by: { readonly parentArn?: string; readonly template?: string; readonly days?: number; readonly more?: object } = {},
): Promise<void> {
  const { Csr } = await client.send(new GetCertificateAuthorityCsrCommand({ CertificateAuthorityArn: arn }));
  const { pem, chain } = await issueAndGet(client, by.parentArn ?? arn, {
    Csr: Buffer.from(Csr!),
    template: by.template ?? 'RootCACertificate',
    Validity: { Type: 'DAYS', Value: by.days ?? 3650 },
    ...by.more,
  });
  await client.send(
    new ImportCertificateAuthorityCertificateCommand({
      CertificateAuthorityArn: arn,
      Certificate: Buffer.from(pem),
      ...(chain === undefined ? {} : { CertificateChain: Buffer.from(chain) }),
    }),
  );
}

/** An ACTIVE root. */
export async function newRoot(client: ACMPCAClient, authority: NewAuthority = {}): Promise<string> {
  const arn = await createAuthority(client, authority);
  await activate(client, arn);
  return arn;
}

/** An ACTIVE subordinate of `parentArn`. */
export async function newSubordinate(
  client: ACMPCAClient,
  parentArn: string,
  pathLen: 0 | 1 | 2 | 3,
  authority: NewAuthority & { readonly days?: number } = {},
): Promise<string> {
  const arn = await createAuthority(client, { commonName: 'Test Subordinate', ...authority, type: 'SUBORDINATE' });
  const template = `SubordinateCACertificate_PathLen${pathLen}`;
  await activate(client, arn, { parentArn, template, days: authority.days ?? 1825 });
  return arn;
}

/** An audit report that is asked for. */
export interface StartedReport {
  readonly authorityArn: string;
  readonly id: string;
  readonly key: string;
}

export const reportBucket = 'fleet-reports';

/** Asks for an audit report of the CA. */
export async function startReport(
  client: ACMPCAClient,
  authorityArn: string,
  format: 'JSON' | 'CSV' = 'JSON',
  bucket = reportBucket,
): Promise<StartedReport> {
  const { AuditReportId, S3Key } = await client.send(
    new CreateCertificateAuthorityAuditReportCommand({
      CertificateAuthorityArn: authorityArn,
      S3BucketName: bucket,
      AuditReportResponseFormat: format,
    }),
  );
  return { authorityArn, id: AuditReportId!, key: S3Key! };
}

/** DescribeCertificateAuthorityAuditReport. */
export function describeReport(
  client: ACMPCAClient,
  { authorityArn, id }: Pick<StartedReport, 'authorityArn' | 'id'>,
): Promise<DescribeCertificateAuthorityAuditReportResponse> {
  return client.send(
    new DescribeCertificateAuthorityAuditReportCommand({ CertificateAuthorityArn: authorityArn, AuditReportId: id }),
  );
}

/** Asks until the report is no longer CREATING, as it is for a moment while its file is written. */
export async function finishReport(
  client: ACMPCAClient,
  report: StartedReport,
): Promise<DescribeCertificateAuthorityAuditReportResponse> {
  for (;;) {
    const described = await describeReport(client, report);
    if (described.AuditReportStatus !== 'CREATING') return described;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Text of an object over HTTP. */
export async function readObject(url: string, key: string, bucket = reportBucket): Promise<string> {
  const response = await fetch(`${url}/_s3/${bucket}/${key}`);
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  return response.text();
}

/** Asks for a JSON report, waits for it and reads it. */
export async function reportOf(endpoint: TestEndpoint, authorityArn: string): Promise<readonly ReportEntry[]> {
  const report = await startReport(endpoint.client, authorityArn);
  await finishReport(endpoint.client, report);
  return JSON.parse(await readObject(endpoint.url, report.key)) as ReportEntry[];
}

/** Error name of a call that has to fail. */
export async function errorNameOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'no error',
    (error: unknown) => (error instanceof Error ? error.name : 'not an error'),
  );
}

/** A certificate as a parser that is not the project's own reads it. */
export interface DecodedCertificate {
  readonly subject: readonly string[];
  readonly issuer: readonly string[];
  readonly serialNumber: bigint;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: ReadonlyMap<string, { readonly critical: boolean; readonly value: ArrayBuffer }>;
  readonly purposes: readonly string[] | undefined;
  /** Names of asn1-x509 (`crlSign`), sorted. */
  readonly keyUsage: readonly string[] | undefined;
  readonly names: readonly string[] | undefined;
  readonly basicConstraints: { readonly ca: boolean; readonly pathLen: number | undefined } | undefined;
}

function nameOf(name: asn1.Name): readonly string[] {
  return name.flatMap((rdn) => [...rdn].map(({ type, value }) => `${type}=${value.toString()}`));
}

/** Decodes a PEM certificate. */
export function decodeCertificate(pem: string): DecodedCertificate {
  const der = Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  const { tbsCertificate: tbs } = AsnConvert.parse(der, asn1.Certificate);
  const extensions = new Map(
    [...(tbs.extensions ?? [])].map(({ extnID, critical, extnValue }) => [
      extnID,
      { critical, value: extnValue.buffer as ArrayBuffer },
    ]),
  );
  const decode = <T>(oid: string, schema: new () => T): T | undefined => {
    const extension = extensions.get(oid);
    return extension === undefined ? undefined : AsnConvert.parse(extension.value, schema);
  };
  const constraints = decode(asn1.id_ce_basicConstraints, asn1.BasicConstraints);
  const alternative = decode(asn1.id_ce_subjectAltName, asn1.SubjectAlternativeName);
  const purposes = decode(asn1.id_ce_extKeyUsage, asn1.ExtendedKeyUsage);
  return {
    subject: nameOf(tbs.subject),
    issuer: nameOf(tbs.issuer),
    serialNumber: BigInt(`0x${Buffer.from(tbs.serialNumber).toString('hex')}`),
    notBefore: tbs.validity.notBefore.getTime().getTime(),
    notAfter: tbs.validity.notAfter.getTime().getTime(),
    extensions,
    purposes: purposes === undefined ? undefined : [...purposes],
    keyUsage: decode(asn1.id_ce_keyUsage, asn1.KeyUsage)?.toJSON().sort(),
    names:
      alternative === undefined
        ? undefined
        : [...alternative].map((name) => name.dNSName ?? name.uniformResourceIdentifier ?? name.iPAddress ?? 'other'),
    basicConstraints:
      constraints === undefined ? undefined : { ca: constraints.cA, pathLen: constraints.pathLenConstraint },
  };
}
