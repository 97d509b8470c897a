import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ledgerFile } from '../shared/adapters/stack/stack.ts';
import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import type { LoadSummary, VerifySummary } from './client/messages.ts';
import type { Client } from './client.ts';
import { enrolmentHead } from './end-to-end.ts';
import { hierarchyVariant, profileOn } from './hierarchy-variant.ts';
import type { OptionReader } from './read-options.ts';
import { type MeasuredService, startMeasuredService } from './service.ts';

/** A state that outlives the services started over it, and what is asked of them. */
export interface BenchState {
  readonly stateDir: string;
  readonly ledgerPath: string;
  readonly hierarchyFile: string;
  readonly profile: string;
  readonly caId: string;
}

/** Backends of the commands that are about the ledger and the queue: the ACM PCA client would hide both. */
const heldKeyBackends: readonly BackendKind[] = ['software', 'pkcs11'];

/** Options that those commands have in common, and what is read of them. */
export const stateOptions = {
  backend: { type: 'string', default: 'software' },
  hierarchy: { type: 'string', default: 'hierarchy.yaml' },
} as const;

export function readStateOptions({ fault, text }: OptionReader): {
  readonly backend: BackendKind;
  readonly hierarchyFile: string;
} {
  const backend = heldKeyBackends.find((one) => one === text('backend'));
  if (backend === undefined) fault(`--backend: ${heldKeyBackends.join(' or ')}`);
  return { backend: backend ?? 'software', hierarchyFile: text('hierarchy') ?? 'hierarchy.yaml' };
}

/** `dir` exists and is empty. For `software` the CA of the HSM is one in software. Throws where no profile is on `backend`. */
export function createBenchState(dir: string, hierarchySource: string, backend: BackendKind): BenchState {
  const variant = hierarchyVariant(
    readFileSync(hierarchySource, 'utf8'),
    (authority) => backend === 'software' && authority.backend === 'pkcs11',
  );
  const measured = profileOn(variant.hierarchy, backend);
  if (measured === undefined) throw new Error(`no profile with DNS names is on ${backend}`);
  const hierarchyFile = join(dir, 'hierarchy.yaml');
  writeFileSync(hierarchyFile, variant.text);
  const stateDir = join(dir, 'state');
  return { stateDir, ledgerPath: ledgerFile(stateDir), hierarchyFile, ...measured };
}

export function startOver(state: BenchState, nodeOptions: readonly string[] = []): Promise<MeasuredService> {
  const { hierarchyFile, profile, stateDir } = state;
  return startMeasuredService({ stateDir, hierarchyFile, profiles: [profile], nodeOptions });
}

export interface LoadPart {
  readonly tag: string;
  readonly count: number;
  readonly connections: number;
  readonly seconds: number;
}

/** Enrolments that wait for their certificates, each of which is verified afterwards. */
export async function loadPart(
  client: Client,
  service: MeasuredService,
  { caId, profile }: BenchState,
  { connections, count, seconds, tag }: LoadPart,
): Promise<LoadSummary & VerifySummary> {
  await client.ask({ kind: 'prepare', tag, count }, 'prepared');
  const { summary } = await client.ask(
    {
      kind: 'load',
      target: { host: service.host, port: service.port },
      dialect: { kind: 'sealwright', head: enrolmentHead(service, profile) },
      connections,
      secondsMax: seconds,
      watch: service.processes,
    },
    'loaded',
  );
  const issuerPem = await service.authorityPem(caId);
  const { summary: verification } = await client.ask({ kind: 'verify', issuerPem }, 'verified');
  return { ...summary, ...verification };
}

/** What one number of `sql` is in the ledger, which a service may be using. */
export function askLedger({ ledgerPath }: BenchState, sql: string): number {
  const database = new DatabaseSync(ledgerPath, { readOnly: true });
  try {
    return Number(Object.values(database.prepare(sql).get() ?? {})[0] ?? 0);
  } finally {
    database.close();
  }
}

export function countState(state: BenchState, issuanceState: string): number {
  return askLedger(state, `SELECT count(*) FROM issuances WHERE state = '${issuanceState}'`);
}

/** Progress, apart from the result. */
export function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
