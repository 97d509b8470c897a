/**
 * What the provider says of a CA's key. All of it is the provider's word: nobody outside sees the module. An emulator is
 * evidenced as what it is, whatever it claims.
 */
import {
  type ACMPCAClient,
  type CertificateAuthority,
  DescribeCertificateAuthorityCommand,
  GetCertificateAuthorityCertificateCommand,
  GetCertificateAuthorityCsrCommand,
} from '@aws-sdk/client-acm-pca';
import { cmvpModules, cmvpStatusAt } from '../../custody/cmvp-modules.ts';
import type { KeyDescription } from '../../custody/key-description.ts';
import { evaluateStage } from '../../custody/stage.ts';
import { parseCertificate } from '../../pki/certificate.ts';
import { parseCertificationRequest } from '../../pki/certification-request.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { decodePemBlocks } from '../../pki/pem.ts';
import { type Sleep, sleepInRealTime } from './pacing.ts';
import { ruleFor } from './service-errors.ts';

type Status = KeyDescription['status'];

const statusOf: Readonly<Record<string, Status>> = {
  CREATING: 'pending',
  PENDING_CERTIFICATE: 'pending',
  ACTIVE: 'usable',
  DISABLED: 'disabled',
  EXPIRED: 'expired',
  FAILED: 'gone',
  DELETED: 'gone',
};

type Custody = Pick<KeyDescription, 'securityLevel' | 'standard' | 'cmvpStatus' | 'attestation'>;

/**
 * KeyStorageSecurityStandard, never rendered as more than it says: "or higher" of a level is that level. ACM PCA names the
 * standard and not the certificate, so that its status follows from the standard.
 */
function custodyOf(attestation: string | undefined, now: EpochMs): Custody {
  const module = cmvpModules['acm-pca'];
  const fips1402 = { standard: module.standard, cmvpStatus: cmvpStatusAt(module, now) };
  switch (attestation) {
    case 'FIPS_140_2_LEVEL_3_OR_HIGHER':
      return { securityLevel: 3, ...fips1402, attestation };
    case 'FIPS_140_2_LEVEL_2_OR_HIGHER':
      return { securityLevel: 2, ...fips1402, attestation };
    // The Chinese scheme has levels of its own, which are none of FIPS 140's.
    case 'CCPC_LEVEL_1_OR_HIGHER':
      return { securityLevel: 0, standard: 'CCPC', cmvpStatus: 'unknown', attestation };
    default:
      return { securityLevel: 0, cmvpStatus: 'unknown', ...(attestation === undefined ? {} : { attestation }) };
  }
}

/**
 * True when the client reaches AWS's own ACM PCA and the ARN's account is a real one. A client without an explicit endpoint
 * is not known to: it counts as an emulator.
 */
export async function isProvider(client: ACMPCAClient, authorityArn: string): Promise<boolean> {
  const endpoint = await client.config.endpoint?.();
  if (endpoint === undefined) return false;
  const port = endpoint.port === undefined ? '' : `:${endpoint.port}`;
  // What a start outside dev would refuse is an emulator.
  const findings = evaluateStage({
    stage: 'prod',
    backends: ['acm-pca'],
    acmPcaEndpoint: `${endpoint.protocol}//${endpoint.hostname}${port}`,
    accountIds: [authorityArn.split(':')[4] ?? ''],
  });
  return findings.length === 0;
}

const callMsMax = 4_000;
/** Before a read that went wrong is tried again: evidence is asked for once a minute, and a batch waits for it. */
const againDelaysMs: readonly number[] = [100, 300];

/** Reads, and reads again what a repetition may mend. */
async function ask<T>(sleep: Sleep, call: (options: { readonly abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call({ abortSignal: AbortSignal.timeout(callMsMax) });
    } catch (error) {
      const delayMs = againDelaysMs[attempt];
      if (delayMs === undefined || !ruleFor(error).againNow) throw error;
      await sleep(delayMs);
    }
  }
}

/** SHA-256 of the key as the CA certifies it; of a CA that has no certificate yet, as its CSR has it. */
async function readSpkiSha256(
  client: ACMPCAClient,
  authorityArn: string,
  status: Status,
  sleep: Sleep,
): Promise<string> {
  const input = { CertificateAuthorityArn: authorityArn };
  if (status === 'pending') {
    const { Csr = '' } = await ask(sleep, (options) =>
      client.send(new GetCertificateAuthorityCsrCommand(input), options),
    );
    return parseCertificationRequest(onlyBlock(Csr, 'CERTIFICATE REQUEST')).publicKey.sha256;
  }
  const { Certificate = '' } = await ask(sleep, (options) =>
    client.send(new GetCertificateAuthorityCertificateCommand(input), options),
  );
  return parseCertificate(onlyBlock(Certificate, 'CERTIFICATE')).tbs.publicKey.sha256;
}

function onlyBlock(pem: string, label: string): Uint8Array {
  const [der] = decodePemBlocks(pem, label, 1);
  if (der === undefined) throw new Error(`ACM PCA answered without a ${label}`);
  return der;
}

/** A CA that is not there any more has no digest: it equals no certificate's. */
const noKey = '';

function isNotFound(error: unknown): boolean {
  return error instanceof Error && error.name === 'ResourceNotFoundException';
}

/**
 * Reads afresh at every call; who calls decides how long the answer is evidence. A CA that is deleted or was never there is
 * `gone`. Rejects when the provider cannot be asked, which is no evidence at all.
 */
export async function describeKey(
  client: ACMPCAClient,
  authorityArn: string,
  now: EpochMs,
  sleep: Sleep = sleepInRealTime,
): Promise<KeyDescription> {
  const provider = await isProvider(client, authorityArn);
  let authority: CertificateAuthority | undefined;
  try {
    const command = new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: authorityArn });
    authority = (await ask(sleep, (options) => client.send(command, options))).CertificateAuthority;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  // A status that this table does not know cannot be relied on to sign.
  const status = authority === undefined ? 'gone' : (statusOf[authority.Status ?? ''] ?? 'disabled');
  const spkiSha256 = status === 'gone' ? noKey : await readSpkiSha256(client, authorityArn, status, sleep);
  const claimed = authority?.KeyStorageSecurityStandard;
  const emulated: Custody = {
    securityLevel: 0,
    cmvpStatus: 'unknown',
    ...(claimed === undefined ? {} : { attestation: claimed }),
  };
  return {
    source: provider ? 'provider' : 'emulator',
    model: 'managed-ca',
    keyId: `sha256:${spkiSha256}`,
    spkiSha256,
    keyAlgorithm: authority?.CertificateAuthorityConfiguration?.KeyAlgorithm ?? '',
    ...(provider ? custodyOf(claimed, now) : emulated),
    status,
    readAt: now,
  };
}
