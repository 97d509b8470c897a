/** Why a transcript is refused: a closed union of codes, so that tools and documentation can list them. */
export const refusalCodes = [
  // The bytes
  'transcript-too-large',
  'transcript-empty',
  'not-utf8',
  'not-canonical',
  'trailing-bytes',
  'record-malformed',
  'chain-broken',
  'time-runs-backwards',
  // What it was to follow
  'roster-malformed',
  'foreign-roster',
  'script-refused',
  'hierarchy-refused',
  'authority-unknown',
  'mode-unexpected',
  // The acts
  'act-missing',
  'act-out-of-order',
  'act-repeated',
  'act-differs-from-script',
  'act-without-begin',
  'not-closed',
  'participant-missing',
  'softhsm-in-prod',
  // What was made
  'key-differs',
  'possession-not-proven',
  'request-unsound',
  'certificate-unsound',
  'digest-differs',
  'custody-not-met',
  'certificates-differ',
  'differs-from-rehearsal',
  // The witnesses
  'signature-malformed',
  'namespace-wrong',
  'signer-not-on-roster',
  'witness-not-present',
  'witness-counted-twice',
  'signature-invalid',
  'quorum-not-met',
] as const;

export type RefusalCode = (typeof refusalCodes)[number];

/** `record` is the number of the record, from 0; `signature` the name that a signature came under. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  readonly record?: number;
  readonly signature?: string;
}
