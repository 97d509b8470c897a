/** Validity parameters of IssueCertificate, turned into instants. All arithmetic is in UTC. */
import type { Validity } from '@aws-sdk/client-acm-pca';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { refuse } from './errors.ts';

/** NotBefore when the caller gives none: issuance minus 60 minutes, against clocks that are not equal. */
export const backdateMs = 3_600_000;
/** A CA of mode SHORT_LIVED_CERTIFICATE: at most 7 days, counted from issuance, so that the back-date does not use any up. */
export const shortLivedMsMax = 7 * 86_400_000;
/** 9999-12-31T23:59:59Z, the last instant a certificate can carry (RFC 5280 4.1.2.5). */
const lastInstantMs = 253_402_300_799_000;
const dayMs = 86_400_000;

function invalid(message: string): never {
  refuse('ValidationException', message);
}

/** `months` calendar months later; a day that the month does not have becomes its last one. */
function addMonths(at: EpochMs, months: number): EpochMs {
  const date = new Date(at);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  return date.setUTCDate(Math.min(day, last));
}

/** YYMMDDHHMMSS (years from 50 are 19YY) or YYYYMMDDHHMMSS, as a number that has lost its leading zeros. */
function parseEndDate(value: number): EpochMs {
  const digits = String(value);
  if (digits.length > 14 || digits.length === 13)
    invalid('The END_DATE is not in the form of UTCTime or GeneralizedTime.');
  const utc = digits.padStart(12, '0');
  const century = digits.length === 14 ? '' : Number(utc.slice(0, 2)) >= 50 ? '19' : '20';
  const full = `${century}${utc}`;
  const field = (from: number, to: number): number => Number(full.slice(from, to));
  const [year, month, day] = [field(0, 4), field(4, 6), field(6, 8)];
  const [hour, minute, second] = [field(8, 10), field(10, 12), field(12, 14)];
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(at).toISOString().replace(/\D/g, '').slice(0, 14);
  if (back !== full) invalid('The END_DATE is not a date.');
  return at;
}

/** NotAfter: an instant on a whole second. ValidationException for a date that is none, is past, or has no encoding. */
export function resolveNotAfter(validity: Validity, now: EpochMs): EpochMs {
  const value = validity.Value ?? 0;
  const issued = Math.floor(now / 1000) * 1000;
  // Relative values beyond this end after year 9999 in any unit but days, and arithmetic on them would leave the safe range.
  if (validity.Type !== 'ABSOLUTE' && validity.Type !== 'END_DATE' && value > 3_000_000)
    invalid('The validity is too long.');
  const notAfter = ((): EpochMs => {
    switch (validity.Type) {
      case 'ABSOLUTE':
        return Math.min(value, lastInstantMs) * 1000;
      case 'END_DATE':
        return parseEndDate(value);
      case 'DAYS':
        return issued + value * dayMs;
      case 'MONTHS':
        return addMonths(issued, value);
      case 'YEARS':
        return addMonths(issued, value * 12);
      default:
        return invalid('The validity type is not known.');
    }
  })();
  if (!(notAfter <= lastInstantMs)) invalid('The validity ends after the year 9999.');
  if (notAfter <= now) invalid('The validity ends in the past.');
  return notAfter;
}

/** NotBefore: issuance minus 60 minutes, or the ABSOLUTE value given. NotAfter does not move with it. */
export function resolveNotBefore(validity: Validity | undefined, now: EpochMs, notAfter: EpochMs): EpochMs {
  if (validity === undefined) return Math.floor((now - backdateMs) / 1000) * 1000;
  if (validity.Type !== 'ABSOLUTE') invalid('ValidityNotBefore takes the type ABSOLUTE only.');
  const notBefore = Math.min(validity.Value ?? 0, lastInstantMs) * 1000;
  if (notBefore >= notAfter) invalid('ValidityNotBefore is not before the end of the validity.');
  return notBefore;
}
