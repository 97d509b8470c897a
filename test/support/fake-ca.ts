/** A small hierarchy made with @peculiar/x509: root, subordinate (pathLen 1, name constraints), issuing CA (pathLen 0). */
import { webcrypto } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { GeneralName as AsnGeneralName, GeneralSubtree, GeneralSubtrees, NameConstraints } from '@peculiar/asn1-x509';
import {
  BasicConstraintsExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '../../localstack/embedded/fleet/x509.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;

export interface FakeAuthority {
  readonly certificate: X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

export function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}

export interface CertificateWish {
  readonly subject: string;
  readonly publicKey: webcrypto.CryptoKey | PublicKey;
  readonly issuer: FakeAuthority | { readonly certificate?: undefined; readonly keys: webcrypto.CryptoKeyPair };
  readonly now: number;
  readonly extensions: readonly Extension[];
  readonly notBefore?: number;
  readonly notAfter?: number;
}

export function makeCertificate(wish: CertificateWish): Promise<X509Certificate> {
  return X509CertificateGenerator.create(
    {
      subject: wish.subject,
      issuer: wish.issuer.certificate?.subject ?? wish.subject,
      publicKey: wish.publicKey,
      signingKey: wish.issuer.keys.privateKey,
      signingAlgorithm: algorithm,
      notBefore: new Date(wish.notBefore ?? wish.now - 3_600_000),
      notAfter: new Date(wish.notAfter ?? wish.now + dayMs),
      extensions: [...wish.extensions],
    },
    webcrypto,
  );
}

export function caExtensions(pathLen?: number): readonly Extension[] {
  return [
    new BasicConstraintsExtension(true, pathLen, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
}

/** Permits DNS names below, and URIs at, `domain`. */
export function nameConstraints(domain: string): Extension {
  const subtree = (base: ConstructorParameters<typeof AsnGeneralName>[0]) =>
    new GeneralSubtree({ base: new AsnGeneralName(base) });
  const value = new NameConstraints({
    permittedSubtrees: new GeneralSubtrees([
      subtree({ dNSName: domain }),
      subtree({ uniformResourceIdentifier: domain }),
    ]),
  });
  return new Extension('2.5.29.30', true, AsnConvert.serialize(value));
}

export interface FakeHierarchy {
  readonly root: FakeAuthority;
  readonly subordinate: FakeAuthority;
  readonly issuing: FakeAuthority;
  readonly rootPem: string;
  /** PEM of the leaf, then issuing, subordinate, root. */
  chainOf(leaf: X509Certificate): string;
  /** A leaf for a request in PEM: its key and its subjectAltName. */
  issue(csrPem: string): Promise<X509Certificate>;
}

export async function makeHierarchy(
  now: number,
  options: { readonly subordinatePathLen?: number } = {},
): Promise<FakeHierarchy> {
  const authority = async (
    name: string,
    issuer: FakeAuthority | undefined,
    extensions: readonly Extension[],
  ): Promise<FakeAuthority> => {
    const keys = await makeKeys();
    const wish = { subject: `CN=${name}`, publicKey: keys.publicKey, issuer: issuer ?? { keys }, now, extensions };
    return { keys, certificate: await makeCertificate(wish) };
  };
  const root = await authority('Root', undefined, caExtensions());
  const subordinate = await authority('Subordinate', root, [
    ...caExtensions(options.subordinatePathLen ?? 1),
    nameConstraints('fleet.example'),
  ]);
  const issuing = await authority('Issuing', subordinate, caExtensions(0));
  const chain = [issuing, subordinate, root].map(({ certificate }) => certificate);
  return {
    root,
    subordinate,
    issuing,
    rootPem: root.certificate.toString('pem'),
    chainOf: (leaf) => [leaf, ...chain].map((certificate) => `${certificate.toString('pem')}\n`).join(''),
    issue: (csrPem) => {
      const request = new Pkcs10CertificateRequest(csrPem);
      const san = request.extensions.find((extension) => extension instanceof SubjectAlternativeNameExtension);
      const extensions =
        san instanceof SubjectAlternativeNameExtension
          ? [new SubjectAlternativeNameExtension(san.names.toJSON(), true)]
          : [];
      return makeCertificate({ subject: '', publicKey: request.publicKey, issuer: issuing, now, extensions });
    },
  };
}
