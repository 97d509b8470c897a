import { type Command, type CommandContext, CommandFailure } from '../command.ts';
import { isObject, jsonOf, textOf } from '../http-client.ts';
import { renderTable } from '../terminal/table.ts';
import { printable, styled, textWidth, wrap } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';
import { type CustodyRow, comparisonOf, detailsOf, type Json, overviewColumns, overviewOf } from './custody-rows.ts';

export const custodyCommands: readonly Command[] = [
  {
    name: 'custody report',
    arguments: ['[CA]'],
    summary: 'where each CA key lives, by evidence read now: who can sign with it, backup, cost; compares models',
    options: { markdown: { type: 'boolean', help: 'as Markdown, for a document' } },
    examples: [
      'npx sealwright custody report',
      'npx sealwright custody report workloads',
      'npx sealwright custody report --markdown > custody.md',
    ],
    run: report,
  },
];

/**
 * Exit 1 when a CA is stopped, or gave no answer. A CA whose module is elsewhere, as that of an air-gapped root, is as it is
 * meant to be.
 */
async function report(context: CommandContext): Promise<number> {
  const [wanted] = context.positionals;
  const request = { method: 'GET', path: '/v1/custody', repeatable: true } as const;
  const body = objectOf(jsonOf(await context.service.call(request, 'operator', [200])));
  const all = listOf(body.authorities);
  const authorities = wanted === undefined ? all : all.filter(({ id }) => id === wanted);
  if (authorities.length === 0 && wanted !== undefined) {
    const known = all.map(({ id }) => printable(textOf(id))).join(', ');
    throw new CommandFailure('not-found', `there is no CA ${printable(wanted)}`, [`one of ${known}`]);
  }
  const shown = { ...body, authorities };
  const withComparison = wanted === undefined;
  context.answer(shown, () =>
    context.flag('markdown') ? markdown(shown, withComparison) : text(context, shown, withComparison),
  );
  return authorities.some(({ status, unknownBecause }) => status === 'stopped' || unknownBecause === 'no-answer')
    ? 1
    : 0;
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

const widthMax = 100;
const labelWidth = 14;
/** `arn:aws-us-gov:acm-pca:REGION:ACCOUNT:certificate-authority/ID` has some 110 characters. */
const unbrokenMax = 112;

interface Shown {
  readonly asOf?: unknown;
  readonly comparison?: unknown;
  readonly authorities: readonly Json[];
}

function text(context: CommandContext, { authorities, comparison }: Shown, withComparison: boolean): string {
  const { color } = context;
  const parts = [
    renderTable(overviewColumns, authorities.map(overviewOf), { color }),
    ...legendOf(authorities),
    ...authorities.map(
      (authority) =>
        `\n${styled(printable(textOf(authority.id)), 'bold', color)}\n${detailsOf(authority).map(line).join('')}`,
    ),
  ];
  if (withComparison) {
    for (const { columns, rows, title } of comparisonOf(comparison)) {
      const described = ['', ...columns].map((header) => ({ header, overflow: 'wrap' as const, widthMin: 14 }));
      const cells = rows.map(({ aspect, values }) => [aspect, ...values]);
      parts.push(`\n${styled(title, 'bold', color)}\n${renderTable(described, cells, { color })}`);
    }
  }
  return parts.join('');
}

/** What the table cannot say in a column. */
function legendOf(authorities: readonly Json[]): readonly string[] {
  const emulated = authorities.some(({ cost }) => isObject(cost) && cost.emulated === true);
  const legend = [
    'holds: the key is as this stage demands; level and status of a module count outside dev only.',
    ...(emulated ? ['(USD): nothing here, since an emulator stands in; so much at AWS.'] : []),
  ];
  return ['\n', ...legend.flatMap((text) => wrap(text, widthMax, 4).map((one) => `${one}\n`))];
}

/** A label and its text, which goes on below itself. */
function line({ label, value }: CustodyRow): string {
  // An ARN is copied: it has a line of its own, unbroken, as long as it is.
  if (!value.includes(' ') && textWidth(value) > widthMax - labelWidth - 3 && textWidth(value) <= unbrokenMax)
    return `  ${label}\n  ${printable(value)}\n`;
  const [first = '', ...more] = wrap(printable(value), widthMax - labelWidth - 3, 12);
  const rest = more.map((one) => `${' '.repeat(labelWidth + 3)}${one}\n`).join('');
  return `  ${label.padEnd(labelWidth)} ${first}\n${rest}`;
}

/** A cell of a table: no bar or line break in it ends the cell, and no markup in it is taken for some. */
function cell(value: string): string {
  return printable(value)
    .replace(/[|<>*_`[\]]/g, (character) => `\\${character}`)
    .replaceAll('\n', ' ');
}

function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |\n`;
  return `${row(header)}|${header.map(() => '---').join('|')}|\n${rows.map(row).join('')}`;
}

function markdown({ asOf, authorities, comparison }: Shown, withComparison: boolean): string {
  const parts = [
    `# Custody of the CA keys\n\nAs of ${cell(textOf(asOf).replace(/\.\d+Z$/, 'Z'))}, by evidence read then.\n\n`,
    markdownTable(
      overviewColumns.map(({ header }) => header),
      authorities.map(overviewOf),
    ),
    ...authorities.map((authority) => {
      const rows = detailsOf(authority).map(({ label, value }) => [label, value]);
      return `\n## ${cell(textOf(authority.id))}\n\n${markdownTable(['', ''], rows)}`;
    }),
  ];
  if (withComparison) {
    for (const { columns, rows, title } of comparisonOf(comparison)) {
      const cells = rows.map(({ aspect, values }) => [aspect, ...values]);
      parts.push(`\n## ${cell(title)}\n\n${markdownTable(['', ...columns], cells)}`);
    }
  }
  return parts.join('');
}
