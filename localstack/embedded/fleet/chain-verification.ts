/**
 * Judges a certificate by code that is not the signer's: node:crypto for signatures and issuers, @peculiar/x509 for the
 * extensions. The trust anchors come apart from the answer; nothing in an answer is trusted because it is there.
 */
import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { id_ce_nameConstraints, NameConstraints } from '@peculiar/asn1-x509';
import { certificateBlocks } from '../../../cli/http-client.ts';
import {
  BasicConstraintsExtension,
  type GeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as ParsedCertificate,
  SubjectAlternativeNameExtension,
} from './x509.ts';

/** What the device asked for. An absent part is not compared. */
export interface ExpectedLeaf {
  /** SubjectPublicKeyInfo, DER. */
  readonly spkiDer?: Uint8Array;
  /** `dns:a.example`, `url:spiffe://…`, `ip:…` as `sanKey` writes them; compared as sets of the same size. */
  readonly names?: readonly string[];
}

export type ChainVerifier = (chainPem: string, expected: ExpectedLeaf, now: number) => string | undefined;

interface Link {
  readonly certificate: X509Certificate;
  readonly parsed: ParsedCertificate;
}

const chainLengthMax = 8;
const linksKeptMax = 64;

/**
 * A verifier bound to trust anchors (one or more PEM certificates; throws when there are none). It answers undefined
 * when the chain (leaf first, each followed by its issuer, with or without the anchor at the end) verifies, else what
 * is wrong: signature, issuer, validity at `now`, CA flag and keyCertSign of each issuer, pathLen, DNS and URI name
 * constraints (RFC 5280, 6.1), a leaf that is no CA, the key, the names, and a critical SAN under an empty subject (4.2.1.6).
 */
export function createChainVerifier(anchorsPem: string): ChainVerifier {
  const anchors = certificateBlocks(anchorsPem).map(linkOf);
  if (anchors.length === 0) throw new TypeError('no certificate among the trust anchors');
  // Issuers repeat with every device: parsed once. Bounded, since a server could send another one each time.
  const issuers = new Map<string, Link>();
  const issuerLink = (pem: string): Link => {
    const known = issuers.get(pem);
    if (known !== undefined) return known;
    const link = linkOf(pem);
    if (issuers.size < linksKeptMax) issuers.set(pem, link);
    return link;
  };
  return (chainPem, expected, now) => {
    const blocks = certificateBlocks(chainPem);
    if (blocks.length === 0) return 'no certificate in the answer';
    if (blocks.length > chainLengthMax) return `a chain of more than ${chainLengthMax} certificates`;
    try {
      const [leaf, ...rest] = blocks.map((pem, index) => (index === 0 ? linkOf(pem) : issuerLink(pem)));
      return leafFault(leaf!, expected) ?? pathFault([leaf!, ...rest], anchors, now);
    } catch (error) {
      return `a certificate cannot be read: ${error instanceof Error ? error.message : 'unknown'}`;
    }
  };
}

function linkOf(pem: string): Link {
  return { certificate: new X509Certificate(pem), parsed: new ParsedCertificate(pem) };
}

function leafFault(leaf: Link, expected: ExpectedLeaf): string | undefined {
  if (leaf.certificate.ca) return 'the leaf is a CA certificate';
  if (expected.spkiDer !== undefined && !Buffer.from(leaf.parsed.publicKey.rawData).equals(expected.spkiDer)) {
    return "the certificate's key is not the device's";
  }
  if (expected.names === undefined) return undefined;
  const san = sanOf(leaf.parsed);
  const got = (san?.names.items ?? []).map(sanKey).sort();
  const asked = [...expected.names].sort();
  if (got.length !== asked.length || got.some((name, index) => name !== asked[index]))
    return "the certificate's names are not those asked for";
  if (leaf.parsed.subject === '' && san?.critical !== true) return 'an empty subject needs a critical subjectAltName';
  return undefined;
}

function pathFault(chain: readonly Link[], anchors: readonly Link[], now: number): string | undefined {
  const path: Link[] = [];
  let anchored = false;
  for (const link of chain) {
    const previous = path.at(-1);
    if (previous !== undefined && !isIssuedBy(previous, link))
      return `certificate ${path.length} of the chain was not issued by the next one`;
    path.push(link);
    anchored = anchors.some((anchor) => anchor.certificate.raw.equals(link.certificate.raw));
    if (anchored) break;
  }
  if (path.length === 1 && anchored) return 'the leaf is the trust anchor itself';
  if (!anchored) {
    const anchor = anchors.find((candidate) => isIssuedBy(path.at(-1)!, candidate));
    if (anchor === undefined) return 'the chain does not lead to the pinned root';
    path.push(anchor);
  } else if (path.length < chain.length) {
    return 'certificates follow the root';
  }
  return path.reduce<string | undefined>((fault, link, index) => fault ?? linkFault(path, link, index, now), undefined);
}

function isIssuedBy(subject: Link, issuer: Link): boolean {
  return (
    subject.certificate.checkIssued(issuer.certificate) && subject.certificate.verify(issuer.certificate.publicKey)
  );
}

function linkFault(path: readonly Link[], link: Link, index: number, now: number): string | undefined {
  const { certificate, parsed } = link;
  if (now < parsed.notBefore.getTime() || now > parsed.notAfter.getTime())
    return `certificate ${index + 1} of the path is not valid now`;
  if (index === 0) return undefined;
  const constraints = parsed.getExtension(BasicConstraintsExtension);
  if (!certificate.ca || constraints?.ca !== true) return `certificate ${index + 1} of the path is no CA`;
  const usages = parsed.getExtension(KeyUsagesExtension);
  if (usages && (usages.usages & KeyUsageFlags.keyCertSign) === 0)
    return `certificate ${index + 1} of the path may not sign certificates`;
  // CAs between this one and the leaf; the leaf does not count (RFC 5280, 4.2.1.9).
  if (constraints.pathLength !== undefined && index - 1 > constraints.pathLength)
    return `the path is longer than certificate ${index + 1} allows`;
  return constraintFault(parsed, path[0]!.parsed, index);
}

function constraintFault(issuer: ParsedCertificate, leaf: ParsedCertificate, index: number): string | undefined {
  const extension = issuer.getExtension(id_ce_nameConstraints);
  if (!extension) return undefined;
  const { permittedSubtrees, excludedSubtrees } = AsnConvert.parse(extension.value, NameConstraints);
  for (const name of sanOf(leaf)?.names.items ?? []) {
    const host = name.type === 'dns' ? name.value.toLowerCase() : name.type === 'url' ? hostOf(name.value) : undefined;
    if (host === undefined) continue;
    const subtrees = (list: typeof permittedSubtrees) =>
      [...(list ?? [])].flatMap(({ base }) =>
        name.type === 'dns' ? (base.dNSName ?? []) : (base.uniformResourceIdentifier ?? []),
      );
    const permitted = subtrees(permittedSubtrees);
    if (permitted.length > 0 && !permitted.some((base) => isWithin(host, base, name.type)))
      return `a name outside the constraints of certificate ${index + 1}`;
    if (subtrees(excludedSubtrees).some((base) => isWithin(host, base, name.type)))
      return `a name excluded by certificate ${index + 1}`;
  }
  return undefined;
}

/** RFC 5280, 4.2.1.10: a DNS subtree is the name and all below it; a URI one the host itself, or with a leading dot all below it. */
function isWithin(host: string, base: string, kind: GeneralName['type']): boolean {
  const subtree = base.toLowerCase();
  if (kind === 'dns') return subtree === '' || host === subtree || host.endsWith(`.${subtree}`);
  return subtree.startsWith('.') ? host.endsWith(subtree) : host === subtree;
}

function hostOf(uri: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1]?.toLowerCase() ?? '';
}

function sanOf(certificate: ParsedCertificate): SubjectAlternativeNameExtension | undefined {
  return certificate.getExtension(SubjectAlternativeNameExtension) ?? undefined;
}

/** A name to compare by: DNS names without regard to case. */
export function sanKey(name: { readonly type: string; readonly value: string }): string {
  return `${name.type}:${name.type === 'dns' ? name.value.toLowerCase() : name.value}`;
}
