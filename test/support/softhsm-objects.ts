/**
 * The object files of SoftHSM's file backend, edited behind its back. A file is a generation number and then attributes:
 * type and kind, eight octets each, big-endian, and the value (SoftHSM 2.6, src/lib/object_store/ObjectFile.cpp).
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cka, cko } from '../../shared/adapters/pkcs11/constants.ts';

const kinds = { boolean: 1n, ulong: 2n, bytes: 3n };

/** Where the value of each attribute begins that is a boolean or a number. Attribute maps and mechanism lists end the walk. */
function attributesOf(file: Buffer): ReadonlyMap<number, { readonly at: number; readonly value: number }> {
  const found = new Map<number, { at: number; value: number }>();
  for (let at = 8; at + 16 < file.length; ) {
    const type = Number(file.readBigUInt64BE(at));
    const kind = file.readBigUInt64BE(at + 8);
    at += 16;
    if (kind === kinds.boolean) {
      found.set(type, { at, value: file[at] === 0 ? 0 : 1 });
      at += 1;
    } else if (kind === kinds.ulong) {
      found.set(type, { at, value: Number(file.readBigUInt64BE(at)) });
      at += 8;
    } else if (kind === kinds.bytes) at += 8 + Number(file.readBigUInt64BE(at));
    else break;
  }
  return found;
}

/** Every private key object below a token folder. */
export function privateKeyFiles(tokensFolder: string): readonly string[] {
  return readdirSync(tokensFolder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.object') && !name.endsWith('token.object'))
    .map((name) => join(tokensFolder, name))
    .filter((path) => attributesOf(readFileSync(path)).get(cka.class)?.value === cko.privateKey);
}

/** Sets a boolean attribute in an object file, and raises its generation, at which a running process reads it anew. */
export function editBoolean(path: string, type: number, value: boolean): void {
  const file = readFileSync(path);
  const place = attributesOf(file).get(type);
  if (place === undefined) throw new Error(`the object has no attribute 0x${type.toString(16)}`);
  file[place.at] = value ? 0xff : 0;
  file.writeBigUInt64BE(file.readBigUInt64BE(0) + 1n, 0);
  writeFileSync(path, file);
}

/**
 * Makes the key extractable that `isExtractable` then says is so. Which file holds it is found by trying, since SoftHSM
 * encrypts the labels of private objects; the others are put back.
 */
export async function makeExtractable(tokensFolder: string, isExtractable: () => Promise<boolean>): Promise<string> {
  for (const path of privateKeyFiles(tokensFolder)) {
    editBoolean(path, cka.extractable, true);
    if (await isExtractable()) return path;
    editBoolean(path, cka.extractable, false);
  }
  throw new Error('no object file is that of the key');
}
