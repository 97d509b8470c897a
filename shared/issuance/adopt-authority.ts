import { type Authority, addDuration } from '../hierarchy/hierarchy.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { parseCertificationRequest } from '../pki/certification-request.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { descriptionFaults, issuerFaults } from './authority-certificate.ts';
import type { BuildHierarchyPorts, Parent } from './build-hierarchy.ts';
import { entryOf } from './certified-authority.ts';
import type { InstalledAuthority } from './issuance-record.ts';
import type { AuthorityProvisioner } from './ports.ts';

/** Every reason why what a ceremony made is not the CA that the hierarchy describes. */
export class AdoptionRefused extends Error {
  readonly code = 'adoption-refused';
  readonly reasons: readonly string[];
  constructor(caId: string, reasons: readonly string[]) {
    super(`the ceremony's certificate for ${caId} is not adopted: ${reasons.join('; ')}`);
    this.name = 'AdoptionRefused';
    this.reasons = reasons;
  }
}

/**
 * Takes a CA over that a ceremony has made: the certificate is held against the hierarchy and its issuer, and the key that
 * is in the backend against the certificate. Registered when all of it holds; else `AdoptionRefused` with every reason.
 * `authority` has the subject that is certified.
 */
export async function adoptAuthority(
  ports: BuildHierarchyPorts,
  authority: Authority,
  parent: Parent | undefined,
  certificateDer: Uint8Array,
): Promise<InstalledAuthority> {
  const { id: caId, generation } = authority;
  const certificate = parseCertificate(certificateDer);
  const isRoot = authority.parent === undefined;
  const issued =
    isRoot || parent !== undefined
      ? await issuedFaults(authority, certificate, parent)
      : [`its issuer ${authority.parent} is not installed: adopt or build that one first`];
  const key = await keyOf(ports, authority, certificate);
  const reasons = [
    ...descriptionFaults(certificate, authority),
    ...validityFaults(authority, certificate, ports.clock()),
    ...issued,
    ...key.faults,
  ];
  if (reasons.length > 0) throw new AdoptionRefused(caId, reasons);
  const chain = parent === undefined ? [] : [parent.entry.certificateDer, ...parent.entry.chain];
  await key.provisioner?.installCertificate(key.ref, certificate.der, chain);
  ports.report({ caId, generation, kind: 'adopted' });
  const entry = entryOf(authority, key.ref, certificate, chain, ports.clock());
  await ports.registry.install(entry);
  ports.report({ caId, generation, kind: 'registered' });
  return entry;
}

async function issuedFaults(
  authority: Authority,
  certificate: Certificate,
  parent: Parent | undefined,
): Promise<readonly string[]> {
  const issuer = parent?.certificate ?? certificate;
  const inside = certificate.tbs.notBefore >= issuer.tbs.notBefore && certificate.tbs.notAfter <= issuer.tbs.notAfter;
  return [
    ...(await issuerFaults(certificate, issuer, parent?.authority ?? authority, parent === undefined)),
    ...(inside ? [] : ["the validity is not inside the issuer's"]),
  ];
}

/** A ceremony is prepared before it is held, and takes a day: its notBefore may lie that much around the making. */
const slackMs = 2 * 86_400_000;

function validityFaults(authority: Authority, { tbs }: Certificate, now: EpochMs): readonly string[] {
  const end = addDuration(tbs.notBefore, authority.validity);
  return [
    tbs.notBefore <= now ? undefined : `it begins on ${day(tbs.notBefore)}, which is to come`,
    tbs.notAfter > now ? undefined : `it has ended on ${day(tbs.notAfter)}`,
    tbs.notAfter <= end + slackMs
      ? undefined
      : `it ends on ${day(tbs.notAfter)}, later than the ${authority.validity.text} of the file allow: ${day(end)}`,
  ].filter((fault) => fault !== undefined);
}

function day(at: EpochMs): string {
  return new Date(at).toISOString().slice(0, 10);
}

interface KeyReading {
  readonly ref: string;
  readonly provisioner: AuthorityProvisioner | undefined;
  readonly faults: readonly string[];
}

async function keyOf(ports: BuildHierarchyPorts, authority: Authority, certificate: Certificate): Promise<KeyReading> {
  const elsewhere = { ref: elsewhereRef(authority), provisioner: undefined };
  const mayBeElsewhere = ports.keysMayBeElsewhere === true && authority.tier !== 'issuance';
  const provisioner = ports.provisioners[authority.backend];
  if (provisioner === undefined) {
    const fault = `its backend ${authority.backend} is not there, so that its key cannot be looked at`;
    return { ...elsewhere, faults: mayBeElsewhere ? [] : [fault] };
  }
  const found = await provisioner.findAuthority(authority);
  if (found === undefined) {
    const where =
      authority.pkcs11 === undefined ? '' : ` ${authority.pkcs11.keyLabel} on token ${authority.pkcs11.tokenLabel}`;
    return { ...elsewhere, faults: mayBeElsewhere ? [] : [`there is no key${where}`] };
  }
  const { ref, spkiSha256 } = found;
  if (spkiSha256 !== certificate.tbs.publicKey.sha256)
    return { ref, provisioner, faults: ["the key in the backend is not the certificate's"] };
  return { ref, provisioner, faults: await possessionFaults(provisioner, ref, authority, spkiSha256) };
}

/** A public key beside another private one would not be told by its digest: the private key signs, where nobody has to approve. */
async function possessionFaults(
  provisioner: AuthorityProvisioner,
  ref: string,
  authority: Authority,
  spkiSha256: string,
): Promise<readonly string[]> {
  if (authority.custody.signQuorum !== undefined) return [];
  const request = parseCertificationRequest(await provisioner.certificationRequest(ref, authority));
  return request.publicKey.sha256 === spkiSha256
    ? []
    : ['the private key in the backend is not that of its public key'];
}

/** As the adapter would write it: the key is where the file says, on a token that is not on this machine. */
function elsewhereRef({ backend, id, pkcs11 }: Authority): string {
  if (backend !== 'pkcs11' || pkcs11 === undefined) return `${backend}:${id}`;
  return `pkcs11:token=${encodeURIComponent(pkcs11.tokenLabel)};object=${encodeURIComponent(pkcs11.keyLabel)};type=private`;
}
