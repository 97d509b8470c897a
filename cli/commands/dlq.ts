import { type Command, type CommandContext, UsageError, wholeNumber } from '../command.ts';
import { isObject, jsonOf, textOf } from '../http-client.ts';
import { renderTable } from '../terminal/table.ts';
import { printable } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';

type Json = Readonly<Record<string, unknown>>;

const pageMax = 1_000;
/** Dead letters that one command lists or sends back at most. */
const countMaxDefault = 1_000;
const countMaxMax = 1_000_000;
const queueNameForm = /^[A-Za-z0-9_-]{1,80}$/;

const queueOption = { type: 'string', value: 'Q', help: 'only those that this queue gave up' } as const;

export const dlqCommands: readonly Command[] = [
  {
    name: 'dlq list',
    arguments: [],
    summary: 'messages that were given up: why, how often, the last error',
    options: {
      queue: queueOption,
      limit: { type: 'string', value: 'N', help: `at most this many (${countMaxDefault})` },
    },
    examples: ['npx sealwright dlq list', 'npx sealwright dlq list --queue signing-pkcs11'],
    run: list,
  },
  {
    name: 'dlq show',
    arguments: ['ID'],
    summary: 'one of them, with what the ledger says of its issuance',
    options: {},
    examples: ['npx sealwright dlq show 2-17'],
    run: show,
  },
  {
    name: 'dlq redrive',
    arguments: ['[ID]'],
    summary: 'send one back to its queue, or all; as harmless as a second delivery',
    options: {
      all: { type: 'boolean', help: 'all that wait now' },
      queue: queueOption,
    },
    examples: ['npx sealwright dlq redrive 2-17', 'npx sealwright dlq redrive --all --queue signing-pkcs11'],
    run: redrive,
  },
];

function queueOf(context: CommandContext): string | undefined {
  const queue = context.option('queue');
  if (queue !== undefined && !queueNameForm.test(queue)) throw new UsageError('--queue takes the name of a queue');
  return queue;
}

/** Those that wait, at most `countMax`. */
async function readAll(context: CommandContext, countMax: number): Promise<readonly Json[]> {
  const queue = queueOf(context);
  const letters: Json[] = [];
  let cursor = '';
  while (letters.length < countMax) {
    const query = new URLSearchParams({ limit: String(Math.min(pageMax, countMax - letters.length)) });
    if (queue !== undefined) query.set('queue', queue);
    if (cursor !== '') query.set('cursor', cursor);
    const answer = await context.service.call(
      { method: 'GET', path: `/v1/dead-letters?${query}`, repeatable: true },
      'operator',
      [200],
    );
    const body = objectOf(jsonOf(answer));
    const page = Array.isArray(body.deadLetters) ? body.deadLetters.filter(isObject) : [];
    letters.push(...page);
    cursor = textOf(body.nextCursor);
    if (cursor === '' || page.length === 0) break;
  }
  return letters;
}

async function list(context: CommandContext): Promise<number> {
  const limit = context.option('limit');
  const countMax = limit === undefined ? countMaxDefault : wholeNumber(limit, '--limit', 1, countMaxMax);
  const deadLetters = await readAll(context, countMax);
  context.answer({ deadLetters }, () => {
    if (deadLetters.length === 0) return 'no dead letters\n';
    const table = renderTable(
      [
        { header: 'id', widthMin: 5 },
        { header: 'queue', widthMin: 9 },
        { header: 'issuance', overflow: 'wrap', widthMin: 16 },
        { header: 'state', widthMin: 8 },
        { header: 'tries', align: 'right', widthMin: 5 },
        { header: 'last error', overflow: 'wrap', widthMin: 14 },
        { header: 'since', widthMin: 16 },
      ],
      deadLetters.map(rowOf),
      { color: context.color, widthMax: 120 },
    );
    return `${table}\n  npx sealwright dlq show ID    npx sealwright dlq redrive ID\n`;
  });
  return 0;
}

function rowOf(letter: Json): readonly string[] {
  const issuance = isObject(letter.issuance) ? letter.issuance : {};
  return [
    textOf(letter.id),
    textOf(letter.queue),
    textOf(letter.issuanceId) || `(${textOf(letter.body)})`,
    textOf(issuance.state) || 'unknown',
    textOf(letter.receiveCount),
    textOf(letter.lastError),
    textOf(letter.deadAt).slice(0, 16),
  ];
}

function pathOf(id: string): string {
  if (id === '.' || id === '..' || id === '') throw new UsageError('a dead letter has an id such as 2-17');
  return `/v1/dead-letters/${encodeURIComponent(id)}`;
}

async function show(context: CommandContext): Promise<number> {
  const [id = ''] = context.positionals;
  const answer = await context.service.call({ method: 'GET', path: pathOf(id), repeatable: true }, 'operator', [200]);
  const letter = objectOf(jsonOf(answer));
  context.answer(letter, () => {
    const issuance = isObject(letter.issuance) ? letter.issuance : undefined;
    const error = isObject(issuance?.lastError) ? issuance.lastError : undefined;
    const lines: readonly (readonly [string, unknown])[] = [
      ['dead letter', letter.id],
      ['queue', letter.queue],
      ['body', letter.body],
      ['deliveries', letter.receiveCount],
      ['last error', letter.lastError],
      ['sent', letter.sentAt],
      ['given up', letter.deadAt],
      ['issuance', issuance === undefined ? 'none that the ledger knows' : letter.issuanceId],
      ['state', issuance?.state],
      ['since', issuance?.stateAt],
      ['attempts', issuance?.attempts],
      ['error', error === undefined ? '' : `${textOf(error.code)}: ${textOf(error.message)} (${textOf(error.at)})`],
    ];
    return lines
      .filter(([, value]) => textOf(value) !== '')
      .map(([name, value]) => `${name.padEnd(12)} ${printable(textOf(value))}\n`)
      .join('');
  });
  return 0;
}

async function redrive(context: CommandContext): Promise<number> {
  const [id] = context.positionals;
  const all = context.flag('all');
  if ((id === undefined) !== all) throw new UsageError('dlq redrive takes an ID, or --all');
  if (id !== undefined) {
    if (context.option('queue') !== undefined) throw new UsageError('--queue goes with --all');
    await redriveOne(context, id, [200]);
    context.answer({ redriven: [id] }, () => `redriven ${printable(id)}\n`);
    return 0;
  }
  // Those that wait now: one that is given up again while this runs is not sent back a second time.
  const letters = await readAll(context, countMaxMax);
  const redriven: string[] = [];
  for (const letter of letters) {
    const one = textOf(letter.id);
    // Somebody else may have sent it back meanwhile.
    if ((await redriveOne(context, one, [200, 404])) === 200) redriven.push(one);
  }
  context.answer({ redriven }, () => `redriven ${redriven.length} of ${letters.length}\n`);
  return 0;
}

async function redriveOne(context: CommandContext, id: string, expected: readonly number[]): Promise<number> {
  const answer = await context.service.call({ method: 'POST', path: `${pathOf(id)}/redrive` }, 'operator', expected);
  return answer.status;
}
