import {
  type DerCursor,
  expectEnd,
  isAtEnd,
  readBooleanDefaultFalse,
  readOctetString,
  readOid,
  readSequence,
} from './der/reader.ts';
import { MalformedError } from './malformed.ts';

/** `value` is the content of the extension's OCTET STRING. */
interface ListedExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Far above any profile's; bounds the search for one that stands twice. */
const extensionsMax = 64;

/**
 * Reads Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension (RFC 5280 §4.1) onto `extensions`. Throws MalformedError for an
 * empty list, for too many, and for one that is there already (§4.2).
 */
export function readExtensionList(cursor: DerCursor, extensions: ListedExtension[]): void {
  const list = readSequence(cursor);
  if (isAtEnd(list)) throw new MalformedError('der-malformed', 'a list of extensions has one', list.at);
  while (!isAtEnd(list)) {
    const start = list.at;
    const fields = readSequence(list);
    const oid = readOid(fields);
    const critical = readBooleanDefaultFalse(fields);
    const value = readOctetString(fields);
    expectEnd(fields);
    if (extensions.length >= extensionsMax) {
      throw new MalformedError('der-too-many-elements', 'too many extensions', start);
    }
    if (extensions.some((other) => other.oid === oid)) {
      throw new MalformedError('der-malformed', 'an extension stands twice', start);
    }
    extensions.push({ oid, critical, value });
  }
}
