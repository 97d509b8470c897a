import type { Command, CommandContext } from '../command.ts';
import { isObject, jsonOf, textOf } from '../http-client.ts';
import { renderTable } from '../terminal/table.ts';
import { printable } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';

export const auditCommands: readonly Command[] = [
  {
    name: 'audit show',
    arguments: [],
    summary: 'what the last comparison of each CA with the ledger found',
    options: {},
    examples: ['npx sealwright audit show'],
    run: (context) => run(context, 'GET'),
  },
  {
    name: 'audit run',
    arguments: [],
    summary: 'compare what each CA has issued with the ledger, now; exit 1 when something is unknown',
    options: {},
    examples: ['npx sealwright audit run'],
    run: (context) => run(context, 'POST'),
  },
];

type Json = Readonly<Record<string, unknown>>;

async function run(context: CommandContext, method: 'GET' | 'POST'): Promise<number> {
  const answer = await context.service.call(
    { method, path: '/v1/audits', repeatable: method === 'GET' },
    'operator',
    [200],
  );
  const body = objectOf(jsonOf(answer));
  const audits = listOf(body.audits);
  const waiting = listOf(body.waiting);
  context.answer({ audits, waiting }, () => `${table(context, audits)}${details(audits)}${whoWaits(waiting)}`);
  const isUnknown = audits.some((audit) => countOf(audit.unknownCertificates) + countOf(audit.unknownIssuances) > 0);
  return isUnknown ? 1 : 0;
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function countOf(found: unknown): number {
  return isObject(found) && typeof found.count === 'number' ? found.count : 0;
}

function table(context: CommandContext, audits: readonly Json[]): string {
  if (audits.length === 0) return 'no CA was compared yet\n';
  return renderTable(
    [
      { header: 'CA' },
      { header: 'gen', align: 'right' },
      { header: 'report of', widthMin: 20 },
      { header: 'certificates', align: 'right', widthMin: 12 },
      { header: 'undecided', align: 'right', widthMin: 9 },
      { header: 'unknown', align: 'right', widthMin: 7 },
      { header: 'missing', align: 'right', widthMin: 7 },
    ],
    audits.map((audit) => [
      textOf(audit.authority),
      textOf(audit.generation),
      textOf(audit.reportBegunAt).replace(/\.\d+Z$/, 'Z'),
      textOf(audit.certificates),
      textOf(audit.undecided),
      String(countOf(audit.unknownCertificates)),
      String(countOf(audit.unknownIssuances)),
    ]),
    { color: context.color },
  );
}

function details(audits: readonly Json[]): string {
  const named = (found: unknown) => (isObject(found) ? listOf(found.named) : []);
  const lines = audits.flatMap((audit) => [
    ...named(audit.unknownCertificates).map(
      (one) =>
        `✗ ${textOf(audit.authority)}: unknown certificate ${textOf(one.certificateArn)}, serial ${textOf(one.serialNumber)}, ${textOf(one.subject)}`,
    ),
    ...named(audit.unknownIssuances).map(
      (one) =>
        `✗ ${textOf(audit.authority)}: the CA does not have ${textOf(one.serialNumber)} of ${textOf(one.issuanceId)}`,
    ),
  ]);
  return lines.map((line) => `${printable(line)}\n`).join('');
}

const reasons: Readonly<Record<string, string>> = {
  'report-not-ready': 'its report is being made: the same command in a minute',
  'no-report': 'it gives no report now: one in 30 minutes',
  failed: 'its report could not be had or read: see the log',
};

function whoWaits(waiting: readonly Json[]): string {
  return waiting
    .map(
      (one) =>
        `… ${printable(textOf(one.authority))}: ${reasons[textOf(one.reason)] ?? printable(textOf(one.reason))}\n`,
    )
    .join('');
}
