/** The records of a transcript: what each act leaves behind. */
import {
  base64,
  exactly,
  instant,
  listOf,
  matching,
  oneOf,
  optional,
  type Shape,
  sha256Digest,
  text,
  truth,
  type ValueOf,
  whole,
} from './shape.ts';

/** Acts a script may call for. */
export const actNames = [
  'identify-participants',
  'check-module',
  'generate-key',
  'present-key',
  'self-sign',
  'certify-subordinate',
  'read-evidence',
  'close',
] as const;
export type ActName = (typeof actNames)[number];

/** Acts that cannot be undone: what they are about to do is recorded before it is done. */
export const actsWithBegin: ReadonlySet<ActName> = new Set(['generate-key', 'self-sign', 'certify-subordinate']);

export type CeremonyMode = 'rehearsal' | 'run';

/** A certificate or request of a CA: an RSA-4096 one with name constraints stays far below. */
const documentBytesMax = 16 * 1024;
const said = text(200);
const label = text(64, 1);
const der = base64(documentBytesMax);
const textWithDigest = exactly({ text: text(256 * 1024), sha256: sha256Digest });

const software = exactly({
  version: said,
  /** Commit of the checkout, '-modified' behind it where files differ from it; 'unknown' outside one. */
  commit: matching(/^(?:unknown|[0-9a-f]{40,64}(?:-modified)?)$/),
  /** Over the sources that ran: see `sourceDigest`. */
  sourceSha256: sha256Digest,
  node: said,
  platform: said,
});

const attributes = exactly({
  token: truth,
  sensitive: truth,
  extractable: truth,
  neverExtractable: truth,
  alwaysSensitive: truth,
  local: truth,
  sign: truth,
});

/** What C_GetInfo, C_GetSlotInfo and C_GetTokenInfo said. */
const moduleReport = exactly({
  library: exactly({ manufacturer: said, description: said, version: said, cryptoki: said }),
  slot: exactly({ manufacturer: said, description: said, hardware: said, firmware: said }),
  token: exactly({
    label,
    manufacturer: said,
    model: said,
    serial: said,
    hardware: said,
    firmware: said,
    flags: whole,
  }),
});

const backup = exactly({ backupId: said, createdAt: whole, mode: said, neverExpires: truth });
const cluster = exactly({
  source: oneOf('provider', 'emulator'),
  clusterId: said,
  state: said,
  hsmType: said,
  mode: oneOf('FIPS', 'NON_FIPS', 'unknown'),
  hsms: listOf(exactly({ hsmId: said, state: said, zone: said, eniIp: said }), 64),
  sourceBackupId: optional(said),
  backupRetentionDays: optional(whole),
  latestBackup: optional(backup),
  backupCount: optional(whole),
  foreignServers: optional(listOf(said, 64)),
  readAt: whole,
});

const evidence = exactly({
  source: oneOf('module', 'provider', 'emulator', 'process'),
  model: oneOf('software', 'self-managed-hsm', 'managed-ca'),
  keyId: said,
  spkiSha256: text(64),
  keyAlgorithm: said,
  attributes: optional(attributes),
  securityLevel: oneOf(0, 1, 2, 3, 4),
  standard: optional(said),
  certificateNumber: optional(said),
  cmvpStatus: optional(oneOf('active', 'historical', 'revoked', 'unknown')),
  validatedBy: optional(exactly({ who: oneOf('owner'), statusAsOf: said, source: said })),
  module: optional(exactly({ manufacturer: said, model: said, serial: said, firmware: said, library: said })),
  cluster: optional(cluster),
  origin: optional(
    exactly({
      kind: oneOf('restored'),
      knownBy: oneOf('provider', 'record', 'place'),
      backupId: optional(said),
      restoredAt: optional(whole),
    }),
  ),
  status: oneOf('usable', 'disabled', 'pending', 'expired', 'gone'),
  readAt: whole,
});

const finding = exactly({ code: said, severity: oneOf('stop', 'advice'), message: text(1_000) });
const certificateFile = exactly({ authority: label, generation: whole, file: label, sha256: sha256Digest });
const key = { spki: base64(2_048), spkiSha256: sha256Digest };
const tbs = { tbs: der, tbsSha256: sha256Digest };
const certificate = { certificate: der, certificateSha256: sha256Digest, file: label };

/** The body of each record, by `kind/act`. */
const bodies = {
  'opened/open': exactly({
    mode: oneOf('rehearsal', 'run'),
    title: said,
    script: textWithDigest,
    hierarchy: textWithDigest,
    software,
  }),
  'resumed/resume': exactly({ software }),
  'done/identify-participants': exactly({
    people: listOf(exactly({ role: label, name: said }), 64),
    witnesses: listOf(exactly({ name: label, fingerprint: label }), 32),
  }),
  'done/check-module': exactly({ module: moduleReport, emulator: truth }),
  'begun/generate-key': exactly({ tokenLabel: label, keyLabel: label, keyAlgorithm: said, keysWithLabel: oneOf(0) }),
  'done/generate-key': exactly({ ...key, request: der, requestSha256: sha256Digest, attributes, foundAgain: truth }),
  'done/present-key': exactly({ ...key, certificate: der, certificateSha256: sha256Digest }),
  'begun/self-sign': exactly(tbs),
  'done/self-sign': exactly(certificate),
  'begun/certify-subordinate': exactly({ authority: label, request: der, requestSha256: sha256Digest, ...tbs }),
  'done/certify-subordinate': exactly({ authority: label, ...certificate }),
  'done/read-evidence': exactly({ evidence, findings: listOf(finding, 32), accepted: truth }),
  'done/close': exactly({ certificates: listOf(certificateFile, 64) }),
} as const;

export type RecordType = keyof typeof bodies;
export type BodyOf<T extends RecordType> = ValueOf<(typeof bodies)[T]>;
export type SoftwareIdentity = ValueOf<typeof software>;
export type ModuleReport = ValueOf<typeof moduleReport>;
export type Evidence = ValueOf<typeof evidence>;

/** `step` is the act's place in the script, from 1; 0 for `opened`; of `resumed`, the act that comes next. */
interface Place {
  readonly at: string;
  readonly index: number;
  /** SHA-256 of the line before, without its line end; 64 zeros for the first. */
  readonly previous: string;
  readonly step: number;
}
type TypedRecord<T extends RecordType> = T extends `${infer Kind}/${infer Act}`
  ? Place & { readonly kind: Kind; readonly act: Act; readonly body: BodyOf<T> }
  : never;
export type CeremonyRecord = { [T in RecordType]: TypedRecord<T> }[RecordType];
export type RecordOf<T extends RecordType> = TypedRecord<T>;

const place = exactly({
  at: instant,
  index: whole,
  previous: sha256Digest,
  step: whole,
  kind: oneOf('opened', 'resumed', 'begun', 'done'),
  act: label,
  body: (value: unknown): value is object => typeof value === 'object' && value !== null,
});

/** A value as a record, or undefined when it is none. */
export function asRecord(value: unknown): CeremonyRecord | undefined {
  if (!place(value)) return undefined;
  const type = `${value.kind}/${value.act}`;
  if (!Object.hasOwn(bodies, type)) return undefined;
  const shape: Shape<unknown> = bodies[type as RecordType];
  return shape(value.body) ? (value as unknown as CeremonyRecord) : undefined;
}

export function isOfType<T extends RecordType>(
  record: CeremonyRecord,
  type: T,
): record is RecordOf<T> & CeremonyRecord {
  return `${record.kind}/${record.act}` === type;
}
