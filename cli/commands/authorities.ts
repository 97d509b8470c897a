import type { Command, CommandContext } from '../command.ts';
import { certificateBlocks, isObject, jsonOf, textOf } from '../http-client.ts';
import { type Column, renderTable } from '../terminal/table.ts';
import { printable } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';

type Row = Readonly<Record<string, unknown>>;

export const authoritiesCommands: readonly Command[] = [
  {
    name: 'authorities',
    arguments: ['[ID]'],
    summary: 'the CAs: tier, backend, custody, validity, certificates outstanding; or one of them',
    options: { pem: { type: 'boolean', help: 'the certificate of ID and its chain, as PEM' } },
    examples: ['npx sealwright authorities', 'npx sealwright authorities root --pem > root.pem'],
    run: (context) => (context.positionals[0] === undefined ? list(context) : one(context, context.positionals[0])),
  },
  {
    name: 'hierarchy show',
    arguments: [],
    summary: 'show the CAs of a running service as a tree',
    options: {},
    examples: ['npx sealwright hierarchy show'],
    run: list,
  },
];

const columns: readonly Column[] = [
  { header: 'CA', widthMin: 14 },
  { header: 'tier' },
  { header: 'backend' },
  { header: 'custody' },
  { header: 'not after', widthMin: 10 },
  { header: 'outstanding', align: 'right' },
  { header: 'status', widthMin: 6 },
];

async function list(context: CommandContext): Promise<number> {
  const answer = await context.service.call(
    { method: 'GET', path: '/v1/authorities', repeatable: true },
    undefined,
    [200],
  );
  const { authorities: listed } = objectOf(jsonOf(answer));
  const authorities = (Array.isArray(listed) ? listed : []).filter(isObject);
  context.answer({ authorities }, () => {
    const rows = tree(authorities).map(({ depth, row }) => [
      `${'  '.repeat(depth)}${textOf(row.id)}`,
      textOf(row.tier),
      textOf(row.backend),
      textOf(row.custodyModel),
      textOf(row.notAfter).slice(0, 10) || '–',
      textOf(row.outstanding),
      textOf(row.status),
    ]);
    const absent = authorities.some((row) => row.status === 'absent');
    return (
      renderTable(columns, rows, { color: context.color }) +
      (absent ? '\nabsent: not brought up, or its backend is not there; npm start says why\n' : '')
    );
  });
  return 0;
}

const depthMax = 8;

/** Children after their parent, in the order they came. A row whose parent is not listed stands at the top. */
function tree(rows: readonly Row[]): readonly { readonly depth: number; readonly row: Row }[] {
  const ids = new Set(rows.map((row) => row.id));
  const below = (parent: unknown, depth: number): readonly { readonly depth: number; readonly row: Row }[] =>
    depth > depthMax
      ? []
      : rows
          .filter((row) => row.parent === parent && row.id !== parent)
          .flatMap((row) => [{ depth, row }, ...below(row.id, depth + 1)]);
  return rows.filter((row) => !ids.has(row.parent)).flatMap((row) => [{ depth: 0, row }, ...below(row.id, 1)]);
}

async function one(context: CommandContext, id: string): Promise<number> {
  const path = `/v1/authorities/${encodeURIComponent(id)}`;
  if (context.flag('pem')) {
    const headers = { accept: 'application/x-pem-file, application/problem+json' };
    const answer = await context.service.call(
      { method: 'GET', path: `${path}/certificate`, headers, repeatable: true },
      undefined,
      [200],
    );
    const pem = certificateBlocks(answer.body.toString('latin1')).join('');
    context.answer({ id, pem }, () => pem);
    return 0;
  }
  const authority = objectOf(
    jsonOf(await context.service.call({ method: 'GET', path, repeatable: true }, undefined, [200])),
  );
  context.answer(authority, () =>
    Object.entries(authority)
      .map(
        ([name, value]) =>
          `${printable(name).padEnd(14)} ${printable(Array.isArray(value) ? value.map(textOf).join(', ') : textOf(value) || '–')}\n`,
      )
      .join(''),
  );
  return 0;
}
