/**
 * Whether a SoftHSM store is where it was made. PKCS #11 cannot say: a token that was copied, or restored from a backup, reports
 * the same serial number, the same objects and the same attributes, CKA_LOCAL and CKA_NEVER_EXTRACTABLE among them. So the place
 * is written down beside the tokens when the store is made, and a restore writes down that it was one.
 */
import { readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { KeyOrigin } from '../../custody/key-description.ts';
import type { LibraryOptions } from './library.ts';

const placeName = 'place.json';
const restoredName = 'restored.json';

/** What a restore leaves beside the tokens. Times are RFC 3339. */
export interface RestoreRecord {
  readonly backupId: string;
  readonly restoredAt: string;
}

interface Place {
  readonly path: string;
  /** When the folder was made; 0 where the file system does not say. */
  readonly madeAtMs: number;
}

function placeOf(folder: string): Place {
  return { path: realpathSync(folder), madeAtMs: Math.floor(statSync(folder).birthtimeMs) };
}

function readJson(path: string): Readonly<Record<string, unknown>> | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}

/** Writes down where a store is, the first time. `folder` holds softhsm2.conf and the tokens. */
export function markPlace(folder: string): void {
  try {
    writeFileSync(join(folder, placeName), `${JSON.stringify(placeOf(folder))}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Written by whoever restores a store, before anything uses it. */
export function markRestored(folder: string, record: RestoreRecord): void {
  writeFileSync(join(folder, restoredName), `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/** Undefined: nothing says that the store is not where it was made. Of a store that is not SoftHSM's, nothing is known. */
export function storeOriginOf({ softhsmConf }: LibraryOptions): KeyOrigin | undefined {
  if (softhsmConf === undefined) return undefined;
  const folder = dirname(softhsmConf);
  const restored = readJson(join(folder, restoredName));
  if (restored !== undefined) {
    const restoredAt = Date.parse(String(restored.restoredAt));
    return {
      kind: 'restored',
      knownBy: 'record',
      ...(typeof restored.backupId === 'string' ? { backupId: restored.backupId } : {}),
      ...(Number.isNaN(restoredAt) ? {} : { restoredAt }),
    };
  }
  const made = readJson(join(folder, placeName));
  if (made === undefined) return undefined;
  const { path, madeAtMs } = placeOf(folder);
  return made.path === path && made.madeAtMs === madeAtMs ? undefined : { kind: 'restored', knownBy: 'place' };
}
