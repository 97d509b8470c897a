/**
 * The subject of a certificate as audit reports show it: RFC 2253, so the last RDN comes first; the attribute types that
 * RFC 2253 2.3 names by keyword, all others as OID and `#` with the DER of the value in hex.
 */
import {
  type DerCursor,
  hexOf,
  isAtEnd,
  openDer,
  peekTag,
  readElement,
  readOid,
  readSequence,
  readSet,
  readString,
  skipElement,
} from '../../shared/pki/der/reader.ts';
import { oids } from '../../shared/pki/oids.ts';

const keywords: ReadonlyMap<string, string> = new Map([
  [oids.commonName, 'CN'],
  [oids.localityName, 'L'],
  [oids.stateOrProvinceName, 'ST'],
  [oids.organizationName, 'O'],
  [oids.organizationalUnitName, 'OU'],
  [oids.countryName, 'C'],
  [oids.streetAddress, 'STREET'],
  [oids.domainComponent, 'DC'],
  [oids.userId, 'UID'],
]);
const versionTag = 0xa0;

function escapeValue(value: string): string {
  return value.replace(/[,+"\\<>;]/g, '\\$&').replace(/^[ #]|(?<=.) $/gs, '\\$&');
}

function attributeText(attribute: DerCursor): string {
  const type = readOid(attribute);
  const keyword = keywords.get(type);
  const text = keyword === undefined ? undefined : readString(attribute);
  return text === undefined ? `${type}=#${hexOf(readElement(attribute))}` : `${keyword}=${escapeValue(text)}`;
}

function rdnText(rdn: DerCursor): string {
  const attributes: string[] = [];
  while (!isAtEnd(rdn)) attributes.push(attributeText(readSequence(rdn)));
  return attributes.join('+');
}

/** Subject of a certificate's DER; the empty string for the empty name. Only what comes before the subject is stepped over. */
export function subjectText(certificateDer: Uint8Array): string {
  const tbs = readSequence(readSequence(openDer(certificateDer)));
  if (peekTag(tbs) === versionTag) skipElement(tbs);
  // serialNumber, signature, issuer, validity (RFC 5280 4.1).
  for (let member = 0; member < 4; member++) skipElement(tbs);
  const rdns = readSequence(tbs);
  const texts: string[] = [];
  while (!isAtEnd(rdns)) texts.push(rdnText(readSet(rdns)));
  return texts.reverse().join(',');
}
