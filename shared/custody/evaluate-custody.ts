import type { EpochMs } from '../pki/epoch.ts';
import { evaluateCluster } from './evaluate-cluster.ts';
import type { CustodyFinding, CustodyFindingCode } from './finding.ts';
import type { CmvpStatus, CustodyModel, KeyAttributes, KeyDescription } from './key-description.ts';
import { isSoftHsm } from './softhsm.ts';

/** Evidence older than this is read again before anything is signed. */
export const evidenceAgeMsMax = 60_000;
/** In prod no CA key lives below this level, whatever a hierarchy asks for. */
export const securityLevelProdMin = 3;

export interface CustodyRequirement {
  readonly model: CustodyModel;
  readonly securityLevelMin: number;
  readonly cmvpAccepted: readonly CmvpStatus[];
}

/** The key the CA's certificate is for. */
export interface ExpectedKey {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  readonly keyAlgorithm: string;
}

export interface CustodyDecision {
  /** No finding stops. */
  readonly ok: boolean;
  readonly findings: readonly CustodyFinding[];
}

type Stage = 'dev' | 'prod';

/**
 * Judges a key by what its module or provider says of it: all findings, in a fixed order. Drift of the key or its
 * attributes and stale evidence stop in every stage; a shortfall of level, CMVP status or source stops outside dev.
 */
export function evaluateCustody(
  requirement: CustodyRequirement,
  expected: ExpectedKey,
  key: KeyDescription,
  stage: Stage,
  now: EpochMs,
): CustodyDecision {
  const findings = [
    ...evaluateIdentity(requirement, expected, key),
    ...evaluateAttributes(key),
    ...evaluateAge(key, now),
    ...evaluateSource(key, stage),
    ...evaluateLevel(requirement, key, stage),
    ...evaluateCmvp(requirement, key, stage),
    ...(key.cluster === undefined ? [] : evaluateCluster(key.cluster, stage, now, evidenceAgeMsMax)),
    ...evaluateOrigin(key),
  ];
  return { ok: findings.every((finding) => finding.severity !== 'stop'), findings };
}

function stop(code: CustodyFindingCode, message: string): CustodyFinding {
  return { code, message, severity: 'stop' };
}

function shortfall(stage: Stage, code: CustodyFindingCode, message: string): CustodyFinding {
  return { code, message, severity: stage === 'dev' ? 'advice' : 'stop' };
}

/** Where evidence of each model may come from; an emulator stands in for a module or a provider. */
const sourcesOf: Readonly<Record<CustodyModel, readonly KeyDescription['source'][]>> = {
  software: ['process'],
  'self-managed-hsm': ['module', 'emulator'],
  'managed-ca': ['provider', 'emulator'],
};

function evaluateIdentity(
  requirement: CustodyRequirement,
  expected: ExpectedKey,
  key: KeyDescription,
): CustodyFinding[] {
  const findings: CustodyFinding[] = [];
  if (key.model !== requirement.model) {
    findings.push(stop('model-mismatch', `custody is ${key.model}, and the hierarchy demands ${requirement.model}`));
  }
  if (!sourcesOf[key.model].includes(key.source)) {
    findings.push(stop('source-mismatch', `evidence of ${key.model} custody cannot come from a ${key.source}`));
  }
  // The fingerprint decides, whatever id or label the key is found by: a key replaced under the same CKA_ID is another key.
  if (key.spkiSha256 !== expected.spkiSha256 || key.keyId !== `sha256:${expected.spkiSha256}`) {
    const message = `the key is sha256:${shown(key.spkiSha256)}, and the CA's certificate is for sha256:${shown(expected.spkiSha256)}`;
    findings.push(stop('key-swapped', message));
  }
  if (key.keyAlgorithm !== expected.keyAlgorithm) {
    const message = `the key is of ${shown(key.keyAlgorithm)}, and the CA's certificate is for ${shown(expected.keyAlgorithm)}`;
    findings.push(stop('key-algorithm-changed', message));
  }
  if (key.status !== 'usable') findings.push(stop('key-not-usable', `the key is ${key.status}`));
  return findings;
}

/** Each attribute, the value it must have, and what the other value means. */
const attributeRules: readonly {
  readonly attribute: keyof KeyAttributes;
  readonly must: boolean;
  readonly code: CustodyFindingCode;
  readonly message: string;
}[] = [
  {
    attribute: 'token',
    must: true,
    code: 'key-not-on-token',
    message: 'CKA_TOKEN is false: the key ends with its session',
  },
  {
    attribute: 'sensitive',
    must: true,
    code: 'key-not-sensitive',
    message: 'CKA_SENSITIVE is false: the key can be read',
  },
  {
    attribute: 'extractable',
    must: false,
    code: 'key-extractable',
    message: 'CKA_EXTRACTABLE is true: the key can be wrapped and taken away',
  },
  {
    attribute: 'neverExtractable',
    must: true,
    code: 'key-was-extractable',
    message: 'CKA_NEVER_EXTRACTABLE is false: the key could once be taken away',
  },
  {
    attribute: 'alwaysSensitive',
    must: true,
    code: 'key-was-not-sensitive',
    message: 'CKA_ALWAYS_SENSITIVE is false: the key could once be read',
  },
  {
    attribute: 'local',
    must: true,
    code: 'key-not-local',
    message: 'CKA_LOCAL is false: the key was not made in this module',
  },
  { attribute: 'sign', must: true, code: 'key-cannot-sign', message: 'CKA_SIGN is false: the key does not sign' },
];

function evaluateAttributes(key: KeyDescription): CustodyFinding[] {
  const { attributes } = key;
  if (attributes === undefined) {
    if (key.model !== 'self-managed-hsm') return [];
    return [stop('attributes-unknown', 'the module did not report the attributes of the key')];
  }
  // `!==` with the value wanted: an attribute that is missing at run time is not the one wanted either.
  return attributeRules
    .filter(({ attribute, must }) => attributes[attribute] !== must)
    .map(({ code, message }) => stop(code, message));
}

/** Evidence from the future is no evidence either: it would never grow stale. The reading may follow `now` by a little. */
function evaluateAge(key: KeyDescription, now: EpochMs): CustodyFinding[] {
  const ageMs = now - key.readAt;
  if (Math.abs(ageMs) <= evidenceAgeMsMax) return [];
  const message =
    ageMs > 0
      ? `the evidence is ${Math.ceil(ageMs / 1_000)} s old; at most ${evidenceAgeMsMax / 1_000} s are accepted`
      : 'the evidence is of a time to come, or its time is unknown';
  return [stop('evidence-stale', message)];
}

function evaluateSource(key: KeyDescription, stage: Stage): CustodyFinding[] {
  if (isSoftHsm(key.module)) {
    return [shortfall(stage, 'softhsm-outside-dev', 'the module is SoftHSM, whose keys are files: for stage dev only')];
  }
  if (key.source === 'emulator') {
    return [
      shortfall(stage, 'emulator-evidence', 'an emulator stands in for the module or the provider: it proves nothing'),
    ];
  }
  if (key.source === 'process' || key.model === 'software') {
    return [shortfall(stage, 'software-key', 'the key is in the memory of a process: for stage dev only')];
  }
  return [];
}

/** What stands in for hardware has level none, whatever it claims. */
function isEvidenced(key: KeyDescription): boolean {
  return (key.source === 'module' || key.source === 'provider') && !isSoftHsm(key.module);
}

function evaluateLevel(requirement: CustodyRequirement, key: KeyDescription, stage: Stage): CustodyFinding[] {
  const level = isEvidenced(key) ? key.securityLevel : 0;
  const wanted = Math.max(requirement.securityLevelMin, stage === 'dev' ? 0 : securityLevelProdMin);
  if (level >= wanted) return [];
  const message = `the security level is ${level === 0 ? 'none' : level}; ${wanted} or higher is demanded`;
  return [shortfall(stage, 'security-level-too-low', message)];
}

function evaluateCmvp(requirement: CustodyRequirement, key: KeyDescription, stage: Stage): CustodyFinding[] {
  // A software key has no module to validate; `software-key` says what is to be said of it.
  if (requirement.model === 'software' && key.model === 'software') return [];
  const status = isEvidenced(key) ? (key.cmvpStatus ?? 'unknown') : 'unknown';
  if (status === 'unknown') {
    return [shortfall(stage, 'cmvp-status-unknown', 'the CMVP status of the module is not known')];
  }
  if (requirement.cmvpAccepted.includes(status)) return [];
  const accepted = requirement.cmvpAccepted.length === 0 ? 'none' : requirement.cmvpAccepted.join(', ');
  const message = `the CMVP status of the module is ${status}; accepted: ${accepted}`;
  return [shortfall(stage, 'cmvp-status-not-accepted', message)];
}

/** A restored key is the key; that it exists in a backup, and by now in more than one place, is what its owner has to know. */
function evaluateOrigin({ origin }: KeyDescription): CustodyFinding[] {
  if (origin === undefined) return [];
  const from = origin.backupId === undefined ? 'a copy' : `backup ${shown(origin.backupId)}`;
  const how = {
    provider: 'the provider says so',
    record: 'the restore was written down beside the token',
    place: 'its files are not where they were made',
  }[origin.knownBy];
  return [{ code: 'key-restored', message: `the key comes from ${from}: ${how}`, severity: 'advice' }];
}

/** Modules report these texts; a message carries what is printable of them, bounded. */
function shown(text: string): string {
  return text.slice(0, 80).replace(/[^\x20-\x7e]/g, '?');
}
