import {
  bitString,
  booleanTrue,
  explicit,
  implicit,
  implicitConstructed,
  integer,
  nullValue,
  octetString,
  oid,
  printableString,
  sequence,
  set,
  time,
  utf8String,
} from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import { extension, otherName, rdn, sampleDer, sampleManifest } from '../support/certification-requests.ts';
import { type Element, parseElement } from './elements.ts';

/** What inputs are made from. Nothing in it may be written to. */
export interface Material {
  readonly samples: readonly Sample[];
  /** Elements of all samples and some that no sample has: what is put where it does not belong. */
  readonly donors: readonly Element[];
  readonly extensions: readonly Element[];
  readonly attributes: readonly Element[];
  readonly generalNames: readonly Element[];
  readonly nameAttributes: readonly Element[];
}

interface Sample {
  readonly file: string;
  readonly der: Uint8Array;
  readonly root: Element;
}

/** Bytes that no decoder of PEM makes a request of. */
const notDer = new Set(['broken-empty.csr', 'broken-not-base64.csr', 'broken-two-in-one-file.csr']);
/** Those whose faults are in the DER itself have no tree: they are among the splices of the others only. */
const notATree = new Set([
  'broken-indefinite-length.csr',
  'broken-length-lies.csr',
  'broken-trailing-bytes.csr',
  'broken-truncated.csr',
  'broken-deep-nesting.csr',
  'broken-a-certificate-instead.csr',
]);
/** Of more octets than this one costs as much as hundreds of others; it has its turn as seldom. */
export const largeBytes = 8_192;

const ascii = (text: string) => Buffer.from(text, 'latin1');
const element = (der: Uint8Array) => parseElement(der);

function specialExtensions(): readonly Element[] {
  const { basicConstraints, extendedKeyUsage, keyUsage, subjectAltName, subjectKeyIdentifier } = oids;
  return [
    extension(basicConstraints, sequence()),
    extension(basicConstraints, sequence(booleanTrue()), true),
    extension(basicConstraints, sequence(booleanTrue(), integer(0)), true),
    extension(basicConstraints, sequence(integer(3))),
    extension(basicConstraints, sequence(booleanTrue(), integer(256))),
    extension(basicConstraints, sequence(booleanTrue(), integer(-1))),
    extension(keyUsage, bitString(Uint8Array.of(0xa0), 5), true),
    extension(keyUsage, bitString(Uint8Array.of(0xa0))),
    extension(keyUsage, bitString(Uint8Array.of(0x00, 0x80), 7)),
    extension(keyUsage, bitString(Uint8Array.of(0xff, 0xff))),
    extension(keyUsage, bitString(new Uint8Array())),
    extension(extendedKeyUsage, sequence(oid(oids.serverAuth), oid(oids.clientAuth))),
    extension(extendedKeyUsage, sequence()),
    extension(subjectKeyIdentifier, octetString(new Uint8Array(20))),
    extension(subjectKeyIdentifier, octetString(new Uint8Array())),
    extension(subjectAltName, sequence(implicit(2, ascii('a.fleet.example')))),
    extension(subjectAltName, sequence(), true),
    extension(oids.nameConstraints, sequence(implicitConstructed(0, sequence(implicit(2, ascii('example')))))),
    extension('1.3.6.1.4.1.99999.1', utf8String('ours')),
    extension('2.25.329800735698586629295641978511506172918', nullValue()),
  ].map(element);
}

function specialAttributes(): readonly Element[] {
  const attribute = (type: string, ...values: readonly Uint8Array[]) => sequence(oid(type), set(...values));
  const san = extension(oids.subjectAltName, sequence(implicit(2, ascii('b.fleet.example'))));
  return [
    attribute(oids.challengePassword, printableString('secret')),
    attribute(oids.unstructuredName, utf8String('ü')),
    attribute(oids.extensionRequest, sequence(san)),
    attribute(oids.extensionRequest, sequence()),
    attribute(oids.extensionRequest, sequence(san), sequence(san, san)),
    attribute(oids.extensionRequest),
    attribute(oids.microsoftExtensionRequest, sequence(san)),
    attribute('1.2.840.113549.1.9.5', time(Date.parse('2026-01-02T03:04:05Z'))),
    attribute('1.2.3.4', time(Date.parse('2051-01-02T03:04:05Z')), integer(2n ** 64n)),
    attribute('1.2.3.5', octetString(new Uint8Array(300)), explicit(1, nullValue())),
  ].map(element);
}

function specialNames(): readonly Element[] {
  return [
    implicit(1, ascii('device@fleet.example')),
    implicit(2, ascii('device.fleet.example')),
    implicit(2, ascii('*.fleet.example')),
    implicit(2, ascii('nul\0.fleet.example')),
    implicit(2, new Uint8Array()),
    implicit(6, ascii('spiffe://fleet.example/device/1')),
    implicit(7, Uint8Array.of(192, 0, 2, 1)),
    implicit(7, new Uint8Array(16)),
    implicit(7, new Uint8Array(5)),
    implicit(8, Uint8Array.of(0x2a, 0x03, 0x04)),
    implicit(8, Uint8Array.of(0x80, 0x01)),
    otherName(oids.hardwareModuleName, sequence(oid('1.2.3'), octetString(Uint8Array.of(1, 2)))),
    explicit(4, sequence(rdn(oids.commonName, 'directory'))),
    implicitConstructed(5, explicit(1, utf8String('party'))),
    implicitConstructed(3, sequence(sequence())),
    implicit(9, ascii('none')),
  ].map(element);
}

function specialNameAttributes(): readonly Element[] {
  return [
    sequence(oid(oids.commonName), utf8String('gerät-é')),
    sequence(oid(oids.countryName), printableString('DE')),
    sequence(oid('2.5.4.45'), bitString(Uint8Array.of(1))),
    sequence(oid(oids.serialNumber), implicit(18, ascii('x'))),
    sequence(oid(oids.emailAddress), utf8String('')),
  ].map(element);
}

function subtrees(root: Element, into: Element[]): Element[] {
  into.push(root);
  if (!(root.body instanceof Uint8Array)) for (const child of root.body) subtrees(child, into);
  return into;
}

export function createMaterial(): Material {
  const samples = sampleManifest
    .filter(({ file }) => !notDer.has(file) && !notATree.has(file))
    .map(({ file }): Sample => {
      const der = new Uint8Array(sampleDer(file));
      return { file, der, root: parseElement(der) };
    });
  const extensions = specialExtensions();
  const attributes = specialAttributes();
  const generalNames = specialNames();
  const nameAttributes = specialNameAttributes();
  const small = samples.filter(({ der }) => der.length <= largeBytes);
  const donors = [...small.map(({ root }) => root), ...extensions, ...attributes, ...generalNames, ...nameAttributes];
  return {
    samples,
    donors: donors.flatMap((root) => subtrees(root, [])),
    extensions,
    attributes,
    generalNames,
    nameAttributes,
  };
}
