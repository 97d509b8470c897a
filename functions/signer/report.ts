import {
  alarmOfCustodyFailure,
  alarmOfFailure,
  alarmOfUnavailable,
  type RaiseAlarm,
} from '../../shared/issuance/alarms.ts';
import type { SignerReport } from '../../shared/issuance/signer-ports.ts';

/** What the signer tells of, as alarms. */
export function signerReport(raise: RaiseAlarm): SignerReport {
  return {
    itemFailed: (issuanceId, cause) => raise(alarmOfFailure(cause, 'signing-failed'), { issuanceId, error: cause }),
    custodyStopped: (caId, findings) => raise('custody-stopped', { caId, findings }),
    custodyUnknown: (caId, cause) => raise(alarmOfCustodyFailure(cause), { caId, error: cause }),
    misissued: (issuanceId, faults) => raise('misissued', { issuanceId, faults }),
    refused: (issuanceId, code, message) => raise('issuance-refused', { issuanceId, code, message }),
    authorityUnavailable: (caId, code, message) => raise(alarmOfUnavailable(code), { caId, code, message }),
    throttled: (caId, code, message) => raise('throttled', { caId, code, message }),
  };
}
