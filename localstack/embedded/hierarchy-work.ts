/**
 * `hierarchy plan` and `hierarchy apply` on this machine: over the state folder, with the backends that it has. Whoever
 * applies has the state to itself; a plan is made beside a running service too, without asking the backends.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createDynamoAuthorities } from '../../shared/adapters/dynamodb/authorities.ts';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoClient } from '../../shared/adapters/dynamodb/client.ts';
import { openSqliteReader } from '../../shared/adapters/sqlite/reader.ts';
import { StorageError } from '../../shared/adapters/sqlite/storage-error.ts';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { ledgerFile } from '../../shared/adapters/stack/stack.ts';
import type { Authority, Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { type BuildOutcome, type BuildStep, buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import { certifiedAuthority } from '../../shared/issuance/certified-authority.ts';
import type { InstalledAuthority } from '../../shared/issuance/issuance-record.ts';
import { type HierarchyPlan, planHierarchy } from '../../shared/issuance/plan-hierarchy.ts';
import type { AuthorityRegistry } from '../../shared/issuance/ports.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { startAcmPca } from './bring-up.ts';
import { ceremonyFolder, defaultCeremonyDir } from './ceremony-folder.ts';
import { openProvisioners, type Provisioners } from './provisioners.ts';
import type { ChildService } from './service-process.ts';
import { openStateFolder, type StateFolder, writePrivate } from './state-folder.ts';

export interface HierarchyWorkOptions {
  readonly hierarchy: Hierarchy;
  readonly stateDir: string;
  readonly region: string;
  /** Registry of a deployment on AWS, in the Region; undefined: the state folder's. */
  readonly tableName?: string | undefined;
  /** Bucket that CAs of ACM PCA publish their CRLs in. */
  readonly crlBucket?: string | undefined;
  readonly pkcs11Module: string | undefined;
  readonly pins: ReadonlyMap<string, string>;
  /** Output of a ceremony; `<state>/ceremony` when it is left out. */
  readonly adoptDir: string | undefined;
  readonly keysMayBeElsewhere: boolean;
  /** Judges a ceremony before anything of it is taken over; throws when nothing is to be. */
  readonly judgeCeremony: (dir: string, adopted: readonly AdoptedCertificate[]) => Promise<CeremonyStanding>;
  readonly now: () => number;
}

/** A certificate that a ceremony left, and that would be taken over. */
export interface AdoptedCertificate {
  readonly caId: string;
  readonly generation: number;
  /** Of the DER, lower-case hex. */
  readonly sha256: string;
}

/** How a ceremony whose certificates are taken over stands: its transcript was verified, or nobody said with which roster. */
export type CeremonyStanding =
  | {
      readonly verified: true;
      readonly mode: 'rehearsal' | 'run';
      /** Digest of the transcript's last line: what the witnesses signed. */
      readonly head: string;
      readonly signers: readonly string[];
      readonly quorum: number;
    }
  | { readonly verified: false; readonly because: 'no-roster' };

export interface PlanReading {
  readonly plan: HierarchyPlan;
  /** Why backends were not asked what they hold; undefined when they were. */
  readonly unasked: 'no-state' | 'state-in-use' | undefined;
  readonly hsmMissing: string | undefined;
}

/** Reads, and makes nothing: neither the state folder nor a token. Throws `StorageError`, `StateFolderError`. */
export async function readPlan(options: HierarchyWorkOptions): Promise<PlanReading> {
  const ledger = ledgerFile(resolve(options.stateDir));
  if (options.tableName === undefined && !existsSync(ledger))
    return { plan: planWithoutState(options), unasked: 'no-state', hsmMissing: undefined };
  let world: World;
  try {
    world = await openWorld(options);
  } catch (cause) {
    if (!(cause instanceof StorageError) || cause.code !== 'state-in-use') throw cause;
    return { plan: planBeside(options, ledger), unasked: 'state-in-use', hsmMissing: undefined };
  }
  try {
    const plan = await planInside(options, world);
    return { plan, unasked: undefined, hsmMissing: world.provisioners.hsmMissing };
  } finally {
    await world.close();
  }
}

export interface ApplyReading {
  readonly before: HierarchyPlan;
  readonly outcome: BuildOutcome;
  readonly steps: readonly BuildStep[];
  readonly after: HierarchyPlan;
  readonly hsmMissing: string | undefined;
  /** Undefined when nothing of a ceremony was to be taken over. */
  readonly ceremony: CeremonyStanding | undefined;
}

/**
 * Brings the state to what the hierarchy says. Interrupted anywhere, it is taken up by the next call. `onPlan` is told what
 * will be done before anything is. Throws `StorageError` (`state-in-use`) while a service has the state.
 */
export async function applyHierarchy(
  options: HierarchyWorkOptions,
  onPlan: (plan: HierarchyPlan) => void,
  onStep: (step: BuildStep) => void,
): Promise<ApplyReading> {
  const world = await openWorld(options);
  const steps: BuildStep[] = [];
  try {
    const before = await planInside(options, world);
    const ceremony = await judgeAdopted(options, world, before);
    onPlan(before);
    const outcome = await buildHierarchy({
      hierarchy: options.hierarchy,
      provisioners: world.provisioners.byKind,
      registry: world.registry,
      ceremonyCertificate: world.ceremonyCertificate,
      keysMayBeElsewhere: options.keysMayBeElsewhere,
      clock: options.now,
      report: (step) => {
        steps.push(step);
        onStep(step);
      },
    });
    await writeTrust(world);
    const after = await planInside(options, world);
    return { before, outcome, steps, after, ceremony, hsmMissing: world.provisioners.hsmMissing };
  } finally {
    await world.close();
  }
}

/** What is judged here is what is adopted afterwards: each file is read once. */
async function judgeAdopted(
  options: HierarchyWorkOptions,
  { ceremonyCertificate }: World,
  before: HierarchyPlan,
): Promise<CeremonyStanding | undefined> {
  const adopted = before.authorities.flatMap(({ action, caId, generation }) => {
    const der = action === 'adopt' ? ceremonyCertificate({ id: caId, generation }) : undefined;
    return der === undefined ? [] : [{ caId, generation, sha256: sha256Hex(der) }];
  });
  return adopted.length === 0 ? undefined : await options.judgeCeremony(ceremonyDirOf(options), adopted);
}

/**
 * The certification request of a CA, for a signature that is made elsewhere, as in a ceremony without a network. Makes the CA
 * and its key, or finds them, as `applyHierarchy` would; installs and registers nothing. PKCS#10 DER.
 */
export async function requestOfAuthority(options: HierarchyWorkOptions, described: Authority): Promise<Uint8Array> {
  const world = await openWorld(options);
  try {
    const provisioner = world.provisioners.byKind[described.backend];
    if (provisioner === undefined) {
      const why = described.backend === 'pkcs11' ? world.provisioners.hsmMissing : undefined;
      throw new BackendMissingError(why ?? `the backend ${described.backend} is not there`);
    }
    const authority = certifiedAuthority(described, options.hierarchy.stage);
    const { ref } = await provisioner.createAuthority(authority);
    return await provisioner.certificationRequest(ref, authority);
  } finally {
    await world.close();
  }
}

export class BackendMissingError extends Error {
  readonly code = 'backend-missing';
}

interface World {
  readonly state: StateFolder;
  readonly registry: AuthorityRegistry;
  readonly provisioners: Provisioners;
  readonly ceremonyCertificate: CeremonyCertificates;
  close(): Promise<void>;
}

/** Where the certificates of the CAs are written down, and read from by the functions. */
function openRegistry({ region, tableName, now }: HierarchyWorkOptions, state: StateFolder) {
  if (tableName === undefined) {
    const store = openSqliteStore({ path: ledgerFile(state.dir), clock: now });
    return { registry: store.authorities, closeRegistry: () => store.close() };
  }
  const client = createDynamoClient({ region });
  const registry: AuthorityRegistry = createDynamoAuthorities(createTable({ client, tableName }));
  return { registry, closeRegistry: () => client.destroy() };
}

async function openWorld(options: HierarchyWorkOptions): Promise<World> {
  const { hierarchy, pins, pkcs11Module, region } = options;
  const state = openStateFolder(options.stateDir, false);
  const { registry, closeRegistry } = openRegistry(options, state);
  let endpoint: ChildService | undefined;
  try {
    const acmPca = hierarchy.authorities.some(({ backend }) => backend === 'acm-pca');
    if (acmPca && hierarchy.stage === 'dev') endpoint = await startAcmPca(state);
    const acmPcaEndpoint = endpoint?.url;
    const provisioners = await openProvisioners({
      hierarchy,
      state,
      acmPca,
      acmPcaEndpoint,
      region,
      crlBucket: options.crlBucket,
      pkcs11Module,
      pins,
    });
    const close = async () => {
      provisioners.close();
      closeRegistry();
      await endpoint?.stop();
    };
    return { state, registry, provisioners, ceremonyCertificate: ceremonyOf(options), close };
  } catch (cause) {
    closeRegistry();
    await endpoint?.stop();
    throw cause;
  }
}

/** The root that clients are to trust, apart from what the service answers. */
async function writeTrust({ state, registry }: World): Promise<void> {
  const roots = (await registry.list()).filter(({ tier }) => tier === 'root');
  const pem = roots.map(({ certificateDer }) => encodePem('CERTIFICATE', certificateDer)).join('');
  writePrivate(state.trustFile, pem);
}

function ceremonyDirOf({ adoptDir, stateDir }: HierarchyWorkOptions): string {
  return adoptDir ?? defaultCeremonyDir(resolve(stateDir));
}

type CeremonyCertificates = ReturnType<typeof ceremonyFolder>;

/** Reads each file once: what was judged is what is taken over. */
function ceremonyOf(options: HierarchyWorkOptions): CeremonyCertificates {
  const read = ceremonyFolder(ceremonyDirOf(options));
  const known = new Map<string, Uint8Array | undefined>();
  return ({ id, generation }) => {
    const name = `${id}#${generation}`;
    if (!known.has(name)) known.set(name, read({ id, generation }));
    return known.get(name);
  };
}

/** Keys of CAs that may be elsewhere, and that a ceremony made, are: nothing was ever made here. */
function planWithoutState(options: HierarchyWorkOptions): HierarchyPlan {
  const ceremonyCertificate = ceremonyOf(options);
  const elsewhere = options.hierarchy.authorities.filter(
    (one) => options.keysMayBeElsewhere && one.tier !== 'issuance' && ceremonyCertificate(one) !== undefined,
  );
  const keys = new Map(elsewhere.map(({ id }) => [id, false]));
  return planOf(options, ceremonyCertificate, [], { ...nothingKnown, keys });
}

function planBeside(options: HierarchyWorkOptions, ledger: string): HierarchyPlan {
  const reader = openSqliteReader(ledger);
  try {
    const known = { ...nothingKnown, frozen: reader.frozenAuthorities() };
    return planOf(options, ceremonyOf(options), reader.authorities(), known);
  } finally {
    reader.close();
  }
}

interface Known {
  readonly frozen: ReadonlySet<string>;
  /** Undefined where nobody asked. */
  readonly provisioners: Provisioners | undefined;
  /** Whether the key of a CA is in its backend, by id; absent where nobody asked, or it could not be told. */
  readonly keys: ReadonlyMap<string, boolean>;
}

const nothingKnown: Known = { frozen: new Set(), provisioners: undefined, keys: new Map() };

function planOf(
  options: HierarchyWorkOptions,
  ceremonyCertificate: CeremonyCertificates,
  installed: readonly InstalledAuthority[],
  { frozen, keys, provisioners }: Known,
): HierarchyPlan {
  const facts = {
    backendIsThere: ({ backend }: Authority) =>
      provisioners === undefined ? undefined : provisioners.byKind[backend] !== undefined,
    isBegun: ({ id }: Authority) => keys.get(id) === true,
    keyIsHere: ({ id }: Authority) => keys.get(id),
    isAdoptable: (authority: Authority) => ceremonyCertificate(authority) !== undefined,
    isFrozen: (caId: string) => frozen.has(caId),
  };
  return planHierarchy(options.hierarchy, installed, facts, options.now());
}

async function planInside(options: HierarchyWorkOptions, world: World): Promise<HierarchyPlan> {
  const { hierarchy, keysMayBeElsewhere } = options;
  const { provisioners, registry } = world;
  const installed = await registry.list();
  const isThere = ({ id, generation }: Authority) =>
    installed.some((entry) => entry.caId === id && entry.generation === generation);
  const keys = new Map<string, boolean>();
  const frozen = new Set<string>();
  for (const authority of hierarchy.authorities) {
    if (await registry.isFrozen(authority.id)) frozen.add(authority.id);
    const signsSomething = hierarchy.authorities.some((one) => one.parent === authority.id && !isThere(one));
    if (isThere(authority) && !signsSomething) continue;
    const described = certifiedAuthority(authority, hierarchy.stage);
    const here = await keyIsHere(provisioners, described, keysMayBeElsewhere);
    if (here !== undefined) keys.set(authority.id, here);
  }
  return planOf(options, world.ceremonyCertificate, installed, { frozen, keys, provisioners });
}

/** What is there and not usable is told by `apply`, at its step; here it is only not known. */
async function keyIsHere(
  { byKind }: Provisioners,
  authority: Authority,
  mayBeElsewhere: boolean,
): Promise<boolean | undefined> {
  const provisioner = byKind[authority.backend];
  if (provisioner === undefined) return mayBeElsewhere ? false : undefined;
  try {
    return (await provisioner.findAuthority(authority)) !== undefined;
  } catch {
    return undefined;
  }
}
