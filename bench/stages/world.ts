import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setUp } from '../../localstack/embedded/set-up.ts';
import { openStateFolder } from '../../localstack/embedded/state-folder.ts';
import { secretSha256 } from '../../shared/adapters/aws-lambda/callers.ts';
import { type EmbeddedStack, processEmbeddedStack } from '../../shared/adapters/stack/embedded-stack.ts';
import {
  type Authority,
  type BackendKind,
  findAuthority,
  findProfile,
  type Profile,
} from '../../shared/hierarchy/hierarchy.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import type { EnrolmentCredential } from '../../shared/issuance/issuance-record.ts';
import { hierarchyVariant, profileOn } from '../hierarchy-variant.ts';

/** A CA that stages are measured under. */
export interface MeasuredAuthority {
  readonly backend: BackendKind;
  readonly profile: Profile;
  readonly authority: Authority;
  readonly issuer: IssuingAuthority;
}

/** The stack of this process on a state of its own: hierarchy, CAs, ledger and queues as the service has them. */
export interface StageWorld {
  readonly stack: EmbeddedStack;
  readonly secret: string;
  readonly credential: EnrolmentCredential;
  /** The CA in software, and the one on a token where there is a module. */
  readonly authorities: readonly MeasuredAuthority[];
}

const region = 'us-east-1';

/**
 * Builds the sample hierarchy with its ACM PCA CAs in software, and those of the HSM too when there is no module. Stages
 * of the ACM PCA client are not measured here: what they cost shows end to end.
 */
export async function openStageWorld(
  dir: string,
  hierarchyFile: string,
  module: string | undefined,
): Promise<StageWorld> {
  const pkcs11Module = module !== undefined && existsSync(module) ? module : undefined;
  const variant = hierarchyVariant(
    readFileSync(hierarchyFile, 'utf8'),
    ({ backend }) => backend === 'acm-pca' || pkcs11Module === undefined,
  );
  mkdirSync(dir, { recursive: true });
  const file = join(dir, 'hierarchy.yaml');
  writeFileSync(file, variant.text);
  const state = openStateFolder(join(dir, 'state'), false);
  const up = await setUp({
    hierarchy: variant.hierarchy,
    state,
    acmPcaEndpoint: undefined,
    region,
    pkcs11Module,
    report: (step) => {
      if (step.kind === 'failed') throw step.cause;
    },
  });
  Object.assign(process.env, {
    SEALWRIGHT_STACK: 'embedded',
    SEALWRIGHT_HIERARCHY: file,
    SEALWRIGHT_STATE: state.dir,
    SEALWRIGHT_BACKENDS: [...up.backends].join(','),
    ...(pkcs11Module === undefined ? {} : { SEALWRIGHT_PKCS11_MODULE: pkcs11Module }),
    ...(up.pinFile === undefined ? {} : { SEALWRIGHT_PKCS11_PIN_FILE: up.pinFile }),
    ...(up.softhsmConf === undefined ? {} : { SOFTHSM2_CONF: up.softhsmConf }),
  });
  const stack = processEmbeddedStack();
  const credential = await stack.credentials.findBySha256(secretSha256(up.tokens.device));
  if (credential === undefined) throw new Error('the sample credential is not in the ledger');
  const kinds = (['software', 'pkcs11'] as const).filter((kind) => up.backends.has(kind));
  const authorities = await Promise.all(kinds.map((kind) => measuredAuthority(stack, kind)));
  return { stack, secret: up.tokens.device, credential, authorities };
}

async function measuredAuthority(stack: EmbeddedStack, backend: BackendKind): Promise<MeasuredAuthority> {
  const { hierarchy } = stack;
  const measured = profileOn(hierarchy, backend);
  const issuer = measured === undefined ? undefined : await stack.authorities.newest(measured.caId);
  if (measured === undefined || issuer === undefined) throw new Error(`no CA to measure on ${backend}`);
  return {
    backend,
    profile: findProfile(hierarchy, measured.profile)!,
    authority: findAuthority(hierarchy, measured.caId)!,
    issuer,
  };
}
