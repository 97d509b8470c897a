/** Requests and certificates of CAs whose keys we hold ourselves, whatever holds them. */
import type { Authority } from '../../hierarchy/hierarchy.ts';
import { extendedKeyUsageOf, nameConstraintsOf, requestFaults } from '../../issuance/authority-certificate.ts';
import type { AuthoritySigningOrder } from '../../issuance/ports.ts';
import { type Extension, parseCertificate, subjectKeyIdentifierOf } from '../../pki/certificate.ts';
import {
  assembleCertificate,
  assembleCertificationRequest,
  authorityKeyIdentifierExtension,
  basicConstraintsExtension,
  buildCertificationRequestInfo,
  buildTbsCertificate,
  extendedKeyUsageExtension,
  keyIdentifierOf,
  keyUsageExtension,
  nameConstraintsExtension,
  subjectKeyIdentifierExtension,
} from '../../pki/certificate-builder.ts';
import { parseCertificationRequest } from '../../pki/certification-request.ts';
import { encodeDistinguishedName } from '../../pki/names.ts';
import type { SubjectPublicKey } from '../../pki/public-key.ts';
import { encodeCaSigningAlgorithm } from '../../pki/signature-algorithm.ts';

/** A key pair that signs. `sign` answers the content of a signature BIT STRING. */
export interface HeldKey {
  readonly publicKey: SubjectPublicKey;
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
}

/** CA certificates get 127 random bits: a serial says nothing and is never used twice. */
const serialBytes = 16;

/** PKCS#10 DER (RFC 2986) of a CA, signed by its key. What the certificate will say is the signing CA's affair. */
export async function buildAuthorityRequest(authority: Authority, key: HeldKey): Promise<Uint8Array> {
  const info = buildCertificationRequestInfo(encodeDistinguishedName(authority.subject), key.publicKey.der, []);
  return assembleCertificationRequest(info, encodeCaSigningAlgorithm(authority.signingAlgorithm), await key.sign(info));
}

/**
 * The CA certificate that an order asks for, signed by `key`, the issuer's. Throws when the request is not one of that CA,
 * or the key is not the one of the issuer's certificate: a CA certificate is not taken back.
 */
export async function buildAuthorityCertificate(
  order: AuthoritySigningOrder,
  key: HeldKey,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  const tbs = await buildAuthorityTbs(order, key.publicKey, random);
  return assembleCertificate(tbs, order.issuer.signingAlgorithm, await key.sign(tbs));
}

/** The TBSCertificate of `buildAuthorityCertificate`, for whoever has to write it down before it is signed. */
export async function buildAuthorityTbs(
  order: AuthoritySigningOrder,
  issuerKey: SubjectPublicKey,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  const { authority, issuer, issuerCertificateDer, notBefore, notAfter } = order;
  const request = parseCertificationRequest(order.requestDer);
  const faults = await requestFaults(request, authority);
  if (faults.length > 0) throw new Error(`the request of CA ${authority.id} is not usable: ${faults.join('; ')}`);
  const issuerKeyOwner = issuerCertificateDer === undefined ? request : parseCertificate(issuerCertificateDer).tbs;
  if (issuerKeyOwner.publicKey.sha256 !== issuerKey.sha256) {
    throw new Error(`the key that would sign for ${issuer.id} is not the one that its certificate names`);
  }
  const subject = encodeDistinguishedName(authority.subject);
  return buildTbsCertificate({
    serialNumber: positive(random(serialBytes)),
    signingAlgorithm: issuer.signingAlgorithm,
    issuer: issuerCertificateDer === undefined ? subject : parseCertificate(issuerCertificateDer).tbs.subject.der,
    notBefore,
    notAfter,
    subject,
    publicKey: request.publicKey.der,
    extensions: extensionsOf(order, request.publicKey),
  });
}

/** Positive, and never zero: RFC 5280 §4.1.2.2. The second bit keeps its length. */
function positive(random: Uint8Array): Uint8Array {
  const serial = Uint8Array.from(random);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return serial;
}

function extensionsOf(order: AuthoritySigningOrder, publicKey: SubjectPublicKey): readonly Extension[] {
  const { authority, issuerCertificateDer } = order;
  const constraints = nameConstraintsOf(authority);
  const purposes = extendedKeyUsageOf(authority);
  return [
    basicConstraintsExtension({ ca: true, pathLen: authority.pathLen }),
    keyUsageExtension(['keyCertSign', 'cRLSign']),
    ...(constraints === undefined ? [] : [nameConstraintsExtension(constraints)]),
    ...(purposes === undefined ? [] : [extendedKeyUsageExtension(purposes)]),
    subjectKeyIdentifierExtension(keyIdentifierOf(publicKey)),
    ...(issuerCertificateDer === undefined
      ? []
      : [authorityKeyIdentifierExtension(keyIdentifierIn(issuerCertificateDer))]),
  ];
}

/** The identifier that the issuer's certificate gives its key, whoever computed it (RFC 5280 §4.2.1.1). */
function keyIdentifierIn(certificateDer: Uint8Array): Uint8Array {
  const { tbs } = parseCertificate(certificateDer);
  return subjectKeyIdentifierOf(tbs) ?? keyIdentifierOf(tbs.publicKey);
}

/** Throws when a certificate is not on a key. */
export function requireKeyOf(certificateDer: Uint8Array, publicKey: SubjectPublicKey): void {
  if (parseCertificate(certificateDer).tbs.publicKey.sha256 !== publicKey.sha256) {
    throw new Error('the certificate is not on the key of the CA');
  }
}
