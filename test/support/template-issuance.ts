/** Prepared issuances for a backend that signs from a template, over a CA that exists in this process only. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createThrowawaySignatures } from '../../shared/adapters/software/throwaway.ts';
import type { Authority } from '../../shared/hierarchy/hierarchy.ts';
import type { CertificateTemplate } from '../../shared/hierarchy/policy.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { draftIntent, serialBytes } from '../../shared/issuance/build-intent.ts';
import { lintAndPrepare, type PreparedIssuance, redeem } from '../../shared/lints/prepared-issuance.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import {
  assembleCertificate,
  assembleCertificationRequest,
  basicConstraintsExtension,
  buildCertificationRequestInfo,
  buildTbsCertificate,
  keyIdentifierOf,
  keyUsageExtension,
  subjectKeyIdentifierExtension,
} from '../../shared/pki/certificate-builder.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { encodeDistinguishedName, type GeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { parseSubjectPublicKey, type SubjectPublicKey } from '../../shared/pki/public-key.ts';
import { encodeCaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';

export const templateTime = Date.UTC(2026, 10, 23, 12);
const dayMs = 86_400_000;
const algorithm = 'SHA256WITHECDSA';

export const devicesAuthority: Authority = {
  id: 'devices',
  tier: 'issuance',
  parent: 'subordinate',
  generation: 1,
  backend: 'acm-pca',
  mode: 'GENERAL_PURPOSE',
  subject: 'CN=Devices G1,O=Example Fleet',
  keyAlgorithm: 'EC_prime256v1',
  signingAlgorithm: algorithm,
  validity: { text: '3y', years: 3 },
  validityMs: 3 * 365 * dayMs,
  pathLen: 0,
  profiles: ['device'],
  custody: { model: 'managed-ca', securityLevelMin: 3, cmvpAccepted: ['active', 'historical'] },
};

export function newEcKey(): { readonly privateKey: KeyObject; readonly publicKey: SubjectPublicKey } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, publicKey: parseSubjectPublicKey(publicKey.export({ type: 'spki', format: 'der' })) };
}

const key = newEcKey();
const name = encodeDistinguishedName(devicesAuthority.subject);
const caTbs = buildTbsCertificate({
  serialNumber: Uint8Array.of(1),
  signingAlgorithm: algorithm,
  issuer: name,
  notBefore: templateTime - dayMs,
  notAfter: templateTime + 5000 * dayMs,
  subject: name,
  publicKey: key.publicKey.der,
  extensions: [
    basicConstraintsExtension({ ca: true, pathLen: 0 }),
    keyUsageExtension(['keyCertSign', 'cRLSign']),
    subjectKeyIdentifierExtension(keyIdentifierOf(key.publicKey)),
  ],
});

/** A self-signed CA certificate, DER. */
export const caCertificateDer = assembleCertificate(caTbs, algorithm, sign('sha256', caTbs, key.privateKey));
const caCertificate = parseCertificate(caCertificateDer);

const ownIssuer: IssuingAuthority = {
  caId: 'devices',
  generation: 1,
  tier: 'issuance',
  parent: 'subordinate',
  backend: 'acm-pca',
  backendRef: 'unused',
  certificateDer: caCertificateDer,
  chain: [],
  spkiSha256: caCertificate.tbs.publicKey.sha256,
  notBefore: caCertificate.tbs.notBefore,
  notAfter: caCertificate.tbs.notAfter,
  installedAt: templateTime,
  certificate: caCertificate,
  chainCertificates: [],
};

const throwaway = createThrowawaySignatures()('SHA256WITHECDSA');

/** A CSR of a fresh P-256 key, DER. */
export function newRequestDer(): Uint8Array {
  const { privateKey, publicKey } = newEcKey();
  const info = buildCertificationRequestInfo(encodeDistinguishedName('CN=asked for'), publicKey.der, []);
  return assembleCertificationRequest(info, encodeCaSigningAlgorithm(algorithm), sign('sha256', info, privateKey));
}

export interface TemplateIssuanceOptions {
  readonly id?: string;
  readonly caId?: string;
  readonly commonName?: string | undefined;
  readonly names?: readonly GeneralName[];
  readonly at?: number;
  readonly redeemed?: boolean;
  /** The CA; without one, the CA of this process. */
  readonly issuer?: IssuingAuthority;
}

/** A linted issuance with a `template` intent, its intent redeemed unless said otherwise. */
export function newTemplateIssuance(options: TemplateIssuanceOptions = {}): PreparedIssuance {
  const { id = 'one', caId = 'devices', at = templateTime, redeemed = true, issuer = ownIssuer } = options;
  const names = options.names ?? [{ kind: 'dns', value: 'a.fleet.example' }];
  const commonName = 'commonName' in options ? options.commonName : 'a.fleet.example';
  const requestDer = newRequestDer();
  const template: CertificateTemplate = {
    profile: 'device',
    caId: 'devices',
    ...(commonName === undefined ? {} : { commonName }),
    names,
    sanCritical: commonName === undefined,
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: [oids.serverAuth, oids.clientAuth],
    validity: { text: '365d', days: 365 },
    droppedExtensions: [],
  };
  const issuanceId = `${createHash('sha256').update(id).digest('base64url')}.1`;
  const { publicKey } = parseCertificationRequest(requestDer);
  const draft = draftIntent({
    issuanceId,
    authority: devicesAuthority,
    issuer,
    template,
    publicKey,
    at,
    random: new Uint8Array(serialBytes).fill(7),
    crlUrl: undefined,
  });
  const result = lintAndPrepare({ issuanceId, caId, csrDer: requestDer, ...draft, algorithm }, throwaway);
  if (result.kind === 'refused') throw new Error(JSON.stringify(result.findings));
  if (redeemed) redeem(result.prepared);
  return result.prepared;
}
