/** ASN1Subject and GeneralName of the API, as DER (RFC 5280 4.1.2.4 and 4.2.1.6). */
import type { ASN1Subject, GeneralName } from '@aws-sdk/client-acm-pca';
import * as der from '../../shared/pki/der/writer.ts';
import { parseIpAddress } from '../../shared/pki/ip-address.ts';
import { AwsError, refuse } from './errors.ts';

type StandardAttribute = Exclude<keyof ASN1Subject, 'CustomAttributes'>;

/** Attribute types in the order of the model, which is the order they are written in. */
const attributeTypes: Readonly<Record<StandardAttribute, string>> = {
  Country: '2.5.4.6',
  Organization: '2.5.4.10',
  OrganizationalUnit: '2.5.4.11',
  DistinguishedNameQualifier: '2.5.4.46',
  State: '2.5.4.8',
  CommonName: '2.5.4.3',
  SerialNumber: '2.5.4.5',
  Locality: '2.5.4.7',
  Title: '2.5.4.12',
  Surname: '2.5.4.4',
  GivenName: '2.5.4.42',
  Initials: '2.5.4.43',
  Pseudonym: '2.5.4.65',
  GenerationQualifier: '2.5.4.44',
};

/** RFC 5280 appendix A: countryName, serialNumber and dnQualifier are PrintableString; emailAddress and DC IA5String. */
const printableTypes = new Set(['2.5.4.5', '2.5.4.6', '2.5.4.46']);
const ia5Types = new Set(['1.2.840.113549.1.9.1', '0.9.2342.19200300.100.1.25']);

/** Runs an encoder whose RangeError is the caller's bad argument: InvalidArgsException. */
export function encodeArgument<T>(what: string, encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    if (error instanceof AwsError) throw error;
    if (error instanceof RangeError) refuse('InvalidArgsException', `${what} cannot be encoded: ${error.message}.`);
    throw error;
  }
}

function attribute(type: string, value: string): Uint8Array {
  const text = printableTypes.has(type)
    ? der.printableString(value)
    : ia5Types.has(type)
      ? der.ia5String(value)
      : der.utf8String(value);
  return der.set(der.sequence(der.oid(type), text));
}

/**
 * Name DER: one attribute an RDN, standard ones in the model's order, custom ones in the order given; an absent or empty value
 * is left out, and a subject without any is the empty name. InvalidArgsException when standard and custom are mixed.
 */
export function encodeSubject(subject: ASN1Subject): Uint8Array {
  const standard = (Object.keys(attributeTypes) as StandardAttribute[]).flatMap((name) => {
    const value = subject[name];
    return value === undefined || value === '' ? [] : [{ type: attributeTypes[name], value }];
  });
  const custom = (subject.CustomAttributes ?? []).map((given) => ({
    type: given.ObjectIdentifier ?? '',
    value: given.Value ?? '',
  }));
  if (standard.length > 0 && custom.length > 0) {
    refuse('InvalidArgsException', 'CustomAttributes cannot be used in combination with standard attributes.');
  }
  return encodeArgument('The subject', () =>
    der.sequence(...[...standard, ...custom].map(({ type, value }) => attribute(type, value))),
  );
}

function ipOctets(text: string): Uint8Array {
  const octets = parseIpAddress(text);
  if (octets === undefined) refuse('InvalidArgsException', 'The IP address is not valid.');
  return octets;
}

function encodeGeneralName(name: GeneralName): Uint8Array {
  if (Object.values(name).filter((value) => value !== undefined).length !== 1) {
    refuse('InvalidArgsException', 'A GeneralName has exactly one member.');
  }
  if (name.DnsName !== undefined) return der.implicit(2, der.ia5Content(name.DnsName));
  if (name.UniformResourceIdentifier !== undefined)
    return der.implicit(6, der.ia5Content(name.UniformResourceIdentifier));
  if (name.IpAddress !== undefined) return der.implicit(7, ipOctets(name.IpAddress));
  if (name.Rfc822Name !== undefined) return der.implicit(1, der.ia5Content(name.Rfc822Name));
  if (name.DirectoryName !== undefined) return der.explicit(4, encodeSubject(name.DirectoryName));
  // The OBJECT IDENTIFIER's content without its two header octets: 64 characters are far below 128 octets.
  if (name.RegisteredId !== undefined) return der.implicit(8, der.oid(name.RegisteredId).subarray(2));
  if (name.OtherName !== undefined) {
    const { TypeId = '', Value = '' } = name.OtherName;
    return der.implicitConstructed(0, der.oid(TypeId), der.explicit(0, der.utf8String(Value)));
  }
  const { NameAssigner, PartyName = '' } = name.EdiPartyName ?? {};
  const assigner = NameAssigner === undefined ? [] : [der.explicit(0, der.utf8String(NameAssigner))];
  return der.implicitConstructed(5, ...assigner, der.explicit(1, der.utf8String(PartyName)));
}

/** GeneralNames DER, in the order given. InvalidArgsException for a name that is none, or has no or two members. */
export function encodeNames(names: readonly GeneralName[]): Uint8Array {
  return encodeArgument('A subject alternative name', () => der.sequence(...names.map(encodeGeneralName)));
}
