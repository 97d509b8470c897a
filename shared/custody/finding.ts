/** What custody can object to: a closed union of codes, so that tools and documentation can list them. */
export const custodyFindingCodes = [
  // Drift: the key is not what it was, or not usable. Stops in every stage.
  'model-mismatch',
  'source-mismatch',
  'key-swapped',
  'key-algorithm-changed',
  'key-not-usable',
  'attributes-unknown',
  'key-not-on-token',
  'key-not-sensitive',
  'key-extractable',
  'key-was-extractable',
  'key-was-not-sensitive',
  'key-not-local',
  'key-cannot-sign',
  'evidence-stale',
  // Shortfall: stops outside dev, advice in dev.
  'security-level-too-low',
  'cmvp-status-unknown',
  'cmvp-status-not-accepted',
  'emulator-evidence',
  'softhsm-outside-dev',
  'software-key',
  'cluster-not-active',
  'cluster-mode-unknown',
  'cluster-mode-not-fips',
  'cluster-foreign-server',
  'cluster-link-unknown',
  // Advice in every stage: signing goes on.
  'cluster-not-redundant',
  'backup-missing',
  'backup-old',
  'key-restored',
  // Of a whole stage, at start.
  'software-backend-outside-dev',
  'endpoint-not-aws',
  'emulator-account',
] as const;

export type CustodyFindingCode = (typeof custodyFindingCodes)[number];

export interface CustodyFinding {
  readonly code: CustodyFindingCode;
  readonly message: string;
  /** stop: nothing is signed with this key. advice: it is shown and signing goes on. */
  readonly severity: 'stop' | 'advice';
}
