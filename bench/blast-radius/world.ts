import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { createSoftwareProvisioner } from '../../shared/adapters/software/provisioner.ts';
import { openSqliteStore, type SqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { parseHierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { publishedPrices } from '../../shared/inventory/prices.ts';
import { createAuthorityDirectory } from '../../shared/issuance/authority-directory.ts';
import type { BlastRadiusPorts } from '../../shared/issuance/blast-radius.ts';
import { buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import { type RotationPorts, rememberEstimates } from '../../shared/issuance/estimate-rotation.ts';
import { keepInventory } from '../../shared/issuance/keep-inventory.ts';
import { type RecountResult, recount } from '../../shared/issuance/recount.ts';
import { rememberCounts } from '../../shared/issuance/remember-counts.ts';
import { hierarchyVariant } from '../hierarchy-variant.ts';
import { type CertificatesSought, seedCertificates } from './seed.ts';

export interface BlastRadiusWorld {
  readonly path: string;
  readonly ports: BlastRadiusPorts;
  /** For an estimate that is not remembered. */
  readonly rotation: RotationPorts;
  readonly recount: () => Promise<RecountResult>;
  close(): void;
}

/** CAs that sign leaves: those of the sample hierarchy and a third one. */
export const leafSigners = ['devices', 'workloads', 'edge'] as const;

/** The sample hierarchy in software, with one more issuance CA beside the others. */
function hierarchyOf() {
  const { text } = hierarchyVariant(readFileSync('hierarchy.yaml', 'utf8'), () => true);
  const document = parse(text) as { authorities: Record<string, unknown>[]; profiles: Record<string, unknown> };
  const workloads = document.authorities.find(({ id }) => id === 'workloads')!;
  document.authorities.push({
    ...structuredClone(workloads),
    id: 'edge',
    subject: 'CN=Edge G1,O=Example Fleet',
    profiles: ['edge'],
  });
  document.profiles.edge = structuredClone(document.profiles.service);
  const reading = parseHierarchy(stringify(document, { aliasDuplicateObjects: false }));
  if (!reading.ok) throw new Error(JSON.stringify(reading.faults));
  return reading.hierarchy;
}

/** A ledger with so many certificates at `at`, its CAs with real certificates. */
export async function openBlastRadiusWorld(
  dir: string,
  at: number,
  sought: Omit<CertificatesSought, 'at'>,
  onProgress: (done: number) => void,
): Promise<BlastRadiusWorld> {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'ledger.sqlite');
  const hierarchy = hierarchyOf();
  const clock = () => at;
  const random = (bytes: number): Uint8Array => randomBytes(bytes);
  const built = openSqliteStore({ path, clock });
  const software = createSoftwareProvisioner({ stage: hierarchy.stage, folder: join(dir, 'keys'), random });
  await buildHierarchy({
    hierarchy,
    provisioners: { 'acm-pca': undefined, pkcs11: undefined, software },
    registry: built.authorities,
    clock,
    report: (step) => {
      if (step.kind === 'failed') throw step.cause;
    },
  });
  built.close();
  await seedCertificates(path, { ...sought, at }, onProgress);
  const store: SqliteStore = openSqliteStore({ path, clock });
  while ((await keepInventory({ inventory: store.inventory, clock })).more);
  const rotation: RotationPorts = {
    hierarchy,
    inventory: store.inventory,
    prices: publishedPrices,
    issueRate: async () => ({ perSecond: 25, basis: 'the quota of IssueCertificate' }),
  };
  return {
    path,
    ports: {
      hierarchy,
      authorities: createAuthorityDirectory(store.authorities, clock),
      ledger: store.ledger,
      inventory: rememberCounts(store.inventory, clock),
      credentials: store.credentials,
      estimateRotation: rememberEstimates(rotation),
      clock,
    },
    rotation,
    recount: () => recount({ source: store.inventory, random, pause: () => setImmediate() }),
    close: () => store.close(),
  };
}
