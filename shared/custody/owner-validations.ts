/** Validations of HSMs that the owner of a hierarchy has looked up: the word of the owner, and reported as that. */
import type { EpochMs } from '../pki/epoch.ts';
import { fips1402HistoricalSince, type ModuleValidation, notValidated } from './cmvp-modules.ts';
import type { CmvpStatus, ModuleDescription } from './key-description.ts';
import { isSoftHsm } from './softhsm.ts';

/** An entry of `modules` in `hierarchy.yaml`: what a module reports of itself, and what its validation list says of that. */
export interface OwnerValidation {
  /** As C_GetTokenInfo reports them, blanks at their ends aside. */
  readonly manufacturer: string;
  readonly model: string;
  /** Firmware version, or the beginning of one by whole numbers: '7' is 7.0 and 7.4, and not 70.1. */
  readonly firmware: string;
  readonly standard: 'FIPS 140-2' | 'FIPS 140-3';
  readonly certificateNumber: string;
  readonly securityLevel: 1 | 2 | 3 | 4;
  readonly status: CmvpStatus;
  /** Day on which the owner looked, YYYY-MM-DD. */
  readonly statusAsOf: string;
  /** Where the owner looked. */
  readonly source: string;
}

/**
 * The owner's entry for a module, the most exact firmware first. None for SoftHSM, whatever a file says: its keys are files.
 * None before the day that the entry says it is of. A FIPS 140-2 validation is historical from the day that all of them are.
 */
export function validationByOwner(
  entries: readonly OwnerValidation[],
  module: ModuleDescription,
  at: EpochMs,
): ModuleValidation {
  if (isSoftHsm(module)) return notValidated;
  const [entry] = entries
    .filter(
      ({ firmware, manufacturer, model }) =>
        manufacturer === module.manufacturer && model === module.model && beginsWith(module.firmware, firmware),
    )
    .toSorted((a, b) => b.firmware.length - a.firmware.length);
  if (entry === undefined || !(at >= Date.parse(entry.statusAsOf))) return notValidated;
  const { certificateNumber, securityLevel, source, standard, status, statusAsOf } = entry;
  const hasEnded = standard === 'FIPS 140-2' && status === 'active' && at >= Date.parse(fips1402HistoricalSince);
  return {
    securityLevel,
    standard,
    certificateNumber,
    cmvpStatus: hasEnded ? 'historical' : status,
    validatedBy: { who: 'owner', statusAsOf, source },
  };
}

function beginsWith(version: string, firmware: string): boolean {
  return version === firmware || version.startsWith(`${firmware}.`);
}
