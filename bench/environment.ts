import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../shared/adapters/sqlite/database.ts';
import { rounded } from './spread.ts';

/** The machine a result was made on: what has to be the same for two results to be compared. */
export interface Environment {
  readonly node: string;
  readonly openssl: string;
  readonly platform: string;
  readonly cpuModel: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  /** One minute's, before the first run: above 0 on a machine that others use. */
  readonly loadAverage: number;
  readonly sqlite: {
    readonly version: string;
    readonly journalMode: string;
    /** As SQLite counts: 2 is FULL. */
    readonly synchronous: number;
    readonly pageBytes: number;
  };
  /** Where the states of the bench lie. */
  readonly disk: { readonly filesystem: string; readonly fdatasyncUs: number };
  /** CPU of what nothing can be faster than, one call after the other in one thread. */
  readonly primitivesUs: {
    readonly ecdsaP256Sign: number;
    readonly ecdsaP256Verify: number;
    readonly publicKeyImport: number;
  };
}

export function describeEnvironment(): Environment {
  const dir = mkdtempSync(join(tmpdir(), 'sealwright-bench-'));
  try {
    return {
      node: process.version,
      openssl: process.versions.openssl,
      platform: `${process.platform}-${process.arch}`,
      cpuModel: cpus()[0]?.model ?? 'unknown',
      cpuCount: availableParallelism(),
      memoryBytes: totalmem(),
      loadAverage: rounded(loadavg()[0] ?? 0, 2),
      sqlite: sqliteSettings(dir),
      disk: { filesystem: filesystemOf(dir), fdatasyncUs: rounded(fdatasyncUs(join(dir, 'sync')), 0) },
      primitivesUs: primitivesUs(),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** As the store opens its file, and syncs its log beside; `synchronous` is of a connection, so it is asked of one opened the same way. */
function sqliteSettings(dir: string): Environment['sqlite'] {
  const database = openDatabase({
    path: join(dir, 'settings.sqlite'),
    synchronous: 'NORMAL',
    walPagesMax: 4_000,
    integrityCheckBytesMax: 0,
  });
  const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  try {
    return {
      version: process.versions.sqlite ?? 'unknown',
      journalMode: String(pragma('journal_mode')),
      synchronous: Number(pragma('synchronous')),
      pageBytes: Number(pragma('page_size')),
    };
  } finally {
    database.close();
  }
}

/** `f_type` of statfs(2). On tmpfs a sync costs nothing, and a result says little. */
const filesystems: Readonly<Record<number, string>> = {
  16914836: 'tmpfs',
  61267: 'ext',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  2035054128: 'overlayfs',
  26985: 'nfs',
};

function filesystemOf(dir: string): string {
  const { type } = statfsSync(dir);
  return filesystems[type] ?? `0x${type.toString(16)}`;
}

const syncs = 100;

/** Wall clock of a write of 8 KiB that is on the disk, in place: the least a commit can take. */
function fdatasyncUs(file: string): number {
  const descriptor = openSync(file, 'w');
  const bytes = Buffer.alloc(8_192, 1);
  try {
    const times = Array.from({ length: syncs }, () => {
      const startedAt = performance.now();
      writeSync(descriptor, bytes, 0, bytes.length, 0);
      fdatasyncSync(descriptor);
      return (performance.now() - startedAt) * 1000;
    });
    return times.toSorted((a, b) => a - b)[syncs / 2]!;
  } finally {
    closeSync(descriptor);
  }
}

const calls = 1_000;

function primitivesUs(): Environment['primitivesUs'] {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = publicKey.export({ format: 'pem', type: 'spki' });
  const message = Buffer.alloc(256, 1);
  const signature = sign('sha256', message, privateKey);
  return {
    ecdsaP256Sign: cpuUs(() => sign('sha256', message, privateKey)),
    ecdsaP256Verify: cpuUs(() => verify('sha256', message, publicKey, signature)),
    publicKeyImport: cpuUs(() => createPublicKey(pem)),
  };
}

function cpuUs(act: () => unknown): number {
  for (let call = 0; call < calls / 2; call++) act();
  const before = process.cpuUsage();
  for (let call = 0; call < calls; call++) act();
  const { user, system } = process.cpuUsage(before);
  return rounded((user + system) / calls, 1);
}
