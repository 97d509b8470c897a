import { type Authority, durationMs } from '../hierarchy/hierarchy.ts';
import { type CertificateTemplate, leafBackdateMs, leafValidity } from '../hierarchy/policy.ts';
import type { LintSubject } from '../lints/lint.ts';
import type { Intent } from '../lints/prepared-issuance.ts';
import {
  crlDistributionPointsOf,
  extendedKeyUsageOf,
  keyUsageOf,
  parseTbsCertificate,
  subjectAltNames,
  subjectKeyIdentifierOf,
} from '../pki/certificate.ts';
import {
  authorityKeyIdentifierExtension,
  buildTbsCertificate,
  crlDistributionPointExtension,
  extendedKeyUsageExtension,
  keyIdentifierOf,
  keyUsageExtension,
  leafBasicConstraintsExtension,
  subjectAltNameExtension,
  subjectKeyIdentifierExtension,
} from '../pki/certificate-builder.ts';
import type { KeyUsageName } from '../pki/certification-request.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { encodeCommonNameOnly, type GeneralName } from '../pki/names.ts';
import type { SubjectPublicKey } from '../pki/public-key.ts';
import type { IssuingAuthority } from './authority-directory.ts';
import { idempotencyTokenOf } from './ids.ts';

/** Random bytes that a serial is made of; see `serialOf`. */
export const serialBytes = 16;

/**
 * Blank template: nothing is put in that the profile does not ask for, and the critical basic constraints are fixed by
 * name (ACM PCA, "Understanding certificate templates"). ApiPassthrough is silently ignored on any other kind.
 */
export const leafTemplateArn =
  'arn:aws:acm-pca:::template/BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough/V1';

export interface IntentInput {
  readonly issuanceId: string;
  readonly authority: Authority;
  readonly issuer: IssuingAuthority;
  readonly template: CertificateTemplate;
  readonly publicKey: SubjectPublicKey;
  /** Time of the attempt. */
  readonly at: EpochMs;
  /** `serialBytes` bytes. */
  readonly random: Uint8Array;
  /** Where the certificate's CRL shard is published; undefined when the CA publishes its own. */
  readonly crlUrl: string | undefined;
}

/** An intent, the certificate to be linted for it, and what the lints are to hold it against. */
export interface IntentDraft {
  readonly intent: Intent;
  /** TBSCertificate DER: for PKCS#11 the very bytes to be signed, for ACM PCA the ones it is expected to build. */
  readonly lintTbs: Uint8Array;
  readonly subject: Omit<LintSubject, 'certificate'>;
}

/** What lints and the check of what came back hold a certificate of this template against. */
export function lintSubjectOf(
  template: CertificateTemplate,
  issuer: IssuingAuthority,
  crlExpected: boolean | undefined,
): Omit<LintSubject, 'certificate'> {
  return {
    issuer: issuer.certificate,
    issuerChain: issuer.chainCertificates,
    profile: template.profile,
    usage: template.names.every((name) => name.kind === 'uri') ? 'svid' : 'tls',
    lifetimeMsMax: durationMs(template.validity) + leafBackdateMs(template.validity),
    keyUsage: template.keyUsage,
    extendedKeyUsage: template.extendedKeyUsage,
    crlExpected,
  };
}

/** Fixes everything about a certificate before it is signed. Pure: the same input gives the same bytes. */
export function draftIntent(input: IntentInput): IntentDraft {
  const { template, issuer, authority, at } = input;
  const { notBefore, notAfter } = leafValidity(template.validity, at);
  const serial = serialOf(input.random, at);
  const lintTbs = buildTbs({
    ...template,
    commonName: template.commonName,
    signingAlgorithm: authority.signingAlgorithm,
    issuer,
    serial,
    notBefore,
    notAfter,
    publicKey: input.publicKey,
    crlUrl: input.crlUrl,
  });
  const common = { notBefore, notAfter, signingAlgorithm: authority.signingAlgorithm, at };
  const intent: Intent =
    issuer.backend === 'acm-pca'
      ? {
          kind: 'template',
          templateArn: leafTemplateArn,
          ...(template.commonName === undefined ? {} : { commonName: template.commonName }),
          names: template.names,
          sanCritical: template.sanCritical,
          keyUsage: template.keyUsage,
          extendedKeyUsage: template.extendedKeyUsage,
          spkiSha256: input.publicKey.sha256,
          idempotencyToken: idempotencyTokenOf(input.issuanceId, at),
          ...(authority.crl === undefined ? {} : { ownCrl: true }),
          ...common,
        }
      : { kind: 'tbs', tbsDer: lintTbs, serial: Buffer.from(serial).toString('hex'), ...common };
  return { intent, lintTbs, subject: lintSubjectOf(template, issuer, input.crlUrl !== undefined || ownCrlOf(intent)) };
}

/** Of a template: no distribution point, unless the CA puts in its own. */
function ownCrlOf(intent: Intent): false | undefined {
  return intent.kind === 'template' && intent.ownCrl === true ? undefined : false;
}

/**
 * 0x40, the time in milliseconds in 48 bits, and 72 random bits: positive, below 2^159, always of the same length, and more
 * than 64 bits from a CSPRNG (RFC 5280 §4.1.2.2, CA/Browser Forum BR §7.1). The certificate says when it was issued anyway;
 * in the order of time, new serials stand together in the ledger's index, which random ones would scatter over all of it.
 */
function serialOf(random: Uint8Array, at: EpochMs): Uint8Array {
  if (random.length !== serialBytes) throw new Error(`a serial takes ${serialBytes} random bytes`);
  const serial = new Uint8Array(random);
  serial[0] = 0x40;
  for (let octet = 6, rest = at; octet >= 1; octet--, rest = Math.floor(rest / 256)) serial[octet] = rest % 256;
  return serial;
}

interface TbsInput {
  readonly issuer: IssuingAuthority;
  readonly signingAlgorithm: Authority['signingAlgorithm'];
  readonly serial: Uint8Array;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  readonly commonName: string | undefined;
  readonly names: readonly GeneralName[];
  readonly sanCritical: boolean;
  readonly keyUsage: readonly KeyUsageName[];
  readonly extendedKeyUsage: readonly string[];
  readonly publicKey: SubjectPublicKey;
  readonly crlUrl: string | undefined;
}

const issuerKeyIdentifiers = new WeakMap<IssuingAuthority, Uint8Array>();

/** The identifier that the issuer's certificate gives its key, the same bytes object each time. */
function keyIdentifierOfIssuer(issuer: IssuingAuthority): Uint8Array {
  let known = issuerKeyIdentifiers.get(issuer);
  if (known === undefined) {
    known = subjectKeyIdentifierOf(issuer.certificate.tbs);
    if (known === undefined) throw new Error(`the certificate of CA ${issuer.caId} has no subject key identifier`);
    issuerKeyIdentifiers.set(issuer, known);
  }
  return known;
}

function buildTbs(input: TbsInput): Uint8Array {
  return buildTbsCertificate({
    serialNumber: input.serial,
    signingAlgorithm: input.signingAlgorithm,
    issuer: input.issuer.certificate.tbs.subject.der,
    notBefore: input.notBefore,
    notAfter: input.notAfter,
    subject: encodeCommonNameOnly(input.commonName),
    publicKey: input.publicKey.der,
    extensions: [
      leafBasicConstraintsExtension(),
      keyUsageExtension(input.keyUsage),
      extendedKeyUsageExtension(input.extendedKeyUsage),
      subjectAltNameExtension(input.names, input.sanCritical),
      subjectKeyIdentifierExtension(keyIdentifierOf(input.publicKey)),
      authorityKeyIdentifierExtension(keyIdentifierOfIssuer(input.issuer)),
      ...(input.crlUrl === undefined ? [] : [crlDistributionPointExtension(input.crlUrl)]),
    ],
  });
}

/**
 * The draft of an intent that the ledger holds already, for another attempt: the intent as it stands, never a fresh
 * one. What it is held against is read from the intent itself, since the policy may have changed since it was linted.
 */
export function redraftIntent(
  intent: Intent,
  profile: string,
  issuer: IssuingAuthority,
  publicKey: SubjectPublicKey,
): IntentDraft {
  const subject = storedSubjectOf(intent, profile, issuer);
  if (intent.kind === 'tbs') return { intent, lintTbs: intent.tbsDer, subject };
  const lintTbs = buildTbs({
    ...intent,
    commonName: intent.commonName,
    issuer,
    serial: placeholderSerial,
    publicKey,
    crlUrl: undefined,
  });
  return { intent, lintTbs, subject };
}

/** Stands where ACM PCA will put a serial of its own. */
const placeholderSerial = new Uint8Array(serialBytes).fill(0x5a);

/** What a certificate issued for a stored intent is held against. */
export function storedSubjectOf(
  intent: Intent,
  profile: string,
  issuer: IssuingAuthority,
): Omit<LintSubject, 'certificate'> {
  const tbs = intent.kind === 'tbs' ? parseTbsCertificate(intent.tbsDer) : undefined;
  const names = intent.kind === 'tbs' ? (subjectAltNames(tbs!)?.names ?? []) : intent.names;
  return {
    issuer: issuer.certificate,
    issuerChain: issuer.chainCertificates,
    profile,
    usage: names.every((name) => name.kind === 'uri') ? 'svid' : 'tls',
    lifetimeMsMax: intent.notAfter - intent.notBefore,
    keyUsage: intent.kind === 'tbs' ? (keyUsageOf(tbs!) ?? []) : intent.keyUsage,
    extendedKeyUsage: intent.kind === 'tbs' ? (extendedKeyUsageOf(tbs!) ?? []) : intent.extendedKeyUsage,
    crlExpected: tbs === undefined ? ownCrlOf(intent) : crlDistributionPointsOf(tbs) !== undefined,
  };
}
