import { type Command, type CommandContext, UsageError, writeSlowly } from '../command.ts';
import { isObject, jsonOf, textOf } from '../http-client.ts';
import { printable } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';
import { searchPages } from './search-pages.ts';

const filters = ['issuer', 'owner', 'fleet', 'profile', 'serial', 'fingerprint', 'key', 'name', 'credential', 'status'];
const instants = ['not-after-before', 'not-after-after'];
const parameterOf = (option: string) => option.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
/** Certificates a page: some 50 KB, which come in one piece. Longer texts and buffers are garbage that V8 leaves lying for long. */
const pageMax = '100';

export const filterOptions: Command['options'] = {
  ...Object.fromEntries(filters.map((name) => [name, { type: 'string', value: 'TEXT', help: `its ${name}` }])),
  ...Object.fromEntries(
    instants.map((name) => [name, { type: 'string', value: 'INSTANT', help: 'as 2027-01-31T00:00:00Z' }]),
  ),
};

export const searchCommands: readonly Command[] = [
  {
    name: 'search',
    arguments: [],
    summary: 'certificates by any mix of filters; streams all of them',
    options: {
      ...filterOptions,
      all: { type: 'boolean', help: 'every certificate there is, where no filter bounds the search' },
      format: { type: 'string', value: 'FORMAT', help: 'ndjson, csv or json instead of lines for people' },
    },
    examples: [
      'npx sealwright search --owner plant-7 --status issued',
      'npx sealwright search --issuer devices --format csv > devices.csv',
      'npx sealwright search --all --format ndjson > all.ndjson',
    ],
    run: search,
  },
  {
    name: 'show',
    arguments: ['FINGERPRINT'],
    summary: 'one certificate with its whole history',
    options: {},
    examples: ['npx sealwright show 9f86d0…0f00a08'],
    run: show,
  },
];

/** The filters of the command line as the service takes them. */
export function searchQuery(context: CommandContext): URLSearchParams {
  const query = new URLSearchParams({ limit: pageMax });
  for (const name of [...filters, ...instants]) {
    const value = context.option(name);
    if (value !== undefined) query.set(parameterOf(name), value);
  }
  return query;
}

/** Any notAfter: every certificate is in this window. */
const anyTime = '1970-01-01T00:00:00Z';
const formats = ['text', 'ndjson', 'csv', 'json'];

/** A page at a time, written as it comes and as it is read: a million certificates take no more memory than a thousand. */
async function search(context: CommandContext): Promise<number> {
  const format = context.json ? 'ndjson' : (context.option('format') ?? 'text');
  if (!formats.includes(format)) throw new UsageError('--format is ndjson, csv or json');
  const query = searchQuery(context);
  if (context.flag('all') && !query.has('notAfterAfter')) query.set('notAfterAfter', anyTime);
  const { stdout } = context.io;
  let count = 0;
  for await (const answer of searchPages(context, query, format === 'csv' ? 'text/csv' : 'application/x-ndjson')) {
    if (format === 'ndjson' || format === 'csv') {
      await writeSlowly(stdout, answer.body);
      continue;
    }
    const lines = answer.body
      .toString('utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    if (format === 'text') await writeSlowly(stdout, lines.map(lineOf).join(''));
    else
      await writeSlowly(
        stdout,
        lines.map((line, n) => `${count + n === 0 ? '{"certificates":[\n' : ',\n'}${line}`).join(''),
      );
    count += lines.length;
  }
  if (format === 'json') stdout.write(count === 0 ? '{"certificates":[]}\n' : '\n]}\n');
  if (format === 'text') stdout.write(count === 1 ? '1 certificate\n' : `${count} certificates\n`);
  return 0;
}

function lineOf(line: string): string {
  const found = objectOf(JSON.parse(line));
  const [name = ''] = Array.isArray(found.names) ? found.names.map(textOf) : [];
  const day = textOf(found.notAfter).slice(0, 10);
  const whose = `${textOf(found.owner)} / ${textOf(found.fleet)}`;
  const second = `  ${textOf(found.status)}, until ${day}, ${textOf(found.issuer)}, ${whose}: ${name}`;
  return `${printable(textOf(found.fingerprint))}\n${printable(second)}\n`;
}

async function show(context: CommandContext): Promise<number> {
  const [fingerprint = ''] = context.positionals;
  const path = `/v1/certificates/${encodeURIComponent(fingerprint)}`;
  const found = objectOf(
    jsonOf(await context.service.call({ method: 'GET', path, repeatable: true }, 'operator', [200])),
  );
  context.answer(found, () => {
    const facts = Object.entries(found).filter(([name]) => name !== 'history');
    const shown = (value: unknown) => (Array.isArray(value) ? value.map(textOf).join(' ') : textOf(value));
    const changes = Array.isArray(found.history) ? found.history.filter(isObject) : [];
    return [
      ...facts.map(([name, value]) => `${name.padEnd(14)} ${shown(value) || '–'}`),
      ...changes.map((change) => `${textOf(change.at)}  ${textOf(change.to)}`),
    ]
      .map((line) => `${printable(line)}\n`)
      .join('');
  });
  return 0;
}
