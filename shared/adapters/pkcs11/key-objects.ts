import type { Handle } from 'pkcs11js';
import type { KeyAttributes } from '../../custody/key-description.ts';
import * as der from '../../pki/der/writer.ts';
import { oids } from '../../pki/oids.ts';
import { parseSubjectPublicKey, type SubjectPublicKey } from '../../pki/public-key.ts';
import { cka, ckk, cko } from './constants.ts';
import { Pkcs11Failure, returnValueName } from './return-values.ts';
import type { Session } from './token.ts';

/** More objects of one label than this are not looked at: two are one too many already. */
const foundMax = 4;

/** The object handles of a key pair; good for sessions of the generation they were found in. */
export interface KeyPairHandles {
  readonly privateKey: Handle;
  readonly publicKey: Handle;
}

type Attribute = { readonly type: number; readonly value?: Buffer | boolean | number | string };

function find({ api, handle }: Session, template: readonly Attribute[]): readonly Handle[] {
  api.C_FindObjectsInit(handle, [...template]);
  try {
    return api.C_FindObjects(handle, foundMax);
  } finally {
    api.C_FindObjectsFinal(handle);
  }
}

/** Undefined when the module does not have the attribute. */
function attribute({ api, handle }: Session, object: Handle, type: number): Buffer | undefined {
  try {
    const value = api.C_GetAttributeValue(handle, object, [{ type }])[0]?.value;
    return Buffer.isBuffer(value) ? value : undefined;
  } catch (error) {
    const name = returnValueName(error);
    if (name === 'CKR_ATTRIBUTE_TYPE_INVALID' || name === 'CKR_ATTRIBUTE_SENSITIVE') return undefined;
    throw error;
  }
}

/**
 * Several attributes in one call, in the order asked; undefined where the module does not have one. A call that a module
 * refuses for the sake of one of them is made again for each (PKCS #11 v2.40, 5.7: C_GetAttributeValue).
 */
function attributes(session: Session, object: Handle, types: readonly number[]): readonly (Buffer | undefined)[] {
  try {
    const values = session.api.C_GetAttributeValue(
      session.handle,
      object,
      types.map((type) => ({ type })),
    );
    return types.map((_, index) => {
      const value = values[index]?.value;
      return Buffer.isBuffer(value) ? value : undefined;
    });
  } catch (error) {
    if (returnValueName(error) === undefined) throw error;
    return types.map((type) => attribute(session, object, type));
  }
}

/**
 * Finds a key pair by its label: one private key, and the one public key with the same CKA_ID. Undefined when there is
 * neither. Throws Pkcs11Failure (`absent`) when there is half of one or more than one: which key would sign is not left to
 * the order in which a module lists its objects.
 */
export function findKeyPair(session: Session, keyLabel: string): KeyPairHandles | undefined {
  const ofClass = (objectClass: number, extra: readonly Attribute[]) =>
    find(session, [{ type: cka.class, value: objectClass }, { type: cka.token, value: true }, ...extra]);
  const label = { type: cka.label, value: Buffer.from(keyLabel, 'utf8') };
  const [privateKey, ...others] = ofClass(cko.privateKey, [label]);
  if (others.length > 0) {
    throw new Pkcs11Failure('absent', 'key-ambiguous', `more than one private key has the label ${keyLabel}`);
  }
  if (privateKey === undefined) {
    if (ofClass(cko.publicKey, [label]).length === 0) return undefined;
    throw new Pkcs11Failure(
      'absent',
      'key-incomplete',
      `a public key has the label ${keyLabel} and no private key does`,
    );
  }
  const id = attribute(session, privateKey, cka.id);
  if (id === undefined || id.length === 0) {
    throw new Pkcs11Failure('absent', 'key-without-id', `the private key ${keyLabel} has no CKA_ID`);
  }
  const publicKeys = ofClass(cko.publicKey, [{ type: cka.id, value: id }]);
  if (publicKeys.length !== 1) {
    const message = `${publicKeys.length === 0 ? 'no' : 'more than one'} public key has the CKA_ID of ${keyLabel}`;
    throw new Pkcs11Failure('absent', publicKeys.length === 0 ? 'key-incomplete' : 'key-ambiguous', message);
  }
  return { privateKey, publicKey: publicKeys[0]! };
}

/**
 * The attributes of a private key that say whether it can leave the module. One that the module does not report counts as
 * the worse of its values.
 */
export function readKeyAttributes(session: Session, privateKey: Handle): KeyAttributes {
  const names = ['token', 'sensitive', 'extractable', 'neverExtractable', 'alwaysSensitive', 'local', 'sign'] as const;
  const values = attributes(
    session,
    privateKey,
    names.map((name) => cka[name]),
  );
  const flag = (name: (typeof names)[number]) => {
    const value = values[names.indexOf(name)];
    return value === undefined || value.length !== 1 ? name === 'extractable' : value[0] !== 0;
  };
  return {
    token: flag('token'),
    sensitive: flag('sensitive'),
    extractable: flag('extractable'),
    neverExtractable: flag('neverExtractable'),
    alwaysSensitive: flag('alwaysSensitive'),
    local: flag('local'),
    sign: flag('sign'),
  };
}

/** Lengths of an uncompressed point on P-256, P-384 and P-521. */
const pointLengths: ReadonlySet<number> = new Set([65, 97, 133]);

/**
 * CKA_EC_POINT is an OCTET STRING around the point (PKCS #11 v2.40 §2.3.3); some modules give the point itself. Both begin
 * with 04, so the length decides.
 */
function ecPoint(value: Buffer): Buffer {
  if (pointLengths.has(value.length)) return value;
  return value.subarray(value[1] === 0x81 ? 3 : 2);
}

const parsedMax = 64;
const parsed = new Map<string, SubjectPublicKey>();

/**
 * Parses a key once: it is read from the token before every batch, and that its point is on its curve does not change with
 * that. The same object for the same bytes.
 */
function parsedOnce(spki: Uint8Array): SubjectPublicKey {
  const bytes = Buffer.from(spki).toString('latin1');
  let key = parsed.get(bytes);
  if (key === undefined) {
    key = parseSubjectPublicKey(spki);
    if (parsed.size >= parsedMax) parsed.clear();
    parsed.set(bytes, key);
  }
  return key;
}

/** The public object as SubjectPublicKeyInfo. Throws Pkcs11Failure (`absent`) when it is none that a CA can have. */
export function readPublicKey(session: Session, publicKey: Handle): SubjectPublicKey {
  const required = (...types: readonly number[]) =>
    attributes(session, publicKey, types).map((value) => {
      if (value !== undefined && value.length > 0) return value;
      throw new Pkcs11Failure('absent', 'public-key-incomplete', 'the module does not give the public key');
    });
  // CK_ULONG in the byte order and size of the machine; its lowest octet says enough on those we run on.
  const keyType = required(cka.keyType)[0]![0];
  if (keyType === ckk.ec) {
    const [ecParams, point] = required(cka.ecParams, cka.ecPoint);
    const algorithm = der.sequence(der.oid(oids.ecPublicKey), ecParams!);
    return parsedOnce(der.sequence(algorithm, der.bitString(ecPoint(point!))));
  }
  if (keyType === ckk.rsa) {
    const [modulus, publicExponent] = required(cka.modulus, cka.publicExponent);
    const rsaPublicKey = der.sequence(der.integerBytes(modulus!), der.integerBytes(publicExponent!));
    const algorithm = der.sequence(der.oid(oids.rsaEncryption), der.nullValue());
    return parsedOnce(der.sequence(algorithm, der.bitString(rsaPublicKey)));
  }
  throw new Pkcs11Failure('absent', 'key-type-unknown', 'the key is neither EC nor RSA');
}
