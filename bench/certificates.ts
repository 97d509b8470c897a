import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '../localstack/embedded/fleet/x509.ts';
import type { ServerTls } from './service.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** A CA of two certificates for a peer. All keys are P-256. */
export interface PeerAuthority {
  readonly rootPem: string;
  readonly issuerPem: string;
  /** PKCS #8; undefined when the issuer's key is held elsewhere. */
  readonly issuerKeyPem: string | undefined;
}

/** `issuerSpki`: public key of an issuer whose private key is on a token; without it one is made. */
export async function makePeerAuthority(issuerSpki?: Uint8Array): Promise<PeerAuthority> {
  const root = await makeKeys();
  const rootCertificate = await makeCertificate({
    subject: 'CN=Bench Root',
    publicKey: root.publicKey,
    signingKey: root.privateKey,
    extensions: caExtensions(1),
  });
  const made = issuerSpki === undefined ? await makeKeys() : undefined;
  const publicKey =
    made?.publicKey ??
    (await webcrypto.subtle.importKey('spki', Buffer.from(issuerSpki!), algorithm, true, ['verify']));
  const issuer = await makeCertificate({
    subject: 'CN=Bench Issuer',
    issuer: rootCertificate,
    publicKey,
    signingKey: root.privateKey,
    extensions: [...caExtensions(0), await SubjectKeyIdentifierExtension.create(publicKey)],
  });
  return {
    rootPem: rootCertificate.toString('pem'),
    issuerPem: issuer.toString('pem'),
    issuerKeyPem: made === undefined ? undefined : await privateKeyPem(made.privateKey),
  };
}

/** Writes `server.crt` and `server.key` below `dir`: P-256, signed by itself. */
export async function writeServerTls(dir: string): Promise<ServerTls> {
  const keys = await makeKeys();
  const certificate = await makeCertificate({
    subject: 'CN=localhost',
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    extensions: [
      new SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
    ],
  });
  const tls = { certificateFile: join(dir, 'server.crt'), privateKeyFile: join(dir, 'server.key') };
  writeFileSync(tls.certificateFile, `${certificate.toString('pem')}\n`);
  writeFileSync(tls.privateKeyFile, await privateKeyPem(keys.privateKey), { mode: 0o600 });
  return tls;
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

function caExtensions(pathLength: number): readonly Extension[] {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
}

function makeCertificate(wish: {
  readonly subject: string;
  readonly issuer?: X509Certificate;
  readonly publicKey: webcrypto.CryptoKey;
  readonly signingKey: webcrypto.CryptoKey;
  readonly extensions: readonly Extension[];
}): Promise<X509Certificate> {
  const now = Date.now();
  const { extensions, issuer, ...rest } = wish;
  return X509CertificateGenerator.create(
    {
      ...rest,
      issuer: issuer?.subject ?? wish.subject,
      signingAlgorithm: algorithm,
      notBefore: new Date(now - hourMs),
      notAfter: new Date(now + 365 * dayMs),
      extensions: [...extensions],
    },
    webcrypto,
  );
}
