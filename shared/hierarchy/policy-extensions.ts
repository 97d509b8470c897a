/**
 * What policy says of the extensions a request asks for. Asking for less than, or for what, the certificate carries anyway is
 * no violation: the profile's own are used. Names in a profile's `drop` are left out and reported. All else is refused.
 */
import type { CertificationRequest, KeyUsageName } from '../pki/certification-request.ts';
import { oids } from '../pki/oids.ts';
import { describeOid, extensionName } from './extension-names.ts';
import type { Profile } from './model.ts';
import { oidsOfProfile } from './profile-oids.ts';
import type { PolicyViolation } from './violation.ts';

export interface ExtensionsDecision {
  readonly violations: readonly PolicyViolation[];
  /** Names of the dropped extensions, OIDs where they have none, in the order of the request. */
  readonly dropped: readonly string[];
}

export function evaluateExtensions(profile: Profile, request: CertificationRequest): ExtensionsDecision {
  const dropOids = oidsOfProfile(profile).dropped;
  const violations: PolicyViolation[] = [];
  const dropped: string[] = [];
  for (const { oid } of request.extensions) {
    switch (oid) {
      case oids.subjectAltName: // evaluateNames judges it
      case oids.subjectKeyIdentifier: // whatever it says, the certificate's is derived from the key
        break;
      case oids.basicConstraints:
        violations.push(...evaluateBasicConstraints(request));
        break;
      case oids.keyUsage:
        violations.push(...evaluateKeyUsage(profile, request.keyUsage ?? []));
        break;
      case oids.extendedKeyUsage:
        violations.push(...evaluateExtendedKeyUsage(profile, request.extendedKeyUsage ?? []));
        break;
      default:
        if (dropOids.has(oid)) dropped.push(extensionName(oid));
        else violations.push(extensionNotAllowed(profile, oid));
    }
  }
  return { violations, dropped };
}

function evaluateBasicConstraints(request: CertificationRequest): PolicyViolation[] {
  const { ca, pathLen } = request.basicConstraints ?? { ca: false };
  const field = 'extensionRequest.basicConstraints';
  if (ca) {
    const message = 'the request asks to be a CA (basicConstraints CA:TRUE); only leaves are issued here';
    return [{ code: 'ca-requested', field, message, reference: 'RFC 5280 §4.2.1.9' }];
  }
  if (pathLen === undefined) return [];
  const message = `basicConstraints asks for a path length, which only a CA has`;
  return [{ code: 'extension-not-allowed', field, message, reference: 'RFC 5280 §4.2.1.9' }];
}

function evaluateKeyUsage(profile: Profile, asked: readonly KeyUsageName[]): PolicyViolation[] {
  const refused = asked.filter((usage) => !profile.keyUsage.includes(usage));
  if (refused.length === 0) return [];
  const message = `key usage ${refused.join(', ')} is not allowed; the certificate carries ${profile.keyUsage.join(', ')}`;
  return [
    {
      code: 'key-usage-not-allowed',
      field: 'extensionRequest.keyUsage',
      message,
      reference: `RFC 5280 §4.2.1.3; profile ${profile.name}: keyUsage`,
    },
  ];
}

/** A request may list dozens of purposes; the first ones are named, the others counted. */
const purposesShownMax = 8;

function evaluateExtendedKeyUsage(profile: Profile, asked: readonly string[]): PolicyViolation[] {
  const allowed = oidsOfProfile(profile).purposes;
  const refused = asked.filter((oid) => !allowed.includes(oid));
  if (refused.length === 0) return [];
  const shown = refused.slice(0, purposesShownMax).map(describeOid).join(', ');
  const rest = refused.length > purposesShownMax ? ` and ${refused.length - purposesShownMax} more` : '';
  const message = `extended key usage ${shown}${rest} is not allowed; the certificate carries ${profile.extendedKeyUsage.join(', ')}`;
  return [
    {
      code: 'extended-key-usage-not-allowed',
      field: 'extensionRequest.extendedKeyUsage',
      message,
      reference: `RFC 5280 §4.2.1.12; profile ${profile.name}: extendedKeyUsage`,
    },
  ];
}

function extensionNotAllowed(profile: Profile, oid: string): PolicyViolation {
  return {
    code: 'extension-not-allowed',
    field: `extensionRequest.${extensionName(oid).slice(0, 120)}`,
    message: `the extension ${describeOid(oid)} is not allowed`,
    reference: `RFC 2986 §4.1; profile ${profile.name}: requestedExtensions`,
  };
}
