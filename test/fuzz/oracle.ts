import { CertificationRequest as OracleRequest } from '@peculiar/asn1-csr';
import { AsnConvert, AsnParser } from '@peculiar/asn1-schema';
import { type AttributeTypeAndValue, Extensions, GeneralName as OracleName } from '@peculiar/asn1-x509';
import { BitString } from 'asn1js';
import type { CertificationRequest } from '../../shared/pki/certification-request.ts';
import { hexOf, tags } from '../../shared/pki/der/reader.ts';
import type { GeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { type Asn1, bytesOf, childrenOf, readBer } from './canonical.ts';

/** What two parsers have to agree about, as text. `subjectDer` and `spki` are hex. */
export interface RequestSummary {
  readonly subject: readonly string[];
  readonly subjectDer: string;
  readonly spki: string;
  readonly signature: string;
  readonly attributes: readonly string[];
  readonly extensions: readonly string[];
}

/** A request as @peculiar/asn1-csr reads it: BER, trailing bytes and all. */
export interface OracleReading {
  readonly tree: Asn1;
  /** Where the first element ends. */
  readonly end: number;
  readonly summary: RequestSummary;
  /** Values of the subjectAltName; undefined when there is none. Throws where the oracle makes nothing of it. */
  names(): readonly string[] | undefined;
}

export function summaryOf(request: CertificationRequest): RequestSummary {
  return {
    subject: request.subject.attributes.map(({ type, value, rdn }) => `${rdn} ${comparable(type)} ${inOneUnit(value)}`),
    subjectDer: hexOf(request.subject.der),
    spki: hexOf(request.publicKey.der),
    signature: hexOf(request.signature),
    attributes: request.attributeOids.map(comparable),
    extensions: request.extensions.map(({ oid, critical, value }) => `${comparable(oid)} ${critical} ${hexOf(value)}`),
  };
}

/**
 * asn1js loses digits of an arc from 2^53 to 2^56, which is left out on both sides; its octets are compared with the rest of
 * the DER. `2.{{hex} - 80}` and `{hex}` are how it writes a longer arc, exactly: an octet for each of its septets.
 */
function comparable(dotted: string): string {
  return dotted
    .replace(/^2\.\{\{([0-9a-f]+)\} - 80\}/, (_text, septets: string) => `2.${arcOf(septets) - 80n}`)
    .replace(/\{([0-9a-f]+)\}/g, (_text, septets: string) => String(arcOf(septets)))
    .replace(/[0-9]{16,}/g, (arc) => (isInexact(BigInt(arc)) ? '*' : arc));
}

function arcOf(septets: string): bigint {
  return Buffer.from(septets, 'hex').reduce((arc, septet) => arc * 128n + BigInt(septet), 0n);
}

// The first arc is less by 80 than its octets say; and what asn1js makes of an arc just below 2^56 is above it.
function isInexact(arc: bigint): boolean {
  return arc > BigInt(Number.MAX_SAFE_INTEGER - 80) && arc < 2n ** 56n + 80n;
}

/** asn1js takes a character beyond U+FFFF of a UniversalString by its lower sixteen bits: so are all, on both sides. */
function inOneUnit(text: string): string {
  return Array.from(text, (character) => String.fromCharCode(character.codePointAt(0)! & 0xffff)).join('');
}

export function namesOf(request: CertificationRequest): readonly string[] {
  return request.names.map(textOfName);
}

function textOfName(name: GeneralName): string {
  if (name.kind === 'other') return `other ${comparable(name.typeId)}`;
  if (name.kind === 'registered-id') return `${name.kind} ${comparable(name.value)}`;
  return 'value' in name ? `${name.kind} ${name.value}` : name.kind;
}

function textOfOracleName(name: OracleName): string {
  if (name.dNSName !== undefined) return `dns ${name.dNSName}`;
  if (name.uniformResourceIdentifier !== undefined) return `uri ${name.uniformResourceIdentifier}`;
  if (name.rfc822Name !== undefined) return `email ${name.rfc822Name}`;
  if (name.iPAddress !== undefined) return `ip ${name.iPAddress}`;
  if (name.registeredID !== undefined) return `registered-id ${comparable(name.registeredID)}`;
  if (name.otherName !== undefined) return `other ${comparable(name.otherName.typeId)}`;
  return name.directoryName === undefined ? 'of no kind' : 'directory';
}

// The oracle has no schema for the ORAddress of [3], and refuses a [5] with a DirectoryString as RFC 5280 writes it; nobody
// here looks inside the two.
function textOfOracleElement(element: Asn1): string {
  const { tagNumber } = element.idBlock;
  if (tagNumber === 3) return 'x400';
  if (tagNumber === 5) return 'edi';
  return textOfOracleName(AsnConvert.parse(bytesOf(element), OracleName));
}

// The oracle keeps a NumericString undecoded.
function textOfOracleValue({ value }: AttributeTypeAndValue): string {
  const any = value.anyValue === undefined ? undefined : Buffer.from(value.anyValue);
  return any?.[0] === tags.numericString ? any.toString('latin1', 2) : value.toString();
}

const isForExtensions = (type: string) => type === oids.extensionRequest || type === oids.microsoftExtensionRequest;
const hex = (buffer: ArrayBuffer) => Buffer.from(buffer).toString('hex');

/** Undefined when the oracle does not accept `bytes` as a request, or not its lists of extensions. */
export function readByOracle(bytes: Uint8Array): OracleReading | undefined {
  const read = readBer(bytes);
  if (read === undefined) return undefined;
  const { end, tree } = read;
  try {
    const request = AsnParser.fromASN(tree as never, OracleRequest) as OracleRequest;
    const info = request.certificationRequestInfo;
    const [infoNode, , signature] = childrenOf(tree) ?? [];
    const [, subject, spki, attributeList] = infoNode === undefined ? [] : (childrenOf(infoNode) ?? []);
    const extensions = info.attributes.flatMap(({ type }, index) => {
      if (!isForExtensions(type)) return [];
      const [, values] = childrenOf(childrenOf(attributeList!)![index]!)!;
      return childrenOf(values!)!.flatMap((list) => [...(AsnParser.fromASN(list as never, Extensions) as Extensions)]);
    });
    if (subject === undefined || spki === undefined || !(signature instanceof BitString)) return undefined;
    return {
      tree,
      end,
      summary: {
        subject: info.subject.flatMap((rdn, index) =>
          [...rdn].map(
            (attribute) => `${index} ${comparable(attribute.type)} ${inOneUnit(textOfOracleValue(attribute))}`,
          ),
        ),
        subjectDer: hexOf(bytesOf(subject)),
        spki: hexOf(bytesOf(spki)),
        signature: hexOf(signature.valueBlock.valueHexView),
        attributes: info.attributes
          .map(({ type }) => type)
          .filter((type) => !isForExtensions(type))
          .map(comparable),
        extensions: extensions.map(
          ({ critical, extnID, extnValue }) => `${comparable(extnID)} ${critical} ${hex(extnValue.buffer)}`,
        ),
      },
      names() {
        const san = extensions.find(({ extnID }) => extnID === oids.subjectAltName);
        if (san === undefined) return undefined;
        const list = readBer(new Uint8Array(san.extnValue.buffer));
        return list === undefined ? [] : (childrenOf(list.tree) ?? []).map(textOfOracleElement);
      },
    };
  } catch {
    return undefined;
  }
}
