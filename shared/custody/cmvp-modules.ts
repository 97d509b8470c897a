/**
 * What the Cryptographic Module Validation Program says of the modules that CA keys live in here. Standard, certificate number
 * and status are three fields, since each can hold without the others: a module keeps its certificate when its status is
 * historical. PKCS #11 reports none of them, so they are looked up by what is known of the module.
 */
import type { EpochMs } from '../pki/epoch.ts';
import type { ClusterDescription, CmvpStatus, KeyDescription } from './key-description.ts';

export interface CmvpModule {
  /** hsm1.medium and hsm2m.medium are CloudHSM's names of HSM types; acm-pca stands for the modules behind AWS Private CA. */
  readonly id: 'hsm1.medium' | 'hsm2m.medium' | 'acm-pca';
  readonly standard: 'FIPS 140-2' | 'FIPS 140-3';
  /** Undefined where the provider does not say which module it uses. */
  readonly certificateNumber: string | undefined;
  readonly securityLevel: 1 | 2 | 3 | 4;
  /** The day, or the month, from which the validation is on the historical list; undefined while it is active. */
  readonly historicalSince: string | undefined;
  /** Day on which the status was looked up, YYYY-MM-DD. */
  readonly statusAsOf: string;
  readonly source: string;
}

/**
 * From this day no FIPS 140-2 certificate is on the active list: those that were left were moved to the historical one (NIST
 * CMVP, FIPS 140-3 transition).
 */
export const fips1402HistoricalSince = '2026-09-21';

export const cmvpModules: Readonly<Record<CmvpModule['id'], CmvpModule>> = {
  'hsm1.medium': {
    id: 'hsm1.medium',
    standard: 'FIPS 140-2',
    certificateNumber: '4218',
    securityLevel: 3,
    historicalSince: '2026-01',
    statusAsOf: '2026-11-23',
    source: 'https://csrc.nist.gov/projects/cryptographic-module-validation-program/certificate/4218',
  },
  'hsm2m.medium': {
    id: 'hsm2m.medium',
    standard: 'FIPS 140-3',
    certificateNumber: '4703',
    securityLevel: 3,
    historicalSince: undefined,
    statusAsOf: '2026-11-23',
    source: 'https://csrc.nist.gov/projects/cryptographic-module-validation-program/certificate/4703',
  },
  'acm-pca': {
    id: 'acm-pca',
    standard: 'FIPS 140-2',
    certificateNumber: undefined,
    securityLevel: 3,
    historicalSince: fips1402HistoricalSince,
    statusAsOf: '2026-11-23',
    source: 'https://docs.aws.amazon.com/privateca/latest/userguide/data-protection.html',
  },
};

/** Status of a validation at a time: a month counts from its first day. */
export function cmvpStatusAt({ historicalSince }: Pick<CmvpModule, 'historicalSince'>, at: EpochMs): CmvpStatus {
  return historicalSince !== undefined && at >= Date.parse(historicalSince) ? 'historical' : 'active';
}

/** What a validation list knows of a module. */
export type ModuleValidation = Pick<
  KeyDescription,
  'securityLevel' | 'standard' | 'certificateNumber' | 'cmvpStatus' | 'validatedBy'
>;

/** Not validated, or nobody knows. */
export const notValidated: ModuleValidation = { securityLevel: 0, cmvpStatus: 'unknown' };

function isKnown(id: string): id is CmvpModule['id'] {
  return Object.hasOwn(cmvpModules, id);
}

/**
 * The validation of a cluster's HSMs. It holds in FIPS mode alone: a cluster in another mode, or whose mode nobody says, runs
 * none of the validated configurations.
 */
export function validationOfCluster({ hsmType, mode, source }: ClusterDescription, at: EpochMs): ModuleValidation {
  if (source !== 'provider' || mode !== 'FIPS' || !isKnown(hsmType) || hsmType === 'acm-pca') return notValidated;
  const module = cmvpModules[hsmType];
  const { securityLevel, standard, certificateNumber } = module;
  return {
    securityLevel,
    standard,
    ...(certificateNumber === undefined ? {} : { certificateNumber }),
    cmvpStatus: cmvpStatusAt(module, at),
  };
}
