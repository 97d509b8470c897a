import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendKind } from '../../shared/hierarchy/hierarchy.ts';
import { writeServerTls } from '../certificates.ts';
import { countIssued, enrolmentHead } from '../end-to-end.ts';
import type { Environment } from '../environment.ts';
import { hierarchyVariant, profileOn } from '../hierarchy-variant.ts';
import type { WatchedProcess } from '../process-usage.ts';
import { startMeasuredService } from '../service.ts';
import type { RunningSide, Side, SideName } from './side.ts';

export interface OurSideOptions {
  readonly name: SideName;
  readonly backend: Extract<BackendKind, 'software' | 'pkcs11'>;
  readonly isTls: boolean;
  /** Text of the hierarchy; its CA on a token is moved into software for `software`. */
  readonly hierarchyText: string;
  /** As the service's store opens its files. */
  readonly sqlite: Environment['sqlite'];
  /** Of the service, one profile of each run in a process of its own; undefined for none. */
  readonly cpuProfileDir?: string | undefined;
}

/** Ours as `npm start` runs it, with an enrolment credential on every request that waits for its certificate. */
export function ourSide(options: OurSideOptions): Side {
  const { backend, isTls, sqlite } = options;
  const key = backend === 'software' ? 'P-256 key in a file' : 'P-256 key in SoftHSM';
  return {
    name: options.name,
    description: `sealwright, SQLite ${sqlite.version}, ${isTls ? 'TLS' : 'plain HTTP'}, a credential each, ${key}`,
    counted: 'records of the ledger in the state issued',
    start: (dir) => start(options, dir),
    countRecorded: (dir) => countIssued(stateDir(dir)),
  };
}

const stateDir = (dir: string) => join(dir, 'state');

async function start(options: OurSideOptions, dir: string): Promise<RunningSide> {
  const { backend, cpuProfileDir, isTls, sqlite } = options;
  const variant = hierarchyVariant(
    options.hierarchyText,
    (authority) => backend === 'software' && authority.backend === 'pkcs11',
  );
  const measured = profileOn(variant.hierarchy, backend);
  if (measured === undefined) throw new Error(`the hierarchy has no profile with DNS names on ${backend}`);
  const hierarchyFile = join(dir, 'hierarchy.yaml');
  writeFileSync(hierarchyFile, variant.text);
  const service = await startMeasuredService({
    stateDir: stateDir(dir),
    hierarchyFile,
    profiles: [measured.profile],
    tls: isTls ? await writeServerTls(dir) : undefined,
    cpuProfileDir,
  });
  try {
    const { host, port, tlsAnchorsPem } = service;
    return {
      target: { host, port, ...(tlsAnchorsPem === undefined ? {} : { tlsAnchorsPem }) },
      dialect: { kind: 'sealwright', head: enrolmentHead(service, measured.profile) },
      processes: service.processes,
      issuerPem: await service.authorityPem(measured.caId),
      durability: () => ({
        // With NORMAL the store syncs the log itself before it answers: `shared/adapters/sqlite/log-sync.ts`.
        isSynced: sqlite.synchronous >= synchronousNormal && isLogOpen(service.processes),
        settings: `journal ${sqlite.journalMode}, synchronous ${synchronousNames[sqlite.synchronous]}, fdatasync of the log before an answer`,
      }),
      stop: () => service.stop(),
    };
  } catch (cause) {
    await service.stop();
    throw cause;
  }
}

/** Whether the service has the log of its ledger open a second time, beside SQLite: to sync it. */
function isLogOpen(processes: readonly WatchedProcess[]): boolean {
  const pid = processes.find(({ name }) => name === 'service')?.pid;
  try {
    const folder = `/proc/${pid}/fd`;
    const logs = readdirSync(folder).filter((one) => readlinkSync(join(folder, one)).endsWith('ledger.sqlite-wal'));
    return logs.length >= 2;
  } catch {
    return false;
  }
}

/** Values of `PRAGMA synchronous`. */
const synchronousNames = ['OFF', 'NORMAL', 'FULL', 'EXTRA'];
const synchronousNormal = 1;
