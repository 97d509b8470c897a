import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { ledgerFile } from '../../shared/adapters/stack/stack.ts';
import type { BackendKind, Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { type BuildStep, buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import type { InstalledAuthority } from '../../shared/issuance/issuance-record.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { ceremonyFolder, defaultCeremonyDir } from './ceremony-folder.ts';
import { openProvisioners } from './provisioners.ts';
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

/** Outside dev a ceremony's transcript is verified before anything of it is taken over, which only `hierarchy apply` does. */
function ceremonyIn({ stage }: Hierarchy, { dir }: StateFolder): ReturnType<typeof ceremonyFolder> {
  const read = ceremonyFolder(defaultCeremonyDir(dir));
  return (authority) => {
    const certificate = read(authority);
    if (certificate !== undefined && stage !== 'dev')
      throw new Error('a ceremony made it: adopt it with npx sealwright hierarchy apply --roster FILE');
    return certificate;
  };
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
    const acmPca = options.acmPcaEndpoint !== undefined;
    const provisioners = await openProvisioners({ ...options, acmPca });
    await buildHierarchy({
      hierarchy,
      provisioners: provisioners.byKind,
      registry: store.authorities,
      ceremonyCertificate: ceremonyIn(hierarchy, state),
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
    // What the signer can use: a token of a tier above the issuance tier's is none of its business.
    const backends = new Set(
      [...hierarchy.authorities, ...authorities]
        .filter(({ tier }) => tier === 'issuance')
        .map(({ backend }) => backend)
        .filter((kind) => provisioners.byKind[kind] !== undefined),
    );
    return {
      tokens,
      authorities,
      trustAnchorsPem,
      backends,
      softhsmConf: provisioners.issuanceToken?.library.softhsmConf,
      pinFile: provisioners.issuanceToken?.pinFile,
      hsmMissing: provisioners.hsmMissing,
    };
  } finally {
    await store.close();
  }
}
