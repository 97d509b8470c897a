/** What a custody report says, as rows of label and text: the same for a terminal and for a document. */
import { isObject, textOf } from '../http-client.ts';
import type { Column } from '../terminal/table.ts';

export type Json = Readonly<Record<string, unknown>>;

export interface CustodyRow {
  readonly label: string;
  readonly value: string;
}

export interface Comparison {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly aspect: string; readonly values: readonly string[] }[];
}

export const overviewColumns: readonly Column[] = [
  { header: 'CA', widthMin: 10 },
  { header: 'model', widthMin: 10 },
  { header: 'key in' },
  { header: 'source' },
  { header: 'level', widthMin: 5 },
  { header: 'CMVP', widthMin: 8 },
  { header: 'age', align: 'right', widthMin: 4 },
  { header: 'USD/month', align: 'right' },
  { header: 'status', widthMin: 7 },
];

const member = (value: unknown): Json => (isObject(value) ? value : {});
const items = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isObject) : []);

export function overviewOf(authority: Json): readonly string[] {
  const evidence = member(authority.evidence);
  const validation = member(authority.validation);
  const has = isObject(authority.evidence);
  const standsIn = evidence.source === 'emulator' || evidence.source === 'process';
  return [
    textOf(authority.id),
    textOf(authority.model),
    textOf(authority.place) || '–',
    textOf(evidence.source) || '–',
    textOf(evidence.securityLevel) || '–',
    !has ? '–' : standsIn ? 'none' : textOf(validation.status),
    has ? `${textOf(evidence.ageSeconds)} s` : '–',
    amountOf(authority.cost),
    textOf(authority.status),
  ];
}

function amountOf(cost: unknown): string {
  const { emulated, perMonth } = member(cost);
  const amount = typeof perMonth === 'number' ? perMonth.toFixed(2) : '–';
  return emulated === true ? `(${amount})` : amount;
}

const gaps: Readonly<Record<string, string>> = {
  'not-installed': 'there is no such CA yet',
  'not-readable-here':
    'its module, or the PIN of its tier, is not with this service: see the transcript of its ceremony',
  'no-answer': 'its module or provider gave no answer: see the log',
};

export function detailsOf(authority: Json): readonly CustodyRow[] {
  const evidence = isObject(authority.evidence) ? authority.evidence : undefined;
  const rows: CustodyRow[] = [];
  const add = (label: string, value: string) => value !== '' && rows.push({ label, value });
  add('key', evidence === undefined ? '' : `${textOf(evidence.keyAlgorithm)}, ${textOf(evidence.keyStatus)}`);
  add('fingerprint', textOf(evidence?.keyId));
  add('where', textOf(authority.location));
  if (evidence === undefined) {
    const gap = textOf(authority.unknownBecause);
    add('evidence', `none: ${gaps[gap] ?? gap}`);
  } else addEvidence(add, evidence);
  for (const { code, message, severity } of items(authority.findings))
    add(severity === 'stop' ? 'stopped by' : 'advice', `${textOf(code)}: ${textOf(message)}`);
  if (isObject(authority.validation)) addValidation(add, authority.validation);
  add(
    'can sign',
    items(authority.canSign)
      .map(({ by, who }) => `${textOf(who)} (${textOf(by)})`)
      .join('; '),
  );
  add('quorum', textOf(authority.quorum));
  add('backup', textOf(authority.backup));
  add('failure', textOf(authority.failureMode));
  add('month', costOf(member(authority.cost)));
  return rows;
}

type Add = (label: string, value: string) => unknown;

const attributeNames: readonly (readonly [member: string, name: string])[] = [
  ['sensitive', 'SENSITIVE'],
  ['extractable', 'EXTRACTABLE'],
  ['neverExtractable', 'NEVER_EXTRACTABLE'],
  ['alwaysSensitive', 'ALWAYS_SENSITIVE'],
  ['local', 'LOCAL'],
  ['token', 'TOKEN'],
  ['sign', 'SIGN'],
];

function addEvidence(add: Add, evidence: Json): void {
  const { attributes, cluster, module, origin, providerStatement } = evidence;
  const readAt = textOf(evidence.readAt).replace(/\.\d+Z$/, 'Z');
  const level = `level ${textOf(evidence.securityLevel)}`;
  add('evidence', `${textOf(evidence.kind)}, ${level}, read ${readAt}, ${textOf(evidence.ageSeconds)} s old`);
  if (isObject(attributes)) {
    const said = attributeNames.map(([name, shown]) => `${attributes[name] === true ? '' : 'not '}${shown}`);
    add('attributes', said.join(', '));
  }
  if (isObject(module)) {
    const { firmware, library, manufacturer, model, serial } = module;
    add(
      'module',
      `${textOf(manufacturer)}, ${textOf(model)}, serial ${textOf(serial)}, firmware ${textOf(firmware)}; ${textOf(library)}`,
    );
  }
  add(evidence.source === 'provider' ? 'provider says' : 'it claims', textOf(providerStatement));
  if (isObject(cluster)) {
    const zones = new Set(items(cluster.hsms).map(({ zone }) => textOf(zone))).size;
    const size = `${items(cluster.hsms).length} HSMs in ${zones} zones`;
    add(
      'cluster',
      `${textOf(cluster.clusterId)}, ${textOf(cluster.state)}, ${textOf(cluster.hsmType)}, mode ${textOf(cluster.mode)}, ${size}`,
    );
  }
  if (isObject(origin))
    add('restored', `from ${textOf(origin.backupId) || 'a copy'}, known by ${textOf(origin.knownBy)}`);
}

function addValidation(add: Add, validation: Json): void {
  const standard = textOf(validation.standard);
  if (standard === '') {
    add('validation', textOf(validation.basis));
    return;
  }
  add('standard', standard);
  add(
    'certificate',
    textOf(validation.certificateNumber) === '' ? 'not disclosed' : `#${textOf(validation.certificateNumber)}`,
  );
  const since = textOf(validation.historicalSince);
  add(
    'CMVP status',
    `${textOf(validation.status)}${since === '' ? '' : ` since ${since}`}, as of ${textOf(validation.statusAsOf)}`,
  );
  add('basis', textOf(validation.basis));
}

function costOf({ emulated, lines, perMonth, pricesAsOf, sharedBy }: Json): string {
  const parts = items(lines).map(({ perMonth: amount, price, what }) => {
    const doubt = price === 'vendor' ? '' : ` (price ${textOf(price)})`;
    return `${textOf(what)} ${Number(amount).toFixed(2)}${doubt}`;
  });
  if (parts.length === 0) return 'USD 0';
  const shared = Number(sharedBy) > 1 ? `, shared by ${textOf(sharedBy)} CAs` : '';
  const here = emulated === true ? 'USD 0 here; at AWS ' : '';
  return `${here}USD ${Number(perMonth).toFixed(2)}${shared}: ${parts.join(', ')}; prices of ${textOf(pricesAsOf)}`;
}

export function comparisonOf(comparison: unknown): readonly Comparison[] {
  const { keyStores, models } = member(comparison);
  return [
    tableOf('The custody models, on this hierarchy', models),
    tableOf('HSM and software key store, on this hierarchy', keyStores),
  ];
}

const texts = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(textOf) : []);

function tableOf(title: string, table: unknown): Comparison {
  const { columns, rows } = member(table);
  return {
    title,
    columns: texts(columns),
    rows: items(rows).map(({ aspect, values }) => ({ aspect: textOf(aspect), values: texts(values) })),
  };
}
