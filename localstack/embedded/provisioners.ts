/** What makes CAs on this machine: one provisioner for each kind of backend that the hierarchy uses and that is there. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LibraryOptions } from '../../shared/adapters/pkcs11/library.ts';
import type { SoftHsmToken } from '../../shared/adapters/pkcs11/softhsm.ts';
import { evaluateStage } from '../../shared/custody/custody.ts';
import type { BackendKind, Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import type { AuthorityProvisioner } from '../../shared/issuance/ports.ts';
import type { StateFolder } from './state-folder.ts';

export interface ProvisionerOptions {
  readonly hierarchy: Hierarchy;
  readonly state: StateFolder;
  /** Where ACM PCA is; AWS's own in the Region when it is left out and `acmPca` is true. */
  readonly acmPcaEndpoint: string | undefined;
  readonly acmPca: boolean;
  readonly region: string;
  /** Bucket for the CRLs of CAs in ACM PCA. */
  readonly crlBucket?: string | undefined;
  /** PKCS#11 module; undefined when there is none on this machine. */
  readonly pkcs11Module: string | undefined;
  /** PINs that were given, by token label; in dev, others are those of the state folder's SoftHSM. */
  readonly pins?: ReadonlyMap<string, string>;
}

export interface Provisioners {
  readonly byKind: Readonly<Record<BackendKind, AuthorityProvisioner | undefined>>;
  /** The issuance tier's token: the only one that the signer is given. */
  readonly issuanceToken: SoftHsmToken | undefined;
  /** Why HSM-backed CAs are left out, for a person. */
  readonly hsmMissing: string | undefined;
  close(): void;
}

export async function openProvisioners(options: ProvisionerOptions): Promise<Provisioners> {
  const hsm = await openTokens(options);
  const closers: (() => void)[] = [];
  const byKind: Record<BackendKind, AuthorityProvisioner | undefined> = {
    'acm-pca': undefined,
    pkcs11: undefined,
    software: undefined,
  };
  const { acmPcaEndpoint, hierarchy, region, state } = options;
  const random = (bytes: number) => randomBytes(bytes);
  if (options.acmPca) {
    const { createAcmPcaClient } = await import('../../shared/adapters/acm-pca/client.ts');
    const { createAcmPcaProvisioner } = await import('../../shared/adapters/acm-pca/provisioner.ts');
    const local = { endpoint: acmPcaEndpoint ?? '', credentials: emulatorCredentials };
    const client = createAcmPcaClient({
      stage: hierarchy.stage,
      region,
      ...(acmPcaEndpoint === undefined ? {} : local),
    });
    byKind['acm-pca'] = createAcmPcaProvisioner({ client, clock: Date.now, crlPlace: crlPlaceOf(options) });
    closers.push(() => client.destroy());
  }
  if (hsm.library !== undefined) {
    const { createPkcs11Provisioner } = await import('../../shared/adapters/pkcs11/provisioner.ts');
    const provisioner = createPkcs11Provisioner({ library: hsm.library, readPin: hsm.readPin, random });
    byKind.pkcs11 = provisioner;
    closers.push(() => provisioner.close());
  }
  if (hierarchy.authorities.some(({ backend }) => backend === 'software')) {
    const { createSoftwareProvisioner } = await import('../../shared/adapters/software/provisioner.ts');
    const folder = join(state.dir, 'software-keys');
    byKind.software = createSoftwareProvisioner({ stage: hierarchy.stage, folder, random });
  }
  return {
    byKind,
    issuanceToken: hsm.issuanceToken,
    hsmMissing: hsm.missing,
    close() {
      for (const one of closers) one();
    },
  };
}

/** At the local endpoint, which looks at no bucket, any will do. */
const localCrlBucket = 'sealwright-crls';

/** Below crlBaseUrl, as our own: what serves the one bucket serves both. */
function crlPlaceOf({ crlBucket, hierarchy }: ProvisionerOptions) {
  const bucket = crlBucket ?? (hierarchy.stage === 'dev' ? localCrlBucket : undefined);
  const host = hierarchy.crlBaseUrl.replace(/^http:\/\//, '');
  return bucket === undefined ? undefined : { bucket, host: host === '' ? undefined : host };
}

/** They open nothing: an emulator is never shown the developer's own. */
const emulatorCredentials = { accessKeyId: 'emulator', secretAccessKey: 'emulator' };

interface Tokens {
  readonly library: LibraryOptions | undefined;
  readonly readPin: (tokenLabel: string) => string;
  readonly issuanceToken: SoftHsmToken | undefined;
  readonly missing: string | undefined;
}

async function openTokens(options: ProvisionerOptions): Promise<Tokens> {
  const { hierarchy, pins = new Map<string, string>(), pkcs11Module } = options;
  const none: Tokens = { library: undefined, readPin: () => '', issuanceToken: undefined, missing: undefined };
  if (!hierarchy.authorities.some(({ backend }) => backend === 'pkcs11')) return none;
  if (pkcs11Module === undefined || !existsSync(pkcs11Module))
    return { ...none, missing: 'there is no PKCS #11 module on this machine (SoftHSM)' };
  try {
    if (hierarchy.stage === 'dev') return await prepareSoftHsm(options, pkcs11Module, pins);
    await refuseSoftHsm(hierarchy, pkcs11Module);
    return { ...none, library: { path: pkcs11Module }, readPin: (label) => givenPin(pins, label) };
  } catch (cause) {
    return { ...none, missing: (cause as Error).message };
  }
}

/** Outside dev no CA key is made in files, whatever the module is called. */
async function refuseSoftHsm(hierarchy: Hierarchy, libraryPath: string): Promise<void> {
  const { openLibrary } = await import('../../shared/adapters/pkcs11/library.ts');
  const { trimmed } = await import('../../shared/adapters/pkcs11/token.ts');
  const { libraryDescription, manufacturerID } = openLibrary({ path: libraryPath }).api.C_GetInfo();
  const module = { manufacturer: trimmed(manufacturerID), model: trimmed(libraryDescription) };
  const [finding] = evaluateStage({ stage: hierarchy.stage, backends: [], module });
  if (finding !== undefined) throw new Error(finding.message);
}

function givenPin(pins: ReadonlyMap<string, string>, tokenLabel: string): string {
  const pin = pins.get(tokenLabel);
  if (pin === undefined) throw new Error(`no PIN was given for token ${tokenLabel}: --pin ${tokenLabel}=prompt`);
  return pin;
}

/** One token, user and PIN for each label the hierarchy names: one a tier. */
async function prepareSoftHsm(
  { hierarchy, state }: ProvisionerOptions,
  libraryPath: string,
  pins: ReadonlyMap<string, string>,
): Promise<Tokens> {
  const { prepareSoftHsmToken, readPinFile } = await import('../../shared/adapters/pkcs11/softhsm.ts');
  const tokens = new Map<string, SoftHsmToken>();
  let issuanceToken: SoftHsmToken | undefined;
  for (const { backend, pkcs11, tier } of hierarchy.authorities) {
    if (backend !== 'pkcs11' || pkcs11 === undefined) continue;
    const { tokenLabel } = pkcs11;
    const token = tokens.get(tokenLabel) ?? prepareSoftHsmToken({ libraryPath, folder: state.pkcs11Dir, tokenLabel });
    tokens.set(tokenLabel, token);
    if (tier === 'issuance') issuanceToken = token;
  }
  const readPin = (label: string) => pins.get(label) ?? readPinFile(tokens.get(label)?.pinFile ?? '');
  return { library: [...tokens.values()][0]?.library, readPin, issuanceToken, missing: undefined };
}
