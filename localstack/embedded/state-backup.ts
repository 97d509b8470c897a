/**
 * Backup and restore of a state folder: the ledger, and in development the keys that stand in for an HSM's and for ACM PCA's. A
 * backup is a folder with the files and a manifest of them. It is made while the service runs.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { markRestored } from '../../shared/adapters/pkcs11/store-origin.ts';
import { copyDatabase, examineLedger, isDatabase, type LedgerContent } from '../../shared/adapters/sqlite/backup.ts';
import { ledgerFile } from '../../shared/adapters/stack/stack.ts';
import type { CounterCheck } from '../../shared/issuance/check-counters.ts';

export type BackupFaultCode =
  | 'state-missing'
  | 'target-not-empty'
  | 'backup-missing'
  | 'manifest-unreadable'
  | 'file-missing'
  | 'file-changed'
  | 'file-foreign'
  | 'content-changed'
  | 'counters-differ';

/** What is wrong with a backup, a state folder or a place to restore to. All of it, not the first. */
export class BackupError extends Error {
  readonly code: BackupFaultCode;
  readonly faults: readonly string[];
  constructor(code: BackupFaultCode, message: string, faults: readonly string[] = []) {
    super(message);
    this.name = 'BackupError';
    this.code = code;
    this.faults = faults;
  }
}

interface BackedUpFile {
  /** Relative to the backup, with slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface BackupManifest {
  readonly format: 'sealwright-backup-1';
  readonly backupId: string;
  /** RFC 3339. */
  readonly madeAt: string;
  /** False: the ledger alone; keys, PINs and tokens of callers are not in it. */
  readonly withKeys: boolean;
  readonly ledger: LedgerContent;
  readonly files: readonly BackedUpFile[];
}

export interface Verified {
  readonly manifest: BackupManifest;
  readonly check: CounterCheck;
}

/** Told what is being done, before it is: a large ledger takes minutes, and `isLong` says that this step may. */
export type OnStep = (text: string, isLong: boolean) => void;

const manifestName = 'manifest.json';
const filesMax = 10_000;
/** Locks, logs, what a database keeps beside itself while it is open, and what was being written. */
const leftOut = /(^|\/)(lock\.sqlite|[^/]*\.(lock|pid|log|new)|[^/]*-(wal|shm|journal)|softhsm2\.conf)$/;
const keyFolders = ['pkcs11', 'acm-pca', 'software-keys'];

/**
 * Copies a state folder to `target`, which must not exist or be empty. The ledger first: keys are made before the ledger knows
 * of their CA, so that a later copy of the keys has those of every CA in it. Throws `BackupError`, `StorageError`.
 */
export async function backupState(
  stateDir: string,
  target: string,
  options: { readonly withKeys: boolean; readonly now: number; readonly onStep?: OnStep },
): Promise<Verified> {
  const from = resolve(stateDir);
  const to = resolve(target);
  const ledger = ledgerFile(from);
  if (!existsSync(ledger)) throw new BackupError('state-missing', `${stateDir} holds no ledger`);
  if ((to + sep).startsWith(from + sep))
    throw new BackupError('target-not-empty', 'a backup lies outside the state folder it is of');
  requireEmpty(to);
  mkdirSync(to, { recursive: true, mode: 0o700 });
  const others = filesBelow(from).filter((path) => join(from, path) !== ledger && isWanted(path, options.withKeys));
  const onStep = options.onStep ?? quiet;
  for (const path of [relative(from, ledger), ...others]) {
    tellOf(onStep, `copying ${path}`, statSync(join(from, path)).size);
    await copyFile(join(from, path), join(to, path));
  }
  const { check, content } = await examine(ledgerFile(to), onStep);
  const manifest: BackupManifest = {
    format: 'sealwright-backup-1',
    backupId: `backup-${randomBytes(8).toString('hex')}`,
    madeAt: new Date(options.now).toISOString(),
    withKeys: options.withKeys,
    ledger: content,
    files: filesBelow(to).map((path) => describeFile(to, path)),
  };
  // Last: a folder without a manifest is no backup, so that one that was interrupted is none.
  writeFileSync(join(to, manifestName), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600, flush: true });
  return { manifest, check };
}

const quiet: OnStep = () => undefined;

/** Some seconds of work on a slow disk. */
const longBytesMin = 64e6;

function tellOf(onStep: OnStep, what: string, bytes: number): void {
  onStep(`${what}, ${(bytes / 1e6).toFixed(1)} MB`, bytes >= longBytesMin);
}

function examine(ledger: string, onStep: OnStep) {
  tellOf(onStep, 'checking every page of the ledger', statSync(ledger).size);
  return examineLedger(ledger, (certificates) => onStep(`counting certificates anew: ${certificates}`, false));
}

function isWanted(path: string, withKeys: boolean): boolean {
  if (leftOut.test(path)) return false;
  return withKeys || (path !== 'tokens.json' && !keyFolders.some((folder) => path.startsWith(`${folder}/`)));
}

async function copyFile(from: string, to: string): Promise<void> {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  if (isDatabase(from)) await copyDatabase(from, to);
  else copyFileSync(from, to);
  chmodSync(to, 0o600);
}

/** Every byte against the manifest, every page of the ledger, and its counters against a recount. Throws `BackupError`, `StorageError`. */
export async function verifyBackup(backup: string, onStep: OnStep = quiet): Promise<Verified> {
  const folder = resolve(backup);
  const manifest = readManifest(folder);
  const faults: [BackupFaultCode, string][] = [];
  const listed = new Set(manifest.files.map(({ path }) => path));
  for (const { bytes, path, sha256 } of manifest.files) {
    tellOf(onStep, `reading ${path}`, bytes);
    if (!existsSync(join(folder, path))) faults.push(['file-missing', `${path} is not there`]);
    else {
      const found = describeFile(folder, path);
      if (found.bytes !== bytes || found.sha256 !== sha256) faults.push(['file-changed', `${path} was changed`]);
    }
  }
  for (const path of filesBelow(folder))
    if (path !== manifestName && !listed.has(path)) faults.push(['file-foreign', `${path} is not of the backup`]);
  refuse('the backup is not what was made', faults);
  const { check, content } = await examine(ledgerFile(folder), onStep);
  if (JSON.stringify(content) !== JSON.stringify(manifest.ledger))
    throw new BackupError('content-changed', 'the ledger does not hold what the manifest says');
  return { manifest, check };
}

function refuse(message: string, faults: readonly (readonly [BackupFaultCode, string])[]): void {
  const [first] = faults;
  if (first === undefined) return;
  const said = faults.map(([, fault]) => fault);
  throw new BackupError(first[0], message, said);
}

/**
 * Verifies a backup and copies it to a state folder that must not exist or be empty; the ledger is held against a recount
 * there once more. Keys in SoftHSM say from then on that they were restored. Throws `BackupError`, `StorageError`.
 */
export async function restoreState(
  backup: string,
  into: string,
  now: number,
  onStep: OnStep = quiet,
): Promise<Verified> {
  const from = resolve(backup);
  const to = resolve(into);
  const { manifest } = await verifyBackup(from, onStep);
  requireEmpty(to);
  mkdirSync(to, { recursive: true, mode: 0o700 });
  try {
    for (const { bytes, path, sha256 } of manifest.files) {
      tellOf(onStep, `restoring ${path}`, bytes);
      mkdirSync(dirname(join(to, path)), { recursive: true, mode: 0o700 });
      copyFileSync(join(from, path), join(to, path));
      chmodSync(join(to, path), 0o600);
      if (describeFile(to, path).sha256 !== sha256)
        throw new BackupError('file-changed', `${path} changed while it was copied`);
    }
    const pkcs11 = join(to, 'pkcs11');
    if (existsSync(pkcs11))
      markRestored(pkcs11, { backupId: manifest.backupId, restoredAt: new Date(now).toISOString() });
    const { check } = await examine(ledgerFile(to), onStep);
    if (check.differing > 0) throw new BackupError('counters-differ', 'the restored counters are not a recount');
    return { manifest, check };
  } catch (cause) {
    // Half a state folder would be taken for a whole one by the next start.
    rmSync(to, { recursive: true, force: true });
    throw cause;
  }
}

function requireEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new BackupError('target-not-empty', `${folder} is not empty`);
}

/** Paths of all files below a folder, relative and with slashes, in an order that does not change. */
function filesBelow(folder: string): readonly string[] {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
  if (paths.length > filesMax) throw new BackupError('file-foreign', `more than ${filesMax} files`);
  return paths.sort();
}

const chunkBytes = 1024 * 1024;

/** In chunks: a ledger may be larger than a buffer. */
function describeFile(folder: string, path: string): BackedUpFile {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(chunkBytes);
  const file = openSync(join(folder, path), 'r');
  let bytes = 0;
  try {
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) {
      hash.update(buffer.subarray(0, read));
      bytes += read;
    }
  } finally {
    closeSync(file);
  }
  return { path, bytes, sha256: hash.digest('hex') };
}

function readManifest(folder: string): BackupManifest {
  const path = join(folder, manifestName);
  if (!existsSync(path)) throw new BackupError('backup-missing', `${folder} is no backup: it has no ${manifestName}`);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw new BackupError('manifest-unreadable', `${path} is no JSON`);
  }
  if (isManifest(value)) return value;
  throw new BackupError('manifest-unreadable', `${path} is no manifest of a backup that this version reads`);
}

/** Paths must stay inside: a manifest is a file that anybody may have written. */
function isManifest(value: unknown): value is BackupManifest {
  const { backupId, files, format, ledger, madeAt, withKeys } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (format !== 'sealwright-backup-1' || typeof withKeys !== 'boolean') return false;
  if (typeof madeAt !== 'string' || Number.isNaN(Date.parse(madeAt))) return false;
  if (typeof backupId !== 'string' || !/^backup-[0-9a-f]{16}$/.test(backupId)) return false;
  if (typeof ledger !== 'object' || !Array.isArray(files) || files.length > filesMax) return false;
  return files.every(
    ({ bytes, path, sha256 }: BackedUpFile) =>
      typeof path === 'string' &&
      path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\\')) &&
      Number.isInteger(bytes) &&
      /^[0-9a-f]{64}$/.test(sha256),
  );
}
