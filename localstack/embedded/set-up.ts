import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { ledgerFile } from '../../shared/adapters/stack/stack.ts';
import type { BackendKind, Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { type BuildStep, buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import type { InstalledAuthority } from '../../shared/issuance/issuance-record.ts';
import type { AuthorityProvisioner } from '../../shared/issuance/ports.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { ensureSampleCallers } from './sample-callers.ts';
import { type StateFolder, type Tokens, writePrivate } from './state-folder.ts';

export interface SetUpOptions {
  readonly hierarchy: Hierarchy;
  readonly state: StateFolder;
  /** Where ACM PCA is; undefined when no CA of the hierarchy is there. */
  readonly acmPcaEndpoint: string | undefined;
  readonly region: string;
  /** PKCS #11 module; undefined when there is none on this machine. */
  readonly pkcs11Module: string | undefined;
  readonly report: (step: BuildStep) => void;
}

/** What the service and the sample fleet are started with. */
export interface SetUpResult {
  readonly tokens: Tokens;
  readonly authorities: readonly InstalledAuthority[];
  readonly trustAnchorsPem: string;
  /** Kinds of backend that can sign here. */
  readonly backends: ReadonlySet<BackendKind>;
  readonly softhsmConf: string | undefined;
  readonly pinFile: string | undefined;
  /** Why HSM-backed CAs are left out, for a person. */
  readonly hsmMissing: string | undefined;
}

/**
 * Brings up what the service stands on: the sample callers, the CAs of the hierarchy, the root that clients are to trust.
 * Converges: what is there already is left as it is. Runs before the service, which never holds a key of a tier above its
 * own.
 */
export async function setUp(options: SetUpOptions): Promise<SetUpResult> {
  const { hierarchy, state } = options;
  const store = openSqliteStore({ path: ledgerFile(state.dir), clock: Date.now });
  try {
    const tokens = await ensureSampleCallers(state, store.credentials, store.operators, Date.now());
    const hsm = await prepareHsm(options);
    const provisioners = await provisionersFor(options, hsm);
    await buildHierarchy({
      hierarchy,
      provisioners: provisioners.byKind,
      registry: store.authorities,
      clock: Date.now,
      report: options.report,
    });
    provisioners.close();
    const authorities = await store.authorities.list();
    const trustAnchorsPem = authorities
      .filter(({ tier }) => tier === 'root')
      .map(({ certificateDer }) => encodePem('CERTIFICATE', certificateDer))
      .join('');
    writePrivate(state.trustFile, trustAnchorsPem);
    const backends = new Set(
      hierarchy.authorities.map(({ backend }) => backend).filter((kind) => provisioners.byKind[kind] !== undefined),
    );
    return {
      tokens,
      authorities,
      trustAnchorsPem,
      backends,
      softhsmConf: hsm.token?.library.softhsmConf,
      pinFile: hsm.token?.pinFile,
      hsmMissing: hsm.missing,
    };
  } finally {
    await store.close();
  }
}

type SoftHsmToken = ReturnType<typeof import('../../shared/adapters/pkcs11/softhsm.ts').prepareSoftHsmToken>;

interface Hsm {
  readonly tokens: ReadonlyMap<string, SoftHsmToken>;
  /** The issuance tier's: the only one that the service is given. */
  readonly token: SoftHsmToken | undefined;
  readonly missing: string | undefined;
}

/** One token, user and PIN for each label the hierarchy names. */
async function prepareHsm({ hierarchy, state, pkcs11Module }: SetUpOptions): Promise<Hsm> {
  const onHsm = hierarchy.authorities.filter(({ backend }) => backend === 'pkcs11');
  const none: Hsm = { tokens: new Map(), token: undefined, missing: undefined };
  if (onHsm.length === 0) return none;
  if (pkcs11Module === undefined || !existsSync(pkcs11Module))
    return { ...none, missing: 'there is no PKCS #11 module on this machine (SoftHSM)' };
  try {
    const { prepareSoftHsmToken } = await import('../../shared/adapters/pkcs11/softhsm.ts');
    const tokens = new Map<string, SoftHsmToken>();
    let issuance: SoftHsmToken | undefined;
    for (const { pkcs11, tier } of onHsm) {
      const tokenLabel = pkcs11!.tokenLabel;
      const token =
        tokens.get(tokenLabel) ??
        prepareSoftHsmToken({ libraryPath: pkcs11Module, folder: state.pkcs11Dir, tokenLabel });
      tokens.set(tokenLabel, token);
      if (tier === 'issuance') issuance = token;
    }
    return { tokens, token: issuance, missing: undefined };
  } catch (cause) {
    return { ...none, missing: (cause as Error).message };
  }
}

async function provisionersFor(options: SetUpOptions, hsm: Hsm) {
  const byKind: Record<BackendKind, AuthorityProvisioner | undefined> = {
    'acm-pca': undefined,
    pkcs11: undefined,
    software: undefined,
  };
  const closers: (() => void)[] = [];
  const { acmPcaEndpoint, hierarchy, region, state } = options;
  if (acmPcaEndpoint !== undefined) {
    const { createAcmPcaClient } = await import('../../shared/adapters/acm-pca/client.ts');
    const { createAcmPcaProvisioner } = await import('../../shared/adapters/acm-pca/provisioner.ts');
    const client = createAcmPcaClient({
      stage: hierarchy.stage,
      region,
      endpoint: acmPcaEndpoint,
      credentials: { accessKeyId: 'emulator', secretAccessKey: 'emulator' },
    });
    byKind['acm-pca'] = createAcmPcaProvisioner({ client, clock: Date.now });
    closers.push(() => client.destroy());
  }
  if (hsm.token !== undefined) {
    const { createPkcs11Provisioner } = await import('../../shared/adapters/pkcs11/provisioner.ts');
    const { readPinFile } = await import('../../shared/adapters/pkcs11/softhsm.ts');
    const readPin = (tokenLabel: string) => readPinFile(hsm.tokens.get(tokenLabel)?.pinFile ?? '');
    const provisioner = createPkcs11Provisioner({
      library: hsm.token.library,
      readPin,
      random: (bytes) => randomBytes(bytes),
    });
    byKind.pkcs11 = provisioner;
    closers.push(() => provisioner.close());
  }
  if (hierarchy.authorities.some(({ backend }) => backend === 'software')) {
    const { createSoftwareProvisioner } = await import('../../shared/adapters/software/provisioner.ts');
    const folder = join(state.dir, 'software-keys');
    byKind.software = createSoftwareProvisioner({
      stage: hierarchy.stage,
      folder,
      random: (bytes) => randomBytes(bytes),
    });
  }
  const close = () => {
    for (const one of closers) one();
  };
  return { byKind, close };
}
