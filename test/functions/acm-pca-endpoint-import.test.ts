import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import {
  type ACMPCAClient,
  DescribeCertificateAuthorityCommand,
  GetCertificateAuthorityCsrCommand,
  ImportCertificateAuthorityCertificateCommand,
} from '@aws-sdk/client-acm-pca';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Extension } from '../../shared/pki/certificate.ts';
import {
  assembleCertificate,
  authorityKeyIdentifierExtension,
  basicConstraintsExtension,
  buildTbsCertificate,
  crlDistributionPointExtension,
  keyUsageExtension,
} from '../../shared/pki/certificate-builder.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { decodeCertificationRequestBody, encodePem } from '../../shared/pki/pem.ts';
import {
  createAuthority,
  dayMs,
  encodeName,
  errorNameOf,
  newKey,
  startTestEndpoint,
  type TestEndpoint,
} from '../support/acm-pca-endpoint.ts';

/** A parent outside the endpoint: a root, a CA below it, and the endpoint's CA below that, each field one that a test changes. */
interface Link {
  readonly subject: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly issuer: Uint8Array;
  readonly signedBy: KeyObject;
  readonly notAfter: number;
  readonly extensions: readonly Extension[];
}

let endpoint: TestEndpoint;
let client: ACMPCAClient;
let serial = 0;

const rootKey = newKey();
const middleKey = newKey();
const rootName = encodeName('CN=Outside Root');
const middleName = encodeName('CN=Outside Subordinate');
const spkiOf = (key: KeyObject): Uint8Array => createPublicKey(key).export({ type: 'spki', format: 'der' });
const ca = (pathLen?: number): readonly Extension[] => [
  basicConstraintsExtension({ ca: true, pathLen }),
  keyUsageExtension(['keyCertSign', 'cRLSign']),
  authorityKeyIdentifierExtension(Uint8Array.of(1)),
];

beforeAll(async () => {
  endpoint = await startTestEndpoint();
  client = endpoint.client;
});
afterAll(() => endpoint.dispose());

function certificatePem(link: Link): string {
  serial += 1;
  const tbs = buildTbsCertificate({
    ...link,
    serialNumber: Uint8Array.of(serial),
    signingAlgorithm: 'SHA256WITHECDSA',
    notBefore: endpoint.now() - dayMs,
  });
  return encodePem('CERTIFICATE', assembleCertificate(tbs, 'SHA256WITHECDSA', sign('sha256', tbs, link.signedBy)));
}

/** Imports a chain of three with the changes given, into a new CA. Answers the error name, or the CA's status. */
async function importChain(changes: {
  readonly root?: Partial<Link>;
  readonly middle?: Partial<Link>;
  readonly own?: Partial<Link>;
  readonly order?: (middle: string, root: string) => string;
}): Promise<string | undefined> {
  const arn = await createAuthority(client, { type: 'SUBORDINATE' });
  const on = { CertificateAuthorityArn: arn };
  const { Csr } = await client.send(new GetCertificateAuthorityCsrCommand(on));
  const request = parseCertificationRequest(decodeCertificationRequestBody(Buffer.from(Csr!)));
  const common = { signedBy: rootKey, issuer: rootName };
  const notAfter = endpoint.now() + 1000 * dayMs;
  const publicKey = spkiOf(rootKey);
  const root = { ...common, subject: rootName, publicKey, notAfter, extensions: ca(), ...changes.root };
  const middle = {
    ...common,
    subject: middleName,
    publicKey: spkiOf(middleKey),
    notAfter: notAfter - dayMs,
    extensions: ca(1),
    ...changes.middle,
  };
  const own = {
    subject: request.subject.der,
    publicKey: request.publicKey.der,
    issuer: middleName,
    signedBy: middleKey,
    notAfter: notAfter - 2 * dayMs,
    extensions: ca(0),
    ...changes.own,
  };
  const order = changes.order ?? ((first, second) => first + second);
  const imported = client.send(
    new ImportCertificateAuthorityCertificateCommand({
      ...on,
      Certificate: Buffer.from(certificatePem(own)),
      CertificateChain: Buffer.from(order(certificatePem(middle), certificatePem(root))),
    }),
  );
  const error = await errorNameOf(imported);
  if (error !== 'no error') return error;
  return (await client.send(new DescribeCertificateAuthorityCommand(on))).CertificateAuthority?.Status;
}

describe('a CA certificate from outside', () => {
  const mismatch = 'CertificateMismatchException';
  const malformed = 'MalformedCertificateException';

  it('is imported with its chain up to the root (import)', async () => {
    expect(await importChain({})).toBe('ACTIVE');
  });

  it('is refused when a signature of the path is not that of the next certificate (import)', async () => {
    expect(await importChain({ own: { signedBy: rootKey } })).toBe(mismatch);
    expect(await importChain({ middle: { signedBy: middleKey } })).toBe(mismatch);
    expect(await importChain({ root: { signedBy: middleKey } })).toBe(mismatch);
  });

  it('is refused when the chain is out of order, has a gap or ends below the root (import)', async () => {
    expect(await importChain({ order: (middle, root) => root + middle })).toBe(mismatch);
    expect(await importChain({ order: (_, root) => root })).toBe(mismatch);
    expect(await importChain({ order: (middle) => middle })).toBe(mismatch);
    expect(await importChain({ own: { issuer: encodeName('CN=Somebody') } })).toBe(mismatch);
  });

  it('is refused when a path length above it is exceeded (import)', async () => {
    expect(await importChain({ root: { extensions: ca(2) } })).toBe('ACTIVE');
    expect(await importChain({ root: { extensions: ca(1) } })).toBe(mismatch);
    expect(await importChain({ middle: { extensions: ca(0) } })).toBe(mismatch);
  });

  it('is refused when it outlives its issuer, or has ended (import)', async () => {
    const later = endpoint.now() + 2000 * dayMs;
    expect(await importChain({ own: { notAfter: later } })).toBe(mismatch);
    expect(await importChain({ middle: { notAfter: later } })).toBe(mismatch);
    expect(await importChain({ own: { notAfter: endpoint.now() - 3_600_000 } })).toBe('InvalidRequestException');
  });

  it('is refused without critical basic constraints or without keyCertSign (import)', async () => {
    const [constraints, ...others] = ca(0);
    expect(await importChain({ own: { extensions: others } })).toBe(malformed);
    expect(await importChain({ own: { extensions: [{ ...constraints!, critical: false }, ...others] } })).toBe(
      malformed,
    );
    expect(await importChain({ own: { extensions: [constraints!, keyUsageExtension(['cRLSign'])] } })).toBe(malformed);
    expect(await importChain({ own: { extensions: [constraints!] } })).toBe('ACTIVE');
  });

  it('is refused with critical extensions that are not on the list of the service (import)', async () => {
    const unknown = { oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) };
    const cdp = crlDistributionPointExtension('http://crl.fleet.example/a.crl');
    expect(await importChain({ own: { extensions: [...ca(0), unknown] } })).toBe(malformed);
    expect(await importChain({ middle: { extensions: [...ca(1), { ...cdp, critical: true }] } })).toBe(malformed);
    expect(await importChain({ middle: { extensions: [...ca(1), cdp] } })).toBe('ACTIVE');
  });
});
