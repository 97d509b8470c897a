import { join } from 'node:path';
import type { PacedCall, PacingBudget, PacingRate } from '../../shared/adapters/acm-pca/pacing.ts';
import type { AcmPcaQuotas, CloudHsmPlace } from '../../shared/adapters/stack/environment.ts';
import type { processStack } from '../../shared/adapters/stack/stack.ts';
import { findAuthority } from '../../shared/hierarchy/hierarchy.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { generationOf } from '../../shared/issuance/generation.ts';
import type { SigningBackend } from '../../shared/issuance/ports.ts';

type Stack = ReturnType<typeof processStack>;
type MakeBackend = (issuer: IssuingAuthority) => SigningBackend;

/** Calls a second for an endpoint of our own, which has no quotas; against AWS the adapter's defaults, the account's quotas, stand. */
const localRates: Readonly<Record<PacedCall, PacingRate>> = {
  IssueCertificate: { perSecond: 5_000, burstMs: 300 },
  GetCertificate: { perSecond: 15_000, burstMs: 300 },
  // Not adjustable at AWS, and so not here: what takes hours there is not seen to take seconds.
  RevokeCertificate: { perSecond: 20, burstMs: 300 },
};

/**
 * The backend of each CA, made at its first use and kept. Only the kinds that the environment names are loaded: a signer
 * for ACM PCA never loads a PKCS #11 module.
 */
export async function createBackends(stack: Stack): Promise<(issuer: IssuingAuthority) => SigningBackend | undefined> {
  const makers: Partial<Record<IssuingAuthority['backend'], MakeBackend>> = {};
  const { environment } = stack;
  if (environment.acmPca !== undefined) makers['acm-pca'] = await acmPcaMaker(stack, environment.acmPca);
  if (environment.pkcs11 !== undefined) makers.pkcs11 = await pkcs11Maker(stack, environment.pkcs11);
  if (environment.stack === 'embedded' && environment.backends.has('software'))
    makers.software = await softwareMaker(stack, environment.stateDir);
  const made = new Map<string, SigningBackend>();
  return (issuer) => {
    const key = `${issuer.caId}#${issuer.generation}`;
    let backend = made.get(key);
    if (backend === undefined) {
      backend = makers[issuer.backend]?.(issuer);
      if (backend !== undefined) made.set(key, backend);
    }
    return backend;
  };
}

async function acmPcaMaker(
  stack: Stack,
  { endpoint, quotas, region }: NonNullable<Stack['environment']['acmPca']>,
): Promise<MakeBackend> {
  const { createAcmPcaClient } = await import('../../shared/adapters/acm-pca/client.ts');
  const { createAcmPcaBackend } = await import('../../shared/adapters/acm-pca/backend.ts');
  const { createLeasedPacingBudget, defaultPacingRates, defaultShareForOthers } = await import(
    '../../shared/adapters/acm-pca/pacing.ts'
  );
  const { isAwsAcmPcaEndpoint } = await import('../../shared/custody/stage.ts');
  const isAws = endpoint === undefined || isAwsAcmPcaEndpoint(endpoint);
  const client = createAcmPcaClient({
    stage: stack.hierarchy.stage,
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    // An emulator is shown credentials that open nothing.
    ...(isAws ? {} : { credentials: { accessKeyId: 'emulator', secretAccessKey: 'emulator' } }),
  });
  const budgets = new Map<string, PacingBudget>();
  const pacingOf = (budgetId: string) => {
    let pacing = budgets.get(budgetId);
    if (pacing === undefined) {
      const { permits: store, clock } = stack;
      const { rates, shareForOthers } = pacingFor(quotas, isAws ? defaultPacingRates : localRates);
      const share = shareForOthers ?? (isAws ? defaultShareForOthers : 0);
      pacing = createLeasedPacingBudget({ store, clock, budgetId, rates, shareForOthers: share });
      budgets.set(budgetId, pacing);
    }
    return pacing;
  };
  return (issuer) =>
    createAcmPcaBackend({
      client,
      authority: { caId: issuer.caId, ref: issuer.backendRef },
      pacing: pacingOf(quotaOwnerOf(issuer.backendRef)),
      clock: stack.clock,
    });
}

/** The rates of a configuration, where it names them. */
function pacingFor({ getPerSecond, issuePerSecond, shareForOthers }: AcmPcaQuotas, rates: typeof localRates) {
  const { GetCertificate, IssueCertificate, RevokeCertificate } = rates;
  return {
    shareForOthers,
    rates: {
      IssueCertificate: { ...IssueCertificate, perSecond: issuePerSecond ?? IssueCertificate.perSecond },
      GetCertificate: { ...GetCertificate, perSecond: getPerSecond ?? GetCertificate.perSecond },
      RevokeCertificate,
    },
  };
}

/** Account and Region of a CA: quotas are theirs. `arn:PARTITION:acm-pca:REGION:ACCOUNT:certificate-authority/ID`. */
export function quotaOwnerOf(authorityArn: string): string {
  const [, , , region = '', account = ''] = authorityArn.split(':');
  return `acm-pca/${account}/${region}`;
}

async function pkcs11Maker(stack: Stack, settings: NonNullable<Stack['environment']['pkcs11']>): Promise<MakeBackend> {
  const { cloudHsm, module } = settings;
  const { createPkcs11Backend } = await import('../../shared/adapters/pkcs11/backend.ts');
  const { Pkcs11Failure } = await import('../../shared/adapters/pkcs11/return-values.ts');
  const readPin = await pinReaderOf(settings);
  const library = { path: module, softhsmConf: 'softhsmConf' in settings ? settings.softhsmConf : undefined };
  const describeCluster = cloudHsm === undefined ? undefined : await clusterWatch(stack, cloudHsm);
  return (issuer) =>
    createPkcs11Backend({
      ...(describeCluster === undefined ? {} : { describeCluster }),
      library,
      validations: stack.hierarchy.modules,
      authority: heldKeyOf(stack, issuer),
      readPin: () => {
        if (isOnTokenOfFile(stack, issuer)) return readPin();
        throw new Pkcs11Failure('pin', 'pin-not-held', `this signer holds no PIN of ${issuer.backendRef}`);
      },
      clock: stack.clock,
    });
}

async function clusterWatch(stack: Stack, { clusterId, endpoint, libraryConfiguration, region }: CloudHsmPlace) {
  const { createCloudHsmClient } = await import('../../shared/adapters/cloudhsm/client.ts');
  const { createClusterWatch } = await import('../../shared/adapters/cloudhsm/describe-cluster.ts');
  const { isAwsCloudHsmEndpoint } = await import('../../shared/custody/stage.ts');
  const { configuredServers, libraryConfigurationDefault } = await import(
    '../../shared/adapters/cloudhsm/library-configuration.ts'
  );
  const client = createCloudHsmClient({
    stage: stack.hierarchy.stage,
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    // An emulator is shown credentials that open nothing.
    ...(endpoint === undefined || isAwsCloudHsmEndpoint(endpoint)
      ? {}
      : { credentials: { accessKeyId: 'emulator', secretAccessKey: 'emulator' } }),
  });
  const path = libraryConfiguration ?? libraryConfigurationDefault;
  return createClusterWatch({
    client,
    clusterId,
    configuredServers: () => configuredServers(path),
    clock: stack.clock,
  });
}

/** The PIN is of the token that the file names; tried on the token of an older generation, it would lock that one. */
function isOnTokenOfFile(stack: Stack, { backendRef, caId }: IssuingAuthority): boolean {
  const { tokenLabel = '' } = findAuthority(stack.hierarchy, caId)?.pkcs11 ?? {};
  return backendRef.startsWith(`pkcs11:token=${encodeURIComponent(tokenLabel)};`);
}

/** The PIN from a file at each login, or from Secrets Manager once: a Lambda whose secret was changed is started anew. */
async function pinReaderOf(settings: NonNullable<Stack['environment']['pkcs11']>): Promise<() => string> {
  if ('pinFile' in settings) {
    const { readPinFile } = await import('../../shared/adapters/pkcs11/softhsm.ts');
    return () => readPinFile(settings.pinFile);
  }
  const { readPin } = await import('../../shared/adapters/pkcs11/pin-source.ts');
  const pin = await readPin(`secretsmanager:${settings.pinSecretArn}`, {
    input: process.stdin,
    output: process.stderr,
  });
  return () => pin;
}

async function softwareMaker(stack: Stack, stateDir: string): Promise<MakeBackend> {
  const { createSoftwareBackend } = await import('../../shared/adapters/software/backend.ts');
  const folder = join(stateDir, 'software-keys');
  return (issuer) =>
    createSoftwareBackend({
      stage: stack.hierarchy.stage,
      folder,
      authority: heldKeyOf(stack, issuer),
      clock: stack.clock,
      ...(stack.sign === undefined ? {} : { sign: stack.sign }),
    });
}

function heldKeyOf(stack: Stack, issuer: IssuingAuthority) {
  const authority = findAuthority(stack.hierarchy, issuer.caId);
  if (authority === undefined) throw new Error(`the hierarchy has no CA ${issuer.caId}`);
  return {
    caId: issuer.caId,
    ref: issuer.backendRef,
    spkiSha256: issuer.spkiSha256,
    signingAlgorithm: generationOf(authority, issuer).signingAlgorithm,
  };
}
