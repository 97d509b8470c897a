/** What a CA's request and certificate have to be, whoever made them: held against the hierarchy before anything relies on them. */
import type { Authority, CaKeyAlgorithm, NameSubtrees } from '../hierarchy/hierarchy.ts';
import {
  authorityKeyIdentifierOf,
  basicConstraintsOf,
  type Certificate,
  nameConstraintsOf as certifiedConstraintsOf,
  extendedKeyUsageOf as certifiedUsageOf,
  findExtension,
  keyUsageOf,
  subjectKeyIdentifierOf,
  verifyCertificateSignature,
} from '../pki/certificate.ts';
import type { CertificationRequest } from '../pki/certification-request.ts';
import { evaluateKey } from '../pki/key-policy.ts';
import { MalformedError } from '../pki/malformed.ts';
import { encodeSubtrees, type GeneralSubtree, type NameConstraints } from '../pki/name-constraints.ts';
import { type DistinguishedName, encodeDistinguishedName, formatDistinguishedName, parseName } from '../pki/names.ts';
import { oids } from '../pki/oids.ts';
import { verifyPossession } from '../pki/possession.ts';
import type { SubjectPublicKey } from '../pki/public-key.ts';
import { encodeCaSigningAlgorithm } from '../pki/signature-algorithm.ts';
import type { AuthoritySigningOrder } from './ports.ts';

const keyTypes: Readonly<Record<CaKeyAlgorithm, string>> = {
  EC_prime256v1: 'P-256',
  EC_secp384r1: 'P-384',
  EC_secp521r1: 'P-521',
  RSA_2048: 'RSA-2048',
  RSA_3072: 'RSA-3072',
  RSA_4096: 'RSA-4096',
};

function subtreesOf(subtrees: NameSubtrees | undefined): readonly GeneralSubtree[] {
  if (subtrees === undefined) return [];
  return (['dns', 'uri', 'ip'] as const).flatMap((kind) => (subtrees[kind] ?? []).map((value) => ({ kind, value })));
}

/** The name constraints of a CA's description, as an extension has them (RFC 5280 4.2.1.10); undefined when there are none. */
export function nameConstraintsOf(authority: Authority): NameConstraints | undefined {
  const permitted = subtreesOf(authority.nameConstraints?.permitted);
  const excluded = subtreesOf(authority.nameConstraints?.excluded);
  return permitted.length + excluded.length === 0 ? undefined : { permitted, excluded };
}

/** The purposes a CA's certificate is to name (RFC 5280 4.2.1.12), OIDs; undefined when it constrains none. */
export function extendedKeyUsageOf(authority: Authority): readonly string[] | undefined {
  return authority.extendedKeyUsage?.map((name) => oids[name]);
}

/** The same types with the same values. Order and string types are the encoder's own: services choose them. */
export function sameAttributes(a: DistinguishedName, b: DistinguishedName): boolean {
  const canonical = (name: DistinguishedName) =>
    JSON.stringify(name.attributes.map(({ type, value }) => `${type}=${value}`).sort());
  return canonical(a) === canonical(b);
}

function subjectFault(found: DistinguishedName, authority: Authority): string | undefined {
  const expected = parseName(encodeDistinguishedName(authority.subject));
  return sameAttributes(found, expected)
    ? undefined
    : `the subject is ${formatDistinguishedName(found)}, not ${authority.subject}`;
}

function keyFault(key: SubjectPublicKey, authority: Authority): string | undefined {
  const expected = keyTypes[authority.keyAlgorithm];
  return key.keyType === expected ? undefined : `the key is ${key.keyType}, not ${expected}`;
}

/** Every fault of a CA's certification request; possession is proven, the key sound and of the kind described. */
export async function requestFaults(request: CertificationRequest, authority: Authority): Promise<readonly string[]> {
  return [
    subjectFault(request.subject, authority),
    keyFault(request.publicKey, authority),
    ...evaluateKey(request.publicKey, request.signatureAlgorithm).map(({ message }) => message),
    (await verifyPossession(request)) ? undefined : 'possession of the private key is not proven',
  ].filter((fault) => fault !== undefined);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** By their encoding, in whatever order: an address range has several texts. */
function constraintsKey(constraints: NameConstraints | undefined): string {
  const canonical = (subtrees: readonly GeneralSubtree[]) =>
    encodeSubtrees(subtrees)
      .map((subtree) => Buffer.from(subtree).toString('hex'))
      .sort();
  return JSON.stringify([canonical(constraints?.permitted ?? []), canonical(constraints?.excluded ?? [])]);
}

/** Critical extensions that a CA certificate of ours may have. */
const criticalKnown: ReadonlySet<string> = new Set([oids.basicConstraints, oids.keyUsage, oids.nameConstraints]);

function extensionFaults({ tbs }: Certificate, authority: Authority): readonly string[] {
  const faults: string[] = [];
  const constraints = basicConstraintsOf(tbs);
  if (constraints?.ca !== true) faults.push('basic constraints do not say CA');
  if (findExtension(tbs, oids.basicConstraints)?.critical !== true) faults.push('basic constraints are not critical');
  if (constraints?.pathLen !== authority.pathLen) {
    faults.push(`the path length is ${constraints?.pathLen ?? 'none'}, not ${authority.pathLen ?? 'none'}`);
  }
  const usage = keyUsageOf(tbs) ?? [];
  if (!usage.includes('keyCertSign') || !usage.includes('cRLSign'))
    faults.push('key usage lacks keyCertSign or cRLSign');
  if (findExtension(tbs, oids.keyUsage)?.critical !== true) faults.push('key usage is not critical');
  if (constraintsKey(certifiedConstraintsOf(tbs)) !== constraintsKey(nameConstraintsOf(authority))) {
    faults.push('the name constraints are not those described');
  }
  const purposes = (usages: readonly string[] | undefined) => usages?.toSorted().join(' ');
  if (purposes(certifiedUsageOf(tbs)) !== purposes(extendedKeyUsageOf(authority))) {
    faults.push('the extended key usage is not the one described');
  }
  const named = findExtension(tbs, oids.nameConstraints);
  if (named !== undefined && !named.critical) faults.push('name constraints are not critical');
  if (subjectKeyIdentifierOf(tbs) === undefined) faults.push('there is no subject key identifier');
  for (const { oid, critical } of tbs.extensions) {
    if (critical && !criticalKnown.has(oid)) faults.push(`extension ${oid} is critical and not ours`);
  }
  return faults;
}

/**
 * Every way in which a CA's certificate is not the one that its description asks for, in what the certificate alone can
 * tell: subject, key, extensions. Its validity and issuer are judged apart.
 */
export function descriptionFaults(certificate: Certificate, authority: Authority): readonly string[] {
  const { tbs } = certificate;
  try {
    return [
      ...[subjectFault(tbs.subject, authority), keyFault(tbs.publicKey, authority)].filter((f) => f !== undefined),
      ...extensionFaults(certificate, authority),
    ];
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return [`an extension is malformed: ${error.message}`];
  }
}

function validityFaults({ tbs }: Certificate, issuer: Certificate, order: AuthoritySigningOrder): readonly string[] {
  return [
    tbs.notBefore === order.notBefore ? undefined : 'notBefore is not the one ordered',
    tbs.notAfter === order.notAfter ? undefined : 'notAfter is not the one ordered',
    tbs.notBefore >= issuer.tbs.notBefore && tbs.notAfter <= issuer.tbs.notAfter
      ? undefined
      : "the validity is not inside the issuer's",
  ].filter((fault) => fault !== undefined);
}

/** Every fault of a CA certificate as one that `issuer` has signed with the algorithm of its description. */
export async function issuerFaults(
  certificate: Certificate,
  issuer: Certificate,
  { signingAlgorithm }: Pick<Authority, 'signingAlgorithm'>,
  isSelfSigned: boolean,
): Promise<readonly string[]> {
  const { tbs } = certificate;
  const algorithm = encodeCaSigningAlgorithm(signingAlgorithm);
  const issuerKeyId = subjectKeyIdentifierOf(issuer.tbs);
  const keyId = authorityKeyIdentifierOf(tbs);
  // A self-signed certificate may leave it out (RFC 5280 4.2.1.1), and ACM PCA's root templates do.
  const namesIssuer = keyId === undefined ? isSelfSigned : issuerKeyId !== undefined && equal(keyId, issuerKeyId);
  return [
    equal(tbs.issuer.der, issuer.tbs.subject.der) ? undefined : 'the issuer is not the CA that was to sign',
    namesIssuer ? undefined : "the authority key identifier is not the issuer's",
    equal(certificate.signatureAlgorithmDer, algorithm) ? undefined : `the signature is not ${signingAlgorithm}`,
    (await verifyCertificateSignature(certificate, issuer.tbs.publicKey))
      ? undefined
      : "the signature does not verify under the issuer's key",
  ].filter((fault) => fault !== undefined);
}

/**
 * Every fault of a CA certificate against its order: subject, key, extensions, validity, and the signature of the issuer,
 * whose certificate is `issuer` (the certificate itself for a root).
 */
export async function certificateFaults(
  certificate: Certificate,
  request: CertificationRequest,
  issuer: Certificate,
  order: AuthoritySigningOrder,
): Promise<readonly string[]> {
  const { tbs } = certificate;
  try {
    return [
      ...[subjectFault(tbs.subject, order.authority)].filter((fault) => fault !== undefined),
      ...(equal(tbs.publicKey.der, request.publicKey.der) ? [] : ["the key is not the request's"]),
      ...extensionFaults(certificate, order.authority),
      ...validityFaults(certificate, issuer, order),
      ...(await issuerFaults(certificate, issuer, order.issuer, order.issuerCertificateDer === undefined)),
    ];
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return [`an extension is malformed: ${error.message}`];
  }
}
