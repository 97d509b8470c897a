/**
 * CertificateList, version 2 (RFC 5280 §5): what is to be signed, and the strict decoder of what was. Pure: nothing here decides
 * which certificates are on it.
 */
import { authorityKeyIdentifierExtension } from './certificate-builder.ts';
import { decodeAuthorityKeyIdentifier } from './certificate-extensions.ts';
import {
  type DerCursor,
  expectEnd,
  hexOf,
  isAtEnd,
  openDer,
  peekTag,
  readBitStringOctets,
  readBooleanDefaultFalse,
  readConstructed,
  readContent,
  readElement,
  readInteger,
  readIntegerBytes,
  readOctetString,
  readOid,
  readSequence,
  readSmallInteger,
  readTime,
  tags,
} from './der/reader.ts';
import * as der from './der/writer.ts';
import type { EpochMs } from './epoch.ts';
import { MalformedError } from './malformed.ts';
import { oids } from './oids.ts';
import { type CaSigningAlgorithm, encodeCaSigningAlgorithm } from './signature-algorithm.ts';

/** CRLReason (RFC 5280 §5.3.1) of a revocation for good. `unspecified` is said by saying nothing. */
const reasonCodes: Readonly<Record<string, number>> = {
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
  aACompromise: 10,
};

export interface CrlEntry {
  /** Lower-case hex. */
  readonly serial: string;
  /** Whole seconds. */
  readonly revokedAt: EpochMs;
  /** Name of a CRLReason; `unspecified` writes none. */
  readonly reason: string;
}

/** `issuer` is Name DER; times in whole seconds; `distributionPoint` is the URL as the certificates' CDP has it. */
export interface CrlFields {
  readonly signingAlgorithm: CaSigningAlgorithm;
  readonly issuer: Uint8Array;
  readonly thisUpdate: EpochMs;
  readonly nextUpdate: EpochMs;
  readonly entries: readonly CrlEntry[];
  readonly authorityKeyIdentifier: Uint8Array;
  readonly number: number;
  readonly distributionPoint: string;
}

const crlNumberOid = der.oid(oids.crlNumber);
const distributionPointOid = der.oid(oids.issuingDistributionPoint);
const reasonOid = der.oid(oids.reasonCode);
const keyIdentifierOid = der.oid(oids.authorityKeyIdentifier);
const enumerated = 0x0a;
const reasonExtensions = new Map(
  Object.entries(reasonCodes).map(([reason, code]) => [
    reason,
    der.sequence(der.sequence(reasonOid, der.octetString(Uint8Array.of(enumerated, 1, code)))),
  ]),
);

function encodeEntry({ reason, revokedAt, serial }: CrlEntry): Uint8Array {
  const number = der.integerBytes(Buffer.from(serial, 'hex'));
  if (reason === 'unspecified') return der.sequence(number, der.time(revokedAt));
  const extensions = reasonExtensions.get(reason);
  if (extensions === undefined) throw new RangeError('no reason of a revocation for good');
  return der.sequence(number, der.time(revokedAt), extensions);
}

/**
 * TBSCertList DER. An empty list has no revokedCertificates at all (§5.1.2.6); the issuing distribution point is critical
 * (§5.2.5) and the same URL as in the certificates, so that one shard never answers for another.
 */
export function buildTbsCertList(fields: CrlFields): Uint8Array {
  const { distributionPoint, entries, issuer, nextUpdate, number, signingAlgorithm, thisUpdate } = fields;
  if (nextUpdate <= thisUpdate) throw new RangeError('a CRL ends after it begins');
  const keyIdentifier = authorityKeyIdentifierExtension(fields.authorityKeyIdentifier);
  const fullName = der.implicitConstructed(0, der.implicit(6, der.ia5Content(distributionPoint)));
  const point = der.sequence(der.explicit(0, fullName));
  return der.sequence(
    der.integer(1),
    encodeCaSigningAlgorithm(signingAlgorithm),
    issuer,
    der.time(thisUpdate),
    der.time(nextUpdate),
    ...(entries.length === 0 ? [] : [der.sequence(...entries.map(encodeEntry))]),
    der.explicit(
      0,
      der.sequence(
        der.sequence(keyIdentifierOid, der.octetString(keyIdentifier.value)),
        der.sequence(crlNumberOid, der.octetString(der.integer(number))),
        der.sequence(distributionPointOid, der.booleanTrue(), der.octetString(point)),
      ),
    ),
  );
}

export interface CertificateList {
  readonly tbsDer: Uint8Array;
  /** AlgorithmIdentifier. */
  readonly signatureAlgorithmDer: Uint8Array;
  readonly issuer: Uint8Array;
  readonly thisUpdate: EpochMs;
  readonly nextUpdate: EpochMs;
  readonly entries: readonly CrlEntry[];
  readonly authorityKeyIdentifier: Uint8Array;
  readonly number: bigint;
  readonly distributionPoint: string;
  readonly signature: Uint8Array;
}

/** A shard on its worst day is below 128 KiB, with ten elements an entry. */
const limits = { bytesMax: 131_072, depthMax: 16, elementsMax: 40_000 };

/** A CRL as this module writes it: strict DER, these extensions and no others. Throws MalformedError and nothing else. */
export function parseCertificateList(bytes: Uint8Array): CertificateList {
  const list = readSequence(openWhole(bytes));
  const tbsDer = readElement(list);
  const outerAlgorithm = readElement(list);
  const signature = readBitStringOctets(list);
  expectEnd(list);
  const tbs = readSequence(openDer(tbsDer, limits));
  if (readSmallInteger(tbs, 1) !== 1) throw new MalformedError('der-malformed', 'a CRL of version 2');
  if (Buffer.compare(readElement(tbs), outerAlgorithm) !== 0)
    throw new MalformedError('der-malformed', 'the two signature algorithms differ');
  const issuer = readElement(tbs);
  const thisUpdate = readTime(tbs);
  const nextUpdate = readTime(tbs);
  const entries = peekTag(tbs) === tags.sequence ? readEntries(readSequence(tbs)) : [];
  const extensions = readExtensions(readConstructed(tbs, 0xa0));
  expectEnd(tbs);
  return {
    tbsDer,
    signatureAlgorithmDer: outerAlgorithm,
    issuer,
    thisUpdate,
    nextUpdate,
    entries,
    ...extensions,
    signature,
  };
}

function openWhole(bytes: Uint8Array): DerCursor {
  return openDer(bytes, limits);
}

function readEntries(list: DerCursor): readonly CrlEntry[] {
  const entries: CrlEntry[] = [];
  if (isAtEnd(list)) throw new MalformedError('der-malformed', 'an empty list of entries is left out');
  while (!isAtEnd(list)) {
    const entry = readSequence(list);
    const serial = hexOf(readIntegerBytes(entry)).replace(/^00(?=..)/, '');
    const revokedAt = readTime(entry);
    const reason = isAtEnd(entry) ? 'unspecified' : readReason(readSequence(entry));
    expectEnd(entry);
    entries.push({ serial, revokedAt, reason });
  }
  return entries;
}

function readReason(extensions: DerCursor): string {
  const extension = readSequence(extensions);
  if (readOid(extension) !== oids.reasonCode) throw new MalformedError('der-malformed', 'an entry has a reason only');
  const content = readContent(openDer(readOctetString(extension), limits), enumerated);
  expectEnd(extension);
  expectEnd(extensions);
  const reason = Object.keys(reasonCodes).find((name) => content.length === 1 && reasonCodes[name] === content[0]);
  if (reason === undefined) throw new MalformedError('der-malformed', 'a reason that does not revoke for good');
  return reason;
}

function readExtensions(outer: DerCursor) {
  const list = readSequence(outer);
  expectEnd(outer);
  const next = (oid: string, critical: boolean): Uint8Array => {
    const extension = readSequence(list);
    if (readOid(extension) !== oid || readBooleanDefaultFalse(extension) !== critical)
      throw new MalformedError(
        'der-malformed',
        'a CRL has key identifier, number and distribution point, in this order',
      );
    const value = readOctetString(extension);
    expectEnd(extension);
    return value;
  };
  const authorityKeyIdentifier = decodeAuthorityKeyIdentifier(next(oids.authorityKeyIdentifier, false));
  if (authorityKeyIdentifier === undefined) throw new MalformedError('der-malformed', 'a CRL names the key of its CA');
  const number = readInteger(openDer(next(oids.crlNumber, false), limits));
  const point = readSequence(openDer(next(oids.issuingDistributionPoint, true), limits));
  expectEnd(list);
  const name = readConstructed(readConstructed(point, 0xa0), 0xa0);
  expectEnd(point);
  const distributionPoint = Buffer.from(readContent(name, 0x86)).toString('latin1');
  expectEnd(name);
  return { authorityKeyIdentifier, number, distributionPoint };
}
