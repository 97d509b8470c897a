/** What has to be evidenced of a CA key, by where it lives: members of an entry of GET /v1/custody. */
const always = [
  'model',
  'notAfter',
  'location',
  'place',
  'evidence.source',
  'evidence.kind',
  'evidence.readAt',
  'evidence.ageSeconds',
  'evidence.keyId',
  'evidence.keyAlgorithm',
  'evidence.keyStatus',
  'evidence.securityLevel',
  'validation.basis',
  'canSign',
  'quorum',
  'backup',
  'failureMode',
  'cost.perMonth',
];

const validated = ['validation.standard', 'validation.status', 'validation.statusAsOf', 'validation.source'];

const token = [
  ...['token', 'sensitive', 'extractable', 'neverExtractable', 'alwaysSensitive', 'local', 'sign'].map(
    (name) => `evidence.attributes.${name}`,
  ),
  ...['manufacturer', 'model', 'serial', 'firmware', 'library'].map((name) => `evidence.module.${name}`),
];

export const evidencedFields = {
  'acm-pca': [...always, ...validated, 'evidence.providerStatement', 'validation.historicalSince'],
  cloudhsm: [
    ...always,
    ...validated,
    ...token,
    'validation.certificateNumber',
    ...['clusterId', 'state', 'hsmType', 'mode', 'hsms', 'foreignServers', 'backups', 'backupRetentionDays'].map(
      (name) => `evidence.cluster.${name}`,
    ),
    'evidence.cluster.latestBackup.createdAt',
    'evidence.cluster.latestBackup.mode',
  ],
  // An emulator, and a file, have no validation: the basis says so in its place.
  'acm-pca-emulator': [...always, 'evidence.providerStatement'],
  softhsm: [...always, ...token],
  file: always,
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** The members of a list that are not there, or say nothing. */
export function unevidenced(entry: unknown, fields: readonly string[]): readonly string[] {
  return fields.filter((field) => {
    const value = field
      .split('.')
      .reduce<unknown>(
        (object, name) => (object as Readonly<Record<string, unknown>> | null | undefined)?.[name],
        entry,
      );
    if (Array.isArray(value) && value.length === 0) return field !== 'evidence.cluster.foreignServers';
    return value === undefined || value === null || value === '' || value === 'unknown';
  });
}
