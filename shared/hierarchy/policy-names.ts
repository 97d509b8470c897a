/** What policy says of the names a request asks for in its subjectAltName. Each function reports all it finds, in order. */
import { dnsNameFault, type GeneralName, isWildcard, nameKey } from '../pki/names.ts';
import { oidName } from '../pki/oids.ts';
import { parseSpiffeId } from '../pki/spiffe-id.ts';
import type { Authority, Profile } from './model.ts';
import { constraintsPermit } from './name-constraints.ts';
import { printable } from './printable.ts';
import { type EnrolmentScope, scopeCoversName } from './scope.ts';
import type { PolicyViolation, PolicyViolationCode } from './violation.ts';

const subjectAltName = 'subjectAltName';

/** `path` is the issuing CA, its issuer and so on to the root. */
export function evaluateNames(
  profile: Profile,
  names: readonly GeneralName[],
  scope: EnrolmentScope,
  path: readonly Authority[],
): readonly PolicyViolation[] {
  if (names.length === 0) {
    return [
      violation(
        'names-missing',
        subjectAltName,
        `the request names nobody: it has no subjectAltName, and a common name is not read as a name; ${wanted(profile)}`,
        'RFC 9525 §2; RFC 5280 §4.2.1.6',
      ),
    ];
  }
  const seen = new Map<string, number>();
  const found: PolicyViolation[] = [];
  for (const [index, name] of names.entries()) {
    const field = `${subjectAltName}[${index}]`;
    // Of kinds that no profile allows each name is refused anyway, so that it stands twice adds nothing.
    if (names.length > 1 && (name.kind === 'dns' || name.kind === 'uri' || name.kind === 'ip')) {
      const key = nameKey(name);
      const before = seen.get(key);
      if (before !== undefined) {
        found.push(duplicate(name, field, before));
        continue;
      }
      seen.set(key, index);
    }
    found.push(...evaluateName(profile, name, field, scope, path));
  }
  found.push(...evaluateCounts(profile, names));
  return found;
}

function violation(code: PolicyViolationCode, field: string, message: string, reference: string): PolicyViolation {
  return { code, field, message, reference };
}

function profileField(profile: Profile, field: string): string {
  return `profile ${profile.name}: ${field}`;
}

/** Refused rather than merged: a certificate carries exactly the names that were asked for, or there is none. */
function duplicate(name: GeneralName, field: string, before: number): PolicyViolation {
  const message = `${describe(name)} is asked for twice; it is ${subjectAltName}[${before}] already`;
  return violation('name-duplicate', field, message, 'RFC 5280 §4.2.1.6');
}

function evaluateName(
  profile: Profile,
  name: GeneralName,
  field: string,
  scope: EnrolmentScope,
  path: readonly Authority[],
): PolicyViolation[] {
  switch (name.kind) {
    case 'dns':
      if (profile.names.dns === undefined) return [kindNotAllowed(profile, name, field)];
      return evaluateDnsName(profile, profile.names.dns.wildcard, name.value, field, scope, path);
    case 'uri':
      if (profile.names.spiffe === undefined) return [kindNotAllowed(profile, name, field)];
      return evaluateSpiffeId(profile, profile.names.spiffe.trustDomain, name.value, field, scope, path);
    case 'ip':
      if (profile.names.ip === undefined) return [kindNotAllowed(profile, name, field)];
      return [...outOfScope(scope, name, field), ...outsideConstraints(path, name, field)];
    default:
      return [kindNotAllowed(profile, name, field)];
  }
}

function evaluateDnsName(
  profile: Profile,
  wildcardAllowed: boolean,
  value: string,
  field: string,
  scope: EnrolmentScope,
  path: readonly Authority[],
): PolicyViolation[] {
  const found: PolicyViolation[] = [];
  let judged = value;
  if (isWildcard(value) && !wildcardAllowed) {
    const message = `${describe({ kind: 'dns', value })} is a wildcard, which this profile does not allow`;
    found.push(violation('wildcard-not-allowed', field, message, profileField(profile, 'names.dns.wildcard')));
    // All else is judged by a name it would stand for, so that what is wrong beside the star is said at once.
    judged = value.replaceAll('*', 'a');
  }
  const fault = dnsNameFault(judged);
  if (fault !== undefined) {
    const message = `${describe({ kind: 'dns', value })} is not a DNS name: ${fault}`;
    found.push(violation('name-malformed', field, message, 'RFC 1123 §2.1; RFC 5890 §2.3'));
    return found;
  }
  const name: GeneralName = { kind: 'dns', value: judged };
  found.push(...outOfScope(scope, name, field), ...outsideConstraints(path, name, field));
  return found;
}

function evaluateSpiffeId(
  profile: Profile,
  trustDomain: string,
  value: string,
  field: string,
  scope: EnrolmentScope,
  path: readonly Authority[],
): PolicyViolation[] {
  const name: GeneralName = { kind: 'uri', value };
  const id = parseSpiffeId(value);
  if (id === undefined) {
    const message = `${describe(name)} is not a SPIFFE id: write spiffe://${trustDomain}/path`;
    return [violation('spiffe-id-invalid', field, message, 'SPIFFE-ID §2; SPIFFE X509-SVID §2')];
  }
  const found: PolicyViolation[] = [];
  if (id.trustDomain !== trustDomain) {
    const message = `${describe(name)} is of the trust domain ${printable(id.trustDomain)}, not ${trustDomain}`;
    found.push(violation('spiffe-trust-domain', field, message, profileField(profile, 'names.spiffe.trustDomain')));
  }
  return [...found, ...outOfScope(scope, name, field), ...outsideConstraints(path, name, field)];
}

function outOfScope(scope: EnrolmentScope, name: GeneralName, field: string): PolicyViolation[] {
  if (scopeCoversName(scope, name)) return [];
  const message = `${describe(name)} is outside the names this credential may ask for`;
  return [violation('name-out-of-scope', field, message, 'enrolment credential: names')];
}

function outsideConstraints(path: readonly Authority[], name: GeneralName, field: string): PolicyViolation[] {
  const refusing = path.find(
    ({ nameConstraints }) => nameConstraints !== undefined && !constraintsPermit(nameConstraints, name),
  );
  if (refusing === undefined) return [];
  const message = `${describe(name)} is outside the name constraints of the CA '${refusing.id}'`;
  return [violation('name-outside-constraints', field, message, 'RFC 5280 §4.2.1.10')];
}

function kindNotAllowed(profile: Profile, name: GeneralName, field: string): PolicyViolation {
  const message = `${describe(name)} is of a kind this profile does not allow; ${wanted(profile)}`;
  return violation('name-kind-not-allowed', field, message, profileField(profile, 'names'));
}

function evaluateCounts(profile: Profile, names: readonly GeneralName[]): PolicyViolation[] {
  const found: PolicyViolation[] = [];
  const asked = { dns: 0, ip: 0, uri: 0 };
  for (const { kind } of names) if (kind === 'dns' || kind === 'ip' || kind === 'uri') asked[kind] += 1;
  const { dns, ip, spiffe } = profile.names;
  const tooMany = (word: string, count: number, limit: { readonly countMax: number } | undefined, field: string) => {
    if (limit === undefined || count <= limit.countMax) return;
    const message = `${count} ${word} are asked for; at most ${limit.countMax} are allowed`;
    found.push(violation('names-too-many', subjectAltName, message, profileField(profile, `${field}.countMax`)));
  };
  tooMany('DNS names', asked.dns, dns, 'names.dns');
  tooMany('IP addresses', asked.ip, ip, 'names.ip');
  const dnsCountMin = dns?.countMin ?? 0;
  if (asked.dns < dnsCountMin) {
    const message = `${asked.dns} DNS names are asked for; at least ${dnsCountMin} must be`;
    found.push(violation('names-missing', subjectAltName, message, profileField(profile, 'names.dns.countMin')));
  }
  if (spiffe !== undefined && asked.uri !== spiffe.countExactly) {
    const message = `${asked.uri} URI names are asked for; an X509-SVID has exactly one`;
    found.push(violation('spiffe-id-count', subjectAltName, message, 'SPIFFE X509-SVID §2'));
  }
  return found;
}

function wanted(profile: Profile): string {
  const { dns, ip, spiffe } = profile.names;
  const kinds = [
    dns === undefined ? [] : ['DNS names'],
    spiffe === undefined ? [] : ['a SPIFFE id'],
    ip === undefined ? [] : ['IP addresses'],
  ].flat();
  return `it may have ${kinds.join(' and ')}`;
}

/** 'DNS name a.fleet.example': safe to show whatever the request holds. */
function describe(name: GeneralName): string {
  switch (name.kind) {
    case 'dns':
      return `DNS name '${printable(name.value)}'`;
    case 'email':
      return `email address '${printable(name.value)}'`;
    case 'uri':
      return `URI '${printable(name.value)}'`;
    case 'ip':
      return `IP address '${printable(name.value)}'`;
    case 'registered-id':
      return `registered id ${printable(name.value)}`;
    case 'other': {
      const type = oidName(name.typeId);
      return `other name of type ${type === undefined ? printable(name.typeId) : `${type} (${printable(name.typeId)})`}`;
    }
    case 'directory':
      return 'directory name';
    case 'x400':
      return 'X.400 address';
    case 'edi':
      return 'EDI party name';
  }
}
