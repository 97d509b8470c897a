/**
 * The "certs-only" message: a degenerate SignedData (RFC 5652 §5.1) with certificates and no signer, as EST answers with
 * (RFC 7030 §4.1.3).
 */
import * as der from './der/writer.ts';

const signedData = der.oid('1.2.840.113549.1.7.2');
const data = der.oid('1.2.840.113549.1.7.1');

/** A chain is a handful and a CA bundle some tens; more is a mistake of the caller. */
export const certsOnlyCountMax = 100;

/**
 * ContentInfo DER over the given certificates' DER. `certificates` is a SET OF, so DER puts them in the order of their
 * octets: a reader finds the leaf by its issuer, not by its place. RangeError when there are none or too many.
 */
export function encodeCertsOnly(certificates: readonly Uint8Array[]): Uint8Array {
  if (certificates.length === 0 || certificates.length > certsOnlyCountMax)
    throw new RangeError(`certs-only holds 1 to ${certsOnlyCountMax} certificates`);
  // Version 1: no attribute certificates, no signers, content type id-data (RFC 5652 §5.1).
  const content = der.sequence(
    der.integer(1),
    der.set(),
    der.sequence(data),
    der.implicitSet(0, ...certificates),
    der.set(),
  );
  return der.sequence(signedData, der.explicit(0, content));
}
