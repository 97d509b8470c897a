/**
 * How devices come back, as the ledger remembers it: the times of contact of some devices of each fleet. Which ones is
 * decided by a digest of the device's name alone, so that the choice knows nothing of how they behave, and costs a write only
 * for those chosen.
 */

import type { EpochMs } from '../pki/epoch.ts';
import { lengthPrefixed, sha256Hex } from '../pki/hash.ts';

/** Devices of one fleet of one CA whose contacts are kept at most; beyond, every second one is forgotten. */
export const sampledDevicesMax = 2_048;
/** Contacts of one device that are kept: the last ones. */
export const contactsMax = 128;
/** Places are below 2^48: exact as a number. */
export const placeBits = 48;

/** One device's contacts. */
export interface ContactSample {
  /** When it asked for a certificate, epoch milliseconds, ascending; the last `contactsMax`. To the second. */
  readonly contacts: readonly EpochMs[];
  /** Of the certificate that it got last. */
  readonly notAfter: EpochMs;
}

/** What tells one device from another: whose it is, what it asks for, and the first of its names. */
export interface DeviceIdentity {
  readonly owner: string;
  readonly profile: string;
  /** Key of the first name (`nameKey`). */
  readonly name: string;
}

/** Where a device stands among all: a number below 2^48 that looks drawn at random. */
export function placeOf({ owner, profile, name }: DeviceIdentity): number {
  return Number.parseInt(sha256Hex(lengthPrefixed(owner, profile, name)).slice(0, placeBits / 4), 16);
}

/** Whether one device in `oneIn` (a power of two) is kept, and this is one of them. */
export function isKept(place: number, oneIn: number): boolean {
  return place < 2 ** placeBits / oneIn;
}

/** Contacts with one more. One at the same second, or before the last (a clock set back), is no news. */
export function withContact(contacts: readonly EpochMs[], at: EpochMs): readonly EpochMs[] {
  const second = Math.floor(at / 1000) * 1000;
  const last = contacts.at(-1);
  if (last !== undefined && second <= last) return contacts;
  return [...contacts.slice(-(contactsMax - 1)), second];
}

/** Contacts as bytes: seconds since 1970, four octets each, big endian. */
export function encodeContacts(contacts: readonly EpochMs[]): Uint8Array {
  const bytes = new Uint8Array(contacts.length * 4);
  const view = new DataView(bytes.buffer);
  contacts.forEach((at, index) => void view.setUint32(index * 4, Math.floor(at / 1000)));
  return bytes;
}

export function decodeContacts(bytes: Uint8Array): readonly EpochMs[] {
  const contacts: EpochMs[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4)
    contacts.push((bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!)) * 1000);
  return contacts;
}
