/** A CA whose key we hold, certified by itself, and prepared issuances under it. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createThrowawaySignatures } from '../../shared/adapters/software/throwaway.ts';
import type { Authority, BackendKind, CaKeyAlgorithm } from '../../shared/hierarchy/hierarchy.ts';
import type { CertificateTemplate } from '../../shared/hierarchy/policy.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { draftIntent, serialBytes } from '../../shared/issuance/build-intent.ts';
import type { AuthorityProvisioner } from '../../shared/issuance/ports.ts';
import { lintAndPrepare, type PreparedIssuance, redeem } from '../../shared/lints/prepared-issuance.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { assembleCertificationRequest, buildCertificationRequestInfo } from '../../shared/pki/certificate-builder.ts';
import { encodeCommonNameOnly } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { parseSubjectPublicKey } from '../../shared/pki/public-key.ts';
import { type CaSigningAlgorithm, encodeCaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';

export const heldKeyTime = Date.UTC(2026, 10, 23, 12);
const dayMs = 86_400_000;

const signingAlgorithms: Readonly<Record<CaKeyAlgorithm, CaSigningAlgorithm>> = {
  EC_prime256v1: 'SHA256WITHECDSA',
  EC_secp384r1: 'SHA384WITHECDSA',
  EC_secp521r1: 'SHA512WITHECDSA',
  RSA_2048: 'SHA256WITHRSA',
  RSA_3072: 'SHA384WITHRSA',
  RSA_4096: 'SHA512WITHRSA',
};

/** A CA at the top of its own hierarchy: what is tested is who signs, not the path. */
export function heldAuthority(
  backend: Exclude<BackendKind, 'acm-pca'>,
  changes: Partial<Authority> & { readonly tokenLabel?: string } = {},
): Authority {
  const { tokenLabel = 'test-issuance', ...rest } = changes;
  const id = rest.id ?? 'workloads';
  const keyAlgorithm = rest.keyAlgorithm ?? 'EC_prime256v1';
  return {
    id,
    tier: 'root',
    generation: 1,
    backend,
    subject: `CN=${id} G1,O=Example Fleet`,
    keyAlgorithm,
    signingAlgorithm: signingAlgorithms[keyAlgorithm],
    validity: { text: '10y', years: 10 },
    validityMs: 3650 * dayMs,
    pathLen: 0,
    profiles: ['service'],
    custody: { model: backend === 'software' ? 'software' : 'self-managed-hsm', securityLevelMin: 0, cmvpAccepted: [] },
    ...(backend === 'pkcs11' ? { pkcs11: { tokenLabel, keyLabel: `${id}-g1` } } : {}),
    ...rest,
  };
}

export interface HeldAuthority {
  readonly authority: Authority;
  readonly ref: string;
  readonly issuer: IssuingAuthority;
}

/** Makes a CA's key and has it certify itself. */
export async function buildHeldAuthority(
  provisioner: AuthorityProvisioner,
  authority: Authority,
): Promise<HeldAuthority> {
  const { ref } = await provisioner.createAuthority(authority);
  const notBefore = heldKeyTime - dayMs;
  const notAfter = heldKeyTime + 3650 * dayMs;
  const certificateDer = await provisioner.signAuthority({
    authority,
    requestDer: await provisioner.certificationRequest(ref, authority),
    issuer: authority,
    issuerRef: ref,
    issuerCertificateDer: undefined,
    notBefore,
    notAfter,
  });
  await provisioner.installCertificate(ref, certificateDer, []);
  const certificate = parseCertificate(certificateDer);
  const issuer: IssuingAuthority = {
    caId: authority.id,
    generation: authority.generation,
    tier: authority.tier,
    backend: authority.backend,
    backendRef: ref,
    certificateDer,
    chain: [],
    spkiSha256: certificate.tbs.publicKey.sha256,
    notBefore,
    notAfter,
    installedAt: heldKeyTime,
    certificate,
    chainCertificates: [],
  };
  return { authority, ref, issuer };
}

const throwaway = createThrowawaySignatures();

const requester = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const requesterKey = parseSubjectPublicKey(requester.publicKey.export({ type: 'spki', format: 'der' }));

export interface IssuanceOptions {
  readonly id: string;
  readonly redeemed?: boolean;
  readonly caId?: string;
}

/** A linted issuance with a `tbs` intent, its intent redeemed unless said otherwise. */
export function newTbsIssuance({ authority, issuer }: HeldAuthority, options: IssuanceOptions): PreparedIssuance {
  const { id, redeemed = true, caId = authority.id } = options;
  const { signingAlgorithm: algorithm } = authority;
  const info = buildCertificationRequestInfo(encodeCommonNameOnly('asked for'), requesterKey.der, []);
  const requestSignature = sign('sha256', info, requester.privateKey);
  const csrDer = assembleCertificationRequest(info, encodeCaSigningAlgorithm('SHA256WITHECDSA'), requestSignature);
  const template: CertificateTemplate = {
    profile: 'service',
    caId,
    names: [{ kind: 'dns', value: `${id}.fleet.example` }],
    sanCritical: true,
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: [oids.serverAuth, oids.clientAuth],
    validity: { text: '90d', days: 90 },
    droppedExtensions: [],
  };
  const issuanceId = `${createHash('sha256').update(id).digest('base64url')}.1`;
  const draft = draftIntent({
    issuanceId,
    authority,
    issuer,
    template,
    publicKey: requesterKey,
    at: heldKeyTime,
    random: randomBytes(serialBytes),
    crlUrl: `http://crl.fleet.example/v1/crls/${caId}/0`,
  });
  const result = lintAndPrepare({ issuanceId, caId, csrDer, ...draft, algorithm }, throwaway(algorithm));
  if (result.kind === 'refused') throw new Error(JSON.stringify(result.findings));
  if (redeemed) redeem(result.prepared);
  return result.prepared;
}
