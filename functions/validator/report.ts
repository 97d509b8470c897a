import { alarmOfFailure, type RaiseAlarm } from '../../shared/issuance/alarms.ts';
import type { ValidateEnrollmentPorts } from '../../shared/issuance/validate-enrollment.ts';

/** What the validator tells of, as alarms. */
export function validatorReport(raise: RaiseAlarm): Pick<ValidateEnrollmentPorts, 'onItemFailed'> {
  return {
    onItemFailed: (issuanceId, cause) =>
      raise(alarmOfFailure(cause, 'validation-failed'), { issuanceId, error: cause }),
  };
}
