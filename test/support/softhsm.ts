/** SoftHSM for tests: tokens in a folder of the test's own, and what is missing when there is none. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Handle, PKCS11 } from 'pkcs11js';
import { it, type TestContext } from 'vitest';
import { cka, ckf, ckm } from '../../shared/adapters/pkcs11/constants.ts';
import { type LibraryOptions, openLibrary, type Pkcs11Library } from '../../shared/adapters/pkcs11/library.ts';
import { prepareSoftHsmToken, type SoftHsmToken } from '../../shared/adapters/pkcs11/softhsm.ts';
import { findSlot } from '../../shared/adapters/pkcs11/token.ts';
import * as der from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';

const usualPlaces = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];

function findSoftHsm(): string | undefined {
  const named = process.env.SEALWRIGHT_PKCS11_MODULE;
  const places = named === undefined || !/softhsm/i.test(named) ? usualPlaces : [named, ...usualPlaces];
  return places.find((path) => existsSync(path));
}

function pkcs11jsLoads(): boolean {
  try {
    createRequire(import.meta.url)('pkcs11js');
    return true;
  } catch {
    return false;
  }
}

/** Path of the library; undefined when there is none. */
export const softHsmLibrary = findSoftHsm();

/** Why tests with SoftHSM cannot run; undefined when they can. */
export const softHsmMissing: string | undefined = pkcs11jsLoads()
  ? softHsmLibrary === undefined
    ? 'SoftHSM is not installed'
    : undefined
  : 'pkcs11js is not compiled';

/** A test that needs SoftHSM; without it, a skip that says so. */
export function itWithSoftHsm(
  name: string,
  body: (context: TestContext) => Promise<void> | void,
  timeoutMs?: number,
): void {
  it(
    name,
    async (context) => {
      if (softHsmMissing !== undefined) context.skip(softHsmMissing);
      await body(context);
    },
    timeoutMs,
  );
}

let folder: string | undefined;

/** One folder a process, since a process has one SoftHSM configuration. Removed when it ends. */
export function softHsmFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'sealwright softhsm '));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return folder;
}

export function newSoftHsmToken(tokenLabel: string): SoftHsmToken {
  return prepareSoftHsmToken({ libraryPath: softHsmLibrary!, folder: softHsmFolder(), tokenLabel });
}

type Calls = { [K in keyof PKCS11]?: PKCS11[K] };

/**
 * The library with some of its calls replaced, as they are at the time of each call. `real` is the untouched one, for a
 * replacement that passes on.
 */
export function interposed(replaced: (real: PKCS11) => Calls): (options: LibraryOptions) => Pkcs11Library {
  return (options) => {
    const library = openLibrary(options);
    const calls = replaced(library.api);
    const api = new Proxy(library.api, {
      get(target, name) {
        const replacement = calls[name as keyof Calls];
        const value: unknown = replacement ?? Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { path: library.path, api };
  };
}

/** What pkcs11js throws for a return value. */
export function returnValue(name: string): Error {
  return Object.assign(new Error(name), { name: 'Pkcs11Error' });
}

/** Gives both halves of a key pair another label. The process has to be logged in to the token. */
export function relabelKey(
  library: LibraryOptions,
  { tokenLabel, keyLabel }: { readonly tokenLabel: string; readonly keyLabel: string },
  newLabel: string,
): void {
  withObjects(library, tokenLabel, keyLabel, ({ api, session, objects }) => {
    for (const object of objects) {
      api.C_SetAttributeValue(session, object, [{ type: cka.label, value: Buffer.from(newLabel) }]);
    }
  });
}

export interface LabelledObjects {
  readonly api: PKCS11;
  readonly session: Handle;
  /** All objects of the label: a private and a public key. */
  readonly objects: readonly Handle[];
}

/** Works on the objects of a label behind the back of what is tested. The process has to be logged in to the token. */
export function withObjects<T>(
  library: LibraryOptions,
  tokenLabel: string,
  keyLabel: string,
  work: (found: LabelledObjects) => T,
): T {
  const { api } = openLibrary(library);
  const session = api.C_OpenSession(findSlot(api, tokenLabel)!, ckf.serialSession | ckf.rwSession);
  try {
    api.C_FindObjectsInit(session, [{ type: cka.label, value: Buffer.from(keyLabel) }]);
    const objects = api.C_FindObjects(session, 10);
    api.C_FindObjectsFinal(session);
    return work({ api, session, objects });
  } finally {
    api.C_CloseSession(session);
  }
}

/** Destroys the P-256 key pair of a label and makes another one with the same label and CKA_ID. The process has to be logged in. */
export function replaceKey(library: LibraryOptions, tokenLabel: string, keyLabel: string): void {
  withObjects(library, tokenLabel, keyLabel, ({ api, session, objects }) => {
    const id = api.C_GetAttributeValue(session, objects[0]!, [{ type: cka.id }])[0]!.value as Buffer;
    for (const object of objects) api.C_DestroyObject(session, object);
    const named = [
      { type: cka.token, value: true },
      { type: cka.label, value: Buffer.from(keyLabel) },
      { type: cka.id, value: id },
    ];
    const parameters = { type: cka.ecParams, value: Buffer.from(der.oid(oids.secp256r1)) };
    api.C_GenerateKeyPair(
      session,
      { mechanism: ckm.ecKeyPairGen },
      [...named, parameters, { type: cka.verify, value: true }],
      [
        ...named,
        { type: cka.private, value: true },
        { type: cka.sensitive, value: true },
        { type: cka.extractable, value: false },
        { type: cka.sign, value: true },
      ],
    );
  });
}
