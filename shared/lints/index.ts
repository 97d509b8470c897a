import { authorityKeyIdentifierEqualsIssuer } from './authority-key-identifier-equals-issuer.ts';
import { authorityKeyIdentifierForm } from './authority-key-identifier-form.ts';
import { authorityKeyIdentifierNotCritical } from './authority-key-identifier-not-critical.ts';
import { authorityKeyIdentifierPresent } from './authority-key-identifier-present.ts';
import { basicConstraintsCritical } from './basic-constraints-critical.ts';
import { basicConstraintsNoPathLen } from './basic-constraints-no-path-len.ts';
import { basicConstraintsNotCa } from './basic-constraints-not-ca.ts';
import { basicConstraintsPresent } from './basic-constraints-present.ts';
import { certificateWellFormed } from './certificate-well-formed.ts';
import { commonNameIsDnsName } from './common-name-is-dns-name.ts';
import { commonNameLength } from './common-name-length.ts';
import { commonNameSingle } from './common-name-single.ts';
import { commonNameStringType } from './common-name-string-type.ts';
import { criticalExtensionsKnown } from './critical-extensions-known.ts';
import { crlDistributionPointExpected } from './crl-distribution-point-expected.ts';
import { crlDistributionPointFullNameOnly } from './crl-distribution-point-full-name-only.ts';
import { crlDistributionPointHttp } from './crl-distribution-point-http.ts';
import { crlDistributionPointNotCritical } from './crl-distribution-point-not-critical.ts';
import { crlDistributionPointSingle } from './crl-distribution-point-single.ts';
import { dnsNameLowerCase } from './dns-name-lower-case.ts';
import { dnsNameNoWildcard } from './dns-name-no-wildcard.ts';
import { dnsNameSyntax } from './dns-name-syntax.ts';
import { extendedKeyUsageExact } from './extended-key-usage-exact.ts';
import { extendedKeyUsageNoAny } from './extended-key-usage-no-any.ts';
import { extendedKeyUsageNotCritical } from './extended-key-usage-not-critical.ts';
import { extendedKeyUsagePresent } from './extended-key-usage-present.ts';
import { extendedKeyUsageWithinIssuers } from './extended-key-usage-within-issuers.ts';
import { extensionsExpected } from './extensions-expected.ts';
import { issuerIsCa } from './issuer-is-ca.ts';
import { issuerNameEqualsIssuerSubject } from './issuer-name-equals-issuer-subject.ts';
import { keyUsageCritical } from './key-usage-critical.ts';
import { keyUsageExact } from './key-usage-exact.ts';
import { keyUsageFitsKey } from './key-usage-fits-key.ts';
import { keyUsageNoCaBits } from './key-usage-no-ca-bits.ts';
import { keyUsagePresent } from './key-usage-present.ts';
import type { Lint, LintFinding, LintSubject } from './lint.ts';
import { namesNoDuplicate } from './names-no-duplicate.ts';
import { namesWithinNameConstraints } from './names-within-name-constraints.ts';
import { publicKeyPointUncompressed } from './public-key-point-uncompressed.ts';
import { publicKeyTypeAllowed } from './public-key-type-allowed.ts';
import { rsaModulusSize } from './rsa-modulus-size.ts';
import { rsaPublicExponent } from './rsa-public-exponent.ts';
import { serialEntropySize } from './serial-entropy-size.ts';
import { serialLengthMax } from './serial-length-max.ts';
import { serialPositive } from './serial-positive.ts';
import { signatureAlgorithmAllowed } from './signature-algorithm-allowed.ts';
import { signatureAlgorithmFitsIssuerKey } from './signature-algorithm-fits-issuer-key.ts';
import { subjectAlternativeNameCriticalIffSubjectEmpty } from './subject-alternative-name-critical-iff-subject-empty.ts';
import { subjectAlternativeNamePresent } from './subject-alternative-name-present.ts';
import { subjectKeyIdentifierDerivation } from './subject-key-identifier-derivation.ts';
import { subjectKeyIdentifierNotCritical } from './subject-key-identifier-not-critical.ts';
import { subjectKeyIdentifierPresent } from './subject-key-identifier-present.ts';
import { subjectOnlyCommonName } from './subject-only-common-name.ts';
import { svidExtendedKeyUsage } from './svid-extended-key-usage.ts';
import { svidKeyUsage } from './svid-key-usage.ts';
import { svidNamesAreUri } from './svid-names-are-uri.ts';
import { svidSpiffeIdPath } from './svid-spiffe-id-path.ts';
import { svidSpiffeIdSyntax } from './svid-spiffe-id-syntax.ts';
import { svidSubjectEmpty } from './svid-subject-empty.ts';
import { svidUriCount } from './svid-uri-count.ts';
import { tlsNamesAreDns } from './tls-names-are-dns.ts';
import { validityLifetimeMax } from './validity-lifetime-max.ts';
import { validityNotAfterWithinIssuer } from './validity-not-after-within-issuer.ts';
import { validityNotBeforeWithinIssuer } from './validity-not-before-within-issuer.ts';
import { validityOrder } from './validity-order.ts';
import { validityTimeEncoding } from './validity-time-encoding.ts';

export type { Lint, LintFinding, LintSubject } from './lint.ts';

/** Every rule for a leaf, in the order of the certificate's fields. */
export const lints: readonly Lint[] = [
  certificateWellFormed,
  serialPositive,
  serialLengthMax,
  serialEntropySize,
  signatureAlgorithmAllowed,
  signatureAlgorithmFitsIssuerKey,
  issuerNameEqualsIssuerSubject,
  issuerIsCa,
  validityOrder,
  validityLifetimeMax,
  validityNotBeforeWithinIssuer,
  validityNotAfterWithinIssuer,
  validityTimeEncoding,
  basicConstraintsPresent,
  basicConstraintsCritical,
  basicConstraintsNotCa,
  basicConstraintsNoPathLen,
  keyUsagePresent,
  keyUsageCritical,
  keyUsageExact,
  keyUsageNoCaBits,
  keyUsageFitsKey,
  extendedKeyUsagePresent,
  extendedKeyUsageNotCritical,
  extendedKeyUsageExact,
  extendedKeyUsageNoAny,
  extendedKeyUsageWithinIssuers,
  subjectKeyIdentifierPresent,
  subjectKeyIdentifierNotCritical,
  subjectKeyIdentifierDerivation,
  authorityKeyIdentifierPresent,
  authorityKeyIdentifierNotCritical,
  authorityKeyIdentifierEqualsIssuer,
  authorityKeyIdentifierForm,
  publicKeyTypeAllowed,
  publicKeyPointUncompressed,
  rsaModulusSize,
  rsaPublicExponent,
  subjectOnlyCommonName,
  commonNameSingle,
  commonNameLength,
  commonNameStringType,
  commonNameIsDnsName,
  svidSubjectEmpty,
  subjectAlternativeNamePresent,
  subjectAlternativeNameCriticalIffSubjectEmpty,
  namesNoDuplicate,
  namesWithinNameConstraints,
  tlsNamesAreDns,
  dnsNameSyntax,
  dnsNameNoWildcard,
  dnsNameLowerCase,
  svidNamesAreUri,
  svidUriCount,
  svidSpiffeIdPath,
  svidSpiffeIdSyntax,
  svidKeyUsage,
  svidExtendedKeyUsage,
  crlDistributionPointExpected,
  crlDistributionPointNotCritical,
  crlDistributionPointSingle,
  crlDistributionPointHttp,
  crlDistributionPointFullNameOnly,
  criticalExtensionsKnown,
  extensionsExpected,
];

/** All findings, in the order of `lints`; none means the certificate is what its profile says. Pure; never throws for a parsed certificate. */
export function runLints(subject: LintSubject): readonly LintFinding[] {
  const findings: LintFinding[] = [];
  for (const lint of lints) {
    if (!lint.applies(subject)) continue;
    const message = lint.check(subject);
    if (message !== undefined) findings.push({ lint: lint.name, citation: lint.citation, message });
  }
  return findings;
}
