/**
 * RFC 5280 §4.1.2.4: attribute values of type DirectoryString are UTF8String or PrintableString.
 *
 * The other types survive for old CAs only, and each has its own idea of its characters.
 */
import { isAtEnd, openDer, peekTag, readOid, readSequence, readSet, skipElement, tags } from '../pki/der/reader.ts';
import { oids } from '../pki/oids.ts';
import { decoded } from './decoded.ts';
import { type Lint, tlsOnly } from './lint.ts';

export const commonNameStringType: Lint = {
  name: 'common-name-string-type',
  citation: 'RFC 5280 §4.1.2.4',
  applies: tlsOnly,
  check: ({ certificate }) => {
    if (decoded(certificate).commonNames.length === 0) return undefined;
    return commonNameTags(certificate.tbs.subject.der).every(
      (tag) => tag === tags.utf8String || tag === tags.printableString,
    )
      ? undefined
      : 'the common name is neither UTF8String nor PrintableString';
  },
};

function commonNameTags(subjectDer: Uint8Array): readonly number[] {
  const found: number[] = [];
  const rdns = readSequence(openDer(subjectDer));
  while (!isAtEnd(rdns)) {
    const rdn = readSet(rdns);
    while (!isAtEnd(rdn)) {
      const attribute = readSequence(rdn);
      if (readOid(attribute) === oids.commonName) found.push(peekTag(attribute));
      skipElement(attribute);
    }
  }
  return found;
}
