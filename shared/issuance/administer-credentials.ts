import type { Hierarchy } from '../hierarchy/hierarchy.ts';
import { scopeEntriesMax, scopeFaults } from '../hierarchy/scope.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { sha256Hex } from '../pki/hash.ts';
import { SealwrightError } from './errors.ts';
import type { EnrolmentCredential, Operator } from './issuance-record.ts';
import type { Clock, CredentialStore, OperatorLog } from './ports.ts';

export interface AdministerCredentialsPorts {
  readonly hierarchy: Hierarchy;
  readonly credentials: CredentialStore;
  readonly operatorLog: OperatorLog;
  readonly random: (bytes: number) => Uint8Array;
  readonly clock: Clock;
}

/** What an operator asks for. Times in epoch milliseconds. */
export type NewCredential = Pick<
  EnrolmentCredential,
  'principal' | 'owner' | 'fleet' | 'profiles' | 'names' | 'countMax' | 'expiresAt'
>;

const dayMs = 86_400_000;
const lifetimeDaysMax = 366;
const countMaxMax = 100_000_000;
const secretBytes = 32;
/** Without the slash that separates them in the principal's default: two owners' fleets are never one principal. */
const identifierForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const principalForm = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,128}$/;
const instantForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
const fields: ReadonlySet<string> = new Set([
  'owner',
  'fleet',
  'principal',
  'profiles',
  'names',
  'countMax',
  'expiresAt',
  'expiresInDays',
]);

/**
 * Reads a request for a credential. Throws `request-malformed` naming every fault: a field that is missing, unknown or of
 * the wrong form, a profile that does not exist, a scope with an entry that grants nothing.
 */
export function parseNewCredential(
  json: Readonly<Record<string, unknown>>,
  hierarchy: Hierarchy,
  at: EpochMs,
): NewCredential {
  const faults: string[] = [];
  // A field that is passed over may have been meant to bound the credential.
  if (Object.keys(json).some((field) => !fields.has(field))) faults.push(`only ${[...fields].join(', ')} are read`);
  const identifier = (field: string, form: RegExp, what: string, otherwise?: string): string => {
    const value = json[field] ?? otherwise;
    if (typeof value === 'string' && form.test(value)) return value;
    faults.push(`${field}: ${what}`);
    return '';
  };
  const owner = identifier('owner', identifierForm, 'letters, digits and . _ -, at most 64');
  const fleet = identifier('fleet', identifierForm, 'letters, digits and . _ -, at most 64');
  const known = hierarchy.profiles.map(({ name }) => name);
  const profiles = texts(json.profiles, 'profiles', faults);
  if (profiles.length === 0) faults.push(`profiles: at least one of ${known.join(', ')}`);
  if (profiles.some((profile) => !known.includes(profile))) faults.push(`profiles: only ${known.join(', ')} exist`);
  const credential: NewCredential = {
    owner,
    fleet,
    principal: identifier(
      'principal',
      principalForm,
      'letters, digits and . _ - /, at most 129',
      // A fault of owner or fleet has been told.
      owner === '' || fleet === '' ? 'unknown' : `${owner}/${fleet}`,
    ),
    profiles,
    names: parseScope(json.names, faults),
    countMax: wholeNumber(json.countMax, 'countMax', countMaxMax, faults),
    expiresAt: expiry(json, at, faults),
  };
  if (faults.length > 0) throw new SealwrightError('request-malformed', { clientDetail: faults.join('; ') });
  return credential;
}

function texts(value: unknown, field: string, faults: string[]): readonly string[] {
  if (value === undefined) return [];
  if (
    Array.isArray(value) &&
    value.length <= scopeEntriesMax &&
    value.every((one) => typeof one === 'string' && one.length <= 2048)
  )
    return value;
  faults.push(`${field}: a list of at most ${scopeEntriesMax} texts`);
  return [];
}

function parseScope(value: unknown, faults: string[]): NewCredential['names'] {
  const scope = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const names = {
    dns: texts(scope.dns, 'names.dns', faults),
    spiffe: texts(scope.spiffe, 'names.spiffe', faults),
    ip: texts(scope.ip, 'names.ip', faults),
  };
  if (names.dns.length + names.spiffe.length + names.ip.length === 0)
    faults.push('names: at least one of dns, spiffe, ip with an entry');
  for (const { field, message } of scopeFaults({ profiles: [], names })) faults.push(`${field}: ${message}`);
  return names;
}

function wholeNumber(value: unknown, field: string, max: number, faults: string[]): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value;
  faults.push(`${field}: a whole number from 1 to ${max}`);
  return 0;
}

function expiry(json: Readonly<Record<string, unknown>>, at: EpochMs, faults: string[]): EpochMs {
  const { expiresAt, expiresInDays } = json;
  const until =
    expiresAt === undefined
      ? at + wholeNumber(expiresInDays ?? 30, 'expiresInDays', lifetimeDaysMax, faults) * dayMs
      : typeof expiresAt === 'string' && instantForm.test(expiresAt)
        ? Date.parse(expiresAt)
        : Number.NaN;
  if (!Number.isFinite(until) || until <= at || until > at + lifetimeDaysMax * dayMs) {
    faults.push(`expiresAt: an RFC 3339 time in the future, at most ${lifetimeDaysMax} days away`);
  }
  return until;
}

/** A secret of the given prefix: shown once, never stored. */
export function makeSecret(
  prefix: 'sw_e_' | 'sw_o_',
  random: (bytes: number) => Uint8Array,
): { readonly secret: string; readonly sha256: string } {
  const secret = `${prefix}${Buffer.from(random(secretBytes)).toString('base64url')}`;
  return { secret, sha256: sha256Hex(Buffer.from(secret, 'utf8')) };
}

/** Stores a credential and answers it with its secret. */
export async function createCredential(
  ports: AdministerCredentialsPorts,
  operatorId: Operator['id'],
  wanted: NewCredential,
): Promise<{ readonly credential: EnrolmentCredential; readonly secret: string }> {
  const { secret, sha256 } = makeSecret('sw_e_', ports.random);
  const id = `cred-${Buffer.from(ports.random(9)).toString('hex')}`;
  const credential: EnrolmentCredential = { ...wanted, id, used: 0, createdAt: ports.clock(), sha256 };
  await ports.credentials.create(credential);
  await ports.operatorLog.append({
    at: ports.clock(),
    operatorId,
    action: 'credential:create',
    subject: id,
    outcome: 'done',
  });
  return { credential, secret };
}

/** Revokes a credential; what it has issued stays valid. Throws `not-found`. */
export async function revokeCredential(
  ports: AdministerCredentialsPorts,
  operatorId: Operator['id'],
  id: string,
): Promise<void> {
  if (!(await ports.credentials.revoke(id, ports.clock()))) throw new SealwrightError('not-found');
  await ports.operatorLog.append({
    at: ports.clock(),
    operatorId,
    action: 'credential:revoke',
    subject: id,
    outcome: 'done',
  });
}
