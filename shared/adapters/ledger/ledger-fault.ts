/** A broken invariant: the caller asked for what may never be. Never an expected refusal, never retried. */
export type LedgerFaultCode =
  | 'illegal-edge'
  | 'prepared-redeemed'
  | 'prepared-for-another-ca'
  | 'serial-not-the-intended'
  | 'credential-unknown'
  | 'state-not-watched'
  | 'out-of-bounds'
  | 'already-exists'
  | 'authority-differs';

export class LedgerFault extends Error {
  readonly code: LedgerFaultCode;

  constructor(code: LedgerFaultCode, message: string) {
    super(message);
    this.name = 'LedgerFault';
    this.code = code;
  }
}

/** Throws `LedgerFault` when the condition does not hold. */
export function invariant(condition: boolean, code: LedgerFaultCode, message: string): asserts condition {
  if (!condition) throw new LedgerFault(code, message);
}
