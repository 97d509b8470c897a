/**
 * SoftHSM writes a token's own object (label, encrypted PINs, flags; no key) anew in place at every login. A process that is
 * killed just then leaves it cut short, and SoftHSM does not see the token any more, nor its keys. So a copy is kept beside the
 * tokens once a token is whole, and an object that is shorter than its copy is put back before the library is loaded.
 */
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const copySuffix = '.token';

function copyPath(folder: string, tokenLabel: string): string {
  return join(folder, `${encodeURIComponent(tokenLabel)}${copySuffix}`);
}

function writePrivately(path: string, bytes: Uint8Array): void {
  writeFileSync(`${path}.new`, bytes, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

interface Copy {
  /** Folder of the token below `tokens`. */
  readonly token: string;
  readonly object: string;
}

/** Whether a token of this label was whole once. */
export function wasWhole(folder: string, tokenLabel: string): boolean {
  return existsSync(copyPath(folder, tokenLabel));
}

/** Keeps a copy of the object of a token that is whole; once a token. */
export function keepTokenObject(folder: string, tokenLabel: string): void {
  const path = copyPath(folder, tokenLabel);
  if (existsSync(path)) return;
  const tokens = join(folder, 'tokens');
  const label = Buffer.from(tokenLabel, 'utf8');
  for (const token of readdirSync(tokens)) {
    const file = join(tokens, token, 'token.object');
    const object = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    // A label is padded with blanks, so that one is not taken for another that it begins.
    if (!object.includes(Buffer.concat([label, Buffer.from(' ')])) && label.length < 32) continue;
    const copy: Copy = { token, object: object.toString('base64') };
    writePrivately(path, Buffer.from(JSON.stringify(copy)));
    return;
  }
}

/** Puts objects that were cut short back. Before the library is loaded, which looks for tokens once. */
export function mendTokenObjects(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).filter((file) => file.endsWith(copySuffix))) {
    const { object, token } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Copy;
    const whole = Buffer.from(object, 'base64');
    const file = join(folder, 'tokens', token, 'token.object');
    if (!isShort(file, whole.length)) continue;
    // Another process may be writing it at this moment, and has done so in far less than this.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    if (isShort(file, whole.length)) writePrivately(file, whole);
  }
}

function isShort(file: string, bytes: number): boolean {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  return size !== undefined && size < bytes;
}
