/**
 * What a script must not hold. It is printed, mailed and archived; a PIN or a private key in it is lost the day it is
 * written, and a slot number says nothing on another machine, where it may be another token's.
 */
import type { YamlPath } from '../hierarchy/fault.ts';
import { printable } from '../hierarchy/printable.ts';
import type { AddFault } from './script-fault.ts';

const secretKey =
  /^(?:user|so|new|old)?[-_]?pins?$|pin[-_]?(?:value|source|file)|passw(?:or)?d|passphrase|secret|private[-_]?key|seed|mnemonic/i;
const slotKey = /slot/i;
/** Private keys as PEM, and the PIN and slot attributes of a PKCS #11 URI (RFC 7512 §2.3). */
const secretValue = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|\bpin-(?:value|source)=/i;
const slotValue = /\bslot-(?:id|description|manufacturer)=/i;

/** Adds a fault for each; the message never repeats the value. Returns the paths, steps joined by '/'. */
export function refuseSecrets(
  value: unknown,
  add: AddFault,
  at: YamlPath = [],
  found = new Set<string>(),
): Set<string> {
  if (typeof value === 'string') {
    if (secretValue.test(value)) add('secret-in-script', at, 'a secret does not belong into a script');
    else if (slotValue.test(value)) add('slot-in-script', at, 'a slot is of one machine: name the token by its label');
    else return found;
    found.add(at.join('/'));
    return found;
  }
  if (typeof value !== 'object' || value === null) return found;
  for (const [name, member] of Object.entries(value)) {
    const path = [...at, Array.isArray(value) ? Number(name) : name];
    if (!Array.isArray(value) && secretKey.test(name)) {
      add('secret-in-script', path, `'${printable(name, 40)}': PINs and secrets are typed in at the ceremony`, true);
      found.add(path.join('/'));
    } else if (!Array.isArray(value) && slotKey.test(name)) {
      const message = `'${printable(name, 40)}': a slot is of one machine; the hierarchy names the token by its label`;
      add('slot-in-script', path, message, true);
      found.add(path.join('/'));
    } else refuseSecrets(member, add, path, found);
  }
  return found;
}
