/**
 * The names an enrolment credential may ask for.
 *
 * | entry | covers |
 * |---|---|
 * | `dns: a.fleet.example` | that name, ASCII case aside |
 * | `dns: *.fleet.example` | names with exactly one label before `.fleet.example`; never a wildcard name, never fleet.example itself |
 * | `spiffe: spiffe://fleet.example/a/b` | that id, byte for byte |
 * | `spiffe: spiffe://fleet.example/a/*` | ids of that trust domain whose path is `/a/` and one or more segments |
 * | `ip: 10.0.0.7` | that address, in whatever form it is written |
 * | `ip: 10.0.0.0/8` | every address of the range |
 *
 * An entry of any other form covers nothing. No entry grants a wildcard name: a certificate for one speaks for devices
 * that are not the credential's.
 */
import { parseIpRange } from '../pki/ip-address.ts';
import { dnsNameFault, type GeneralName, isWildcard } from '../pki/names.ts';
import { parseSpiffeId } from '../pki/spiffe-id.ts';
import { ipRangeContains } from './ip-range.ts';
import { printable } from './printable.ts';

export interface EnrolmentScope {
  readonly profiles: readonly string[];
  readonly names: {
    readonly dns: readonly string[];
    readonly spiffe: readonly string[];
    readonly ip: readonly string[];
  };
}

/** Whether an entry of the scope covers the name. Names that are no DNS name, SPIFFE id or address are never covered. */
export function scopeCoversName(scope: EnrolmentScope, name: GeneralName): boolean {
  switch (name.kind) {
    case 'dns':
      return !isWildcard(name.value) && scope.names.dns.some((entry) => dnsEntryCovers(entry, name.value));
    case 'uri':
      return (
        parseSpiffeId(name.value) !== undefined &&
        scope.names.spiffe.some((entry) => spiffeEntryCovers(entry, name.value))
      );
    case 'ip':
      return scope.names.ip.some((entry) => ipRangeContains(entry, name.value));
    default:
      return false;
  }
}

function dnsEntryCovers(entry: string, value: string): boolean {
  const wanted = entry.toLowerCase();
  const name = value.toLowerCase();
  if (!wanted.startsWith('*.')) return !isWildcard(wanted) && name === wanted;
  const suffix = wanted.slice(1);
  if (suffix.length < 2 || isWildcard(suffix) || !name.endsWith(suffix)) return false;
  const label = name.slice(0, -suffix.length);
  return label !== '' && !label.includes('.');
}

function spiffeEntryCovers(entry: string, id: string): boolean {
  if (!entry.endsWith('/*')) return id === entry;
  const prefix = entry.slice(0, -1);
  // The prefix must itself be the beginning of ids: a trust domain, then whole segments.
  if (parseSpiffeId(`${prefix}x`) === undefined) return false;
  return id.startsWith(prefix) && id.length > prefix.length;
}

export interface ScopeFault {
  /** For example `names.dns[2]`. */
  readonly field: string;
  readonly message: string;
}

/** Bounds what a credential is and what every decision costs. */
export const scopeEntriesMax = 100;

/** What is wrong with a scope, for whoever makes a credential: entries that would cover nothing, and too many of them. */
export function scopeFaults(scope: EnrolmentScope): readonly ScopeFault[] {
  const { dns, spiffe, ip } = scope.names;
  return [
    ...tooMany('profiles', scope.profiles),
    ...entryFaults('names.dns', dns, isDnsEntry, 'write a.fleet.example, or *.fleet.example for one label'),
    ...entryFaults('names.spiffe', spiffe, isSpiffeEntry, 'write spiffe://fleet.example/a, or end it in /*'),
    ...entryFaults('names.ip', ip, (entry) => parseIpRange(entry) !== undefined, 'write 10.0.0.7 or 10.0.0.0/8'),
  ];
}

function isDnsEntry(entry: string): boolean {
  const name = entry.startsWith('*.') ? entry.slice(2) : entry;
  return !isWildcard(name) && dnsNameFault(name) === undefined;
}

function isSpiffeEntry(entry: string): boolean {
  return parseSpiffeId(entry.endsWith('/*') ? `${entry.slice(0, -1)}x` : entry) !== undefined;
}

function entryFaults(
  field: string,
  entries: readonly string[],
  isValid: (entry: string) => boolean,
  hint: string,
): ScopeFault[] {
  const faults = entries.slice(0, scopeEntriesMax).flatMap((entry, index) => {
    if (isValid(entry)) return [];
    return [{ field: `${field}[${index}]`, message: `'${printable(entry)}' covers no name: ${hint}` }];
  });
  return [...tooMany(field, entries), ...faults];
}

function tooMany(field: string, entries: readonly string[]): ScopeFault[] {
  if (entries.length <= scopeEntriesMax) return [];
  return [{ field, message: `${entries.length} entries; at most ${scopeEntriesMax}` }];
}
