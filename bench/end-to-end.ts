import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteReader } from '../shared/adapters/sqlite/reader.ts';
import { ledgerFile } from '../shared/adapters/stack/stack.ts';
import type { BackendKind } from '../shared/hierarchy/hierarchy.ts';
import { writeServerTls } from './certificates.ts';
import type { LoadSummary } from './client/messages.ts';
import { type Client, startClient } from './client.ts';
import { type HierarchyVariant, profileOn } from './hierarchy-variant.ts';
import { withTemporaryFolder, withUndo } from './interruption.ts';
import { startMeasuredService } from './service.ts';

export interface EndToEndOptions {
  readonly backend: BackendKind;
  readonly variant: HierarchyVariant;
  readonly connections: number;
  /** Whether the service speaks TLS. */
  readonly isTls: boolean;
  /** Certificates before the timed part: they fill caches, connections and compiled code. */
  readonly warmUp: number;
  /** How long the timed part lasts, or how many certificates it has. */
  readonly extent: Extent;
  readonly cpuProfileDir?: string | undefined;
}

export type Extent =
  | { readonly kind: 'seconds'; readonly seconds: number }
  | { readonly kind: 'certificates'; readonly certificates: number };

/** One timed part against a service of its own. `load` is as the client saw it. */
export interface EndToEndRun {
  readonly load: LoadSummary;
  /** Of the timed part. */
  readonly verified: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Issued records in the ledger of the stopped service, without those of the warm-up. */
  readonly recorded: number;
  readonly profile: string;
}

export class NothingToMeasureError extends Error {}

/** Requests made ahead of a timed part at most: each is kept with its answer, some 6 KB, until it is verified. */
export const requestsMax = 100_000;
/** The warm-up runs slower than what comes after it. */
const headroom = 2.5;
const warmUpConnectionsMin = 16;
/** A load of a number of certificates has no other end. */
const secondsMax = 600;

/** Starts a service on a state of its own, warms it up, loads it, verifies every answer, stops it, counts its records. */
export async function runEndToEnd(options: EndToEndOptions): Promise<EndToEndRun> {
  const { backend, variant } = options;
  const measured = profileOn(variant.hierarchy, backend);
  if (measured === undefined) throw new NothingToMeasureError(`no profile with DNS names is on ${backend}`);
  return withTemporaryFolder(async (dir) => {
    const stateDir = join(dir, 'state');
    const hierarchyFile = join(dir, 'hierarchy.yaml');
    writeFileSync(hierarchyFile, variant.text);
    const { profile, caId } = measured;
    const { cpuProfileDir, isTls } = options;
    const tls = isTls ? await writeServerTls(dir) : undefined;
    const service = await startMeasuredService({ stateDir, hierarchyFile, profiles: [profile], cpuProfileDir, tls });
    const client = startClient();
    const { warmUp, ...run } = await withUndo(
      () => service.stop(),
      () =>
        withUndo(client.stop, async () => load(options, client, service, profile, await service.authorityPem(caId))),
    );
    return { ...run, recorded: countIssued(stateDir) - warmUp };
  });
}

async function load(
  options: EndToEndOptions,
  client: Client,
  service: Awaited<ReturnType<typeof startMeasuredService>>,
  profile: string,
  issuerPem: string,
) {
  const { connections, extent } = options;
  const { host, port, tlsAnchorsPem } = service;
  const task = {
    kind: 'load',
    target: { host, port, ...(tlsAnchorsPem === undefined ? {} : { tlsAnchorsPem }) },
    dialect: { kind: 'sealwright', head: enrolmentHead(service, profile) },
    watch: service.processes,
  } as const;
  // A lone connection warms the service up as well as sixteen do, and takes much longer for it.
  const warmUpConnections = Math.max(connections, warmUpConnectionsMin);
  await client.ask({ kind: 'prepare', tag: 'warm', count: options.warmUp }, 'prepared');
  const { summary: warm } = await client.ask({ ...task, connections: warmUpConnections, secondsMax }, 'loaded');
  const seconds = extent.kind === 'seconds' ? extent.seconds : secondsMax;
  const count =
    extent.kind === 'certificates'
      ? extent.certificates
      : Math.min(requestsMax, Math.ceil((warm.answered / warm.seconds) * seconds * headroom));
  await client.ask({ kind: 'prepare', tag: 'bench', count }, 'prepared');
  const { summary } = await client.ask({ ...task, connections, secondsMax: seconds }, 'loaded');
  const { summary: verification } = await client.ask({ kind: 'verify', issuerPem }, 'verified');
  return { load: summary, ...verification, profile, warmUp: warm.certificates };
}

/** Request line and headers of an enrolment that waits for its certificate. */
export function enrolmentHead(
  service: { readonly host: string; readonly port: number; readonly secret: string },
  profile: string,
) {
  return [
    `POST /v1/enrollments?profile=${profile} HTTP/1.1`,
    `host: ${service.host}:${service.port}`,
    `authorization: Bearer ${service.secret}`,
    'content-type: application/x-pem-file',
    'prefer: wait=10',
    '',
  ].join('\r\n');
}

/** Issued records in the ledger of a stopped service. */
export function countIssued(stateDir: string): number {
  const reader = openSqliteReader(ledgerFile(stateDir));
  try {
    let issued = 0;
    for (const record of reader.issuances()) if (record.state === 'issued') issued += 1;
    return issued;
  } finally {
    reader.close();
  }
}
