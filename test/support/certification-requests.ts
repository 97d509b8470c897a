import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  bitString,
  booleanTrue,
  explicit,
  implicitConstructed,
  integer,
  octetString,
  oid,
  sequence,
  set,
  utf8String,
} from '../../shared/pki/der/writer.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import { encodeGeneralNames, type GeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { decodeCertificationRequestBody } from '../../shared/pki/pem.ts';

const samples = new URL('../vectors/csr-samples/', import.meta.url);

/** One line of the sample manifest. */
export interface SampleExpectation {
  readonly file: string;
  readonly profile: string;
  readonly expect: 'issued' | 'refused' | 'malformed';
  readonly note: string;
}

/** All certification requests of real tools, with what is to come of each. */
export const sampleManifest: readonly SampleExpectation[] = JSON.parse(
  readFileSync(new URL('manifest.json', samples), 'utf8'),
);

/** The body of a sample as a client would send it. */
export function sampleBody(file: string): Uint8Array {
  return readFileSync(new URL(file, samples));
}

/** The DER in a sample. */
export function sampleDer(file: string): Uint8Array {
  return decodeCertificationRequestBody(sampleBody(file));
}

/** The MalformedError that `action` throws; undefined when it returns; any other error is thrown on. */
export function malformedBy(action: () => unknown): MalformedError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof MalformedError) return error;
    throw error;
  }
}

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** A key pair for requests whose key does not matter. */
export const anyKeyPair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject } = p256;

/** SubjectPublicKeyInfo DER of a public key. */
export function spkiOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }));
}

/** One relative distinguished name of one UTF8String attribute. */
export function rdn(type: string, value: string): Uint8Array {
  return set(sequence(oid(type), utf8String(value)));
}

/** DER of one Extension. */
export function extension(id: string, value: Uint8Array, critical = false): Uint8Array {
  return sequence(oid(id), ...(critical ? [booleanTrue()] : []), octetString(value));
}

/** DER of a subjectAltName Extension. */
export function altNames(...names: readonly GeneralName[]): Uint8Array {
  return extension(oids.subjectAltName, encodeGeneralNames(names));
}

/** DER of one attribute. */
export function attribute(type: string, ...values: readonly Uint8Array[]): Uint8Array {
  return sequence(oid(type), set(...values));
}

/** DER of the attribute that asks for extensions. */
export function extensionRequest(...extensions: readonly Uint8Array[]): Uint8Array {
  return attribute(oids.extensionRequest, sequence(...extensions));
}

/** The parts a request is put together from; each has a sound default. */
export interface RequestParts {
  readonly version?: Uint8Array;
  readonly subject?: Uint8Array;
  readonly spki?: Uint8Array;
  readonly attributes?: Uint8Array;
  readonly privateKey?: KeyObject;
  readonly signatureAlgorithm?: Uint8Array;
  readonly signature?: (info: Uint8Array) => Uint8Array;
}

/** `[0]` of the attributes given, in that order. */
export function attributesOf(...attributes: readonly Uint8Array[]): Uint8Array {
  return implicitConstructed(0, ...attributes);
}

/** A request signed with ECDSA and SHA-256 (or as its parts say), correct but for what the parts break. */
export function makeRequest(parts: RequestParts = {}): Uint8Array {
  const info = sequence(
    parts.version ?? integer(0),
    parts.subject ?? sequence(rdn(oids.commonName, 'device-1')),
    parts.spki ?? spkiOf(p256.publicKey),
    parts.attributes ?? attributesOf(extensionRequest(altNames({ kind: 'dns', value: 'device-1.fleet.example' }))),
  );
  const signature =
    parts.signature?.(info) ?? new Uint8Array(sign('sha256', info, parts.privateKey ?? p256.privateKey));
  const algorithm = parts.signatureAlgorithm ?? sequence(oid(oids.ecdsaWithSha256));
  return sequence(info, algorithm, bitString(signature));
}

/** An otherName element of an arbitrary value. */
export function otherName(typeId: string, value: Uint8Array): Uint8Array {
  return implicitConstructed(0, oid(typeId), explicit(0, value));
}
