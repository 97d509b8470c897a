/** What can be wrong with a hierarchy file: a closed union of codes, so that tools and documentation can list them. */

export const hierarchyFaultCodes = [
  // The text
  'too-large',
  'yaml-syntax',
  'yaml-too-deep',
  'yaml-duplicate-key',
  'yaml-alias',
  'yaml-merge-key',
  'yaml-tag',
  // The shape
  'key-missing',
  'key-unknown',
  'value-type',
  'value-not-allowed',
  'value-out-of-range',
  'value-repeated',
  'identifier-syntax',
  'duration-syntax',
  'name-constraint-syntax',
  'profile-key-unknown',
  // The tree
  'id-duplicate',
  'subject-syntax',
  'subject-duplicate',
  'root-missing',
  'root-several',
  'root-with-parent',
  'parent-missing',
  'parent-unknown',
  'hierarchy-cycle',
  'tier-order',
  'path-length-missing',
  'path-length-issuance',
  'path-length-order',
  'path-length-too-small',
  'validity-band',
  'validity-nesting',
  'algorithm-family',
  'key-strength-order',
  'hash-strength-order',
  'name-constraints-widen',
  'extended-key-usage-widen',
  // Where keys live
  'mode-without-acm-pca',
  'crl-not-its-own',
  'short-lived-tier',
  'short-lived-validity',
  'pkcs11-section-missing',
  'pkcs11-section-unused',
  'pkcs11-label-length',
  'pkcs11-key-shared',
  'pkcs11-token-across-tiers',
  'pkcs11-tokens-of-signer',
  'custody-model-backend',
  'software-outside-dev',
  'custody-level-prod',
  'cmvp-none-accepted',
  'cmvp-revoked-prod',
  'sign-quorum-backend',
  'sign-quorum-automated',
  // Validations by the owner
  'module-repeated',
  'module-softhsm',
  'module-status-date',
  'module-status-sunset',
  // Profiles
  'profiles-outside-issuance',
  'profile-undefined',
  'profile-unused',
  'profile-shared',
  'leaf-validity-band',
  'leaf-validity-nesting',
  'profile-extended-key-usage',
  'profile-without-names',
  'name-count-order',
  'subject-needs-dns-name',
  'key-usage-of-a-ca',
  'key-usage-key-mismatch',
  'key-usage-incomplete',
  'svid-key-usage',
  'svid-extended-key-usage',
  'key-type-unsupported-by-backend',
  'drop-extension-unknown',
  'drop-extension-evaluated',
  'trust-domain-syntax',
  'trust-domain-outside-constraints',
  'crl-base-url',
  // Advice: does not refuse the file
  'name-constraints-on-root',
  'path-without-name-constraints',
  'hash-weaker-than-key',
  'cmvp-revoked-accepted',
  'short-leaves-priced-each',
  'extended-key-usage-on-root',
  'validity-filled',
  'issuance-window-short',
  'cmvp-historical-refused',
  'revocation-unpublished',
] as const;

export type HierarchyFaultCode = (typeof hierarchyFaultCodes)[number];

/** Line and column count from 1. `path` is `authorities[2].validity`; '' is the whole file. */
export interface HierarchyFault {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly code: HierarchyFaultCode;
  readonly message: string;
  readonly reference?: string;
}

/** A file can repeat one mistake thousands of times; more than this many faults help nobody. */
export const faultsMax = 500;

export type YamlPath = readonly (string | number)[];

/** A fault before its place in the text is known. `atKey` points at the key itself rather than at its value. */
export interface Finding {
  readonly at: YamlPath;
  readonly message: string;
  readonly atKey?: boolean;
}

/** ['authorities', 2, 'validity'] → 'authorities[2].validity'. */
export function formatPath(path: YamlPath): string {
  let text = '';
  for (const step of path) {
    text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`;
  }
  return text;
}

/** One line for a terminal, in the form editors make links of: `hierarchy.yaml:12:5: path: message (reference)`. */
export function formatHierarchyFault(fault: HierarchyFault, file: string): string {
  const path = fault.path === '' ? '' : `${fault.path}: `;
  const reference = fault.reference === undefined ? '' : ` (${fault.reference})`;
  return `${file}:${fault.line}:${fault.column}: ${path}${fault.message}${reference} [${fault.code}]`;
}
