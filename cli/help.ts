import type { Command, OptionDescription } from './command.ts';
import { wrap } from './terminal/text.ts';

type Options = Readonly<Record<string, OptionDescription>>;

interface Group {
  readonly title: string;
  readonly commands: readonly Command[];
}

const columnsMax = 100;
const linesMax = 8;
const start = 'Without a running service: npm start.\n';
const statuses = 'Exit status: 0 done, 1 refused or failed, 2 usage.\n';

/** Every command with what it does, by purpose, and the options all of them take. */
export function helpOf(groups: readonly Group[], globalOptions: Options): string {
  const width = usageWidth(groups.flatMap(({ commands }) => commands));
  return [
    'usage: npx sealwright COMMAND [OPTION...]\n',
    ...groups.map(({ commands, title }) => `\n${title}:\n${commandLines(commands, width)}`),
    `\noptions of every command:\n${optionLines(globalOptions)}`,
    `\nnpx sealwright COMMAND --help says more, with examples.\n${statuses}${start}`,
  ].join('');
}

/** The commands that begin with a word, such as `hierarchy`, with an example of each. */
export function helpOfFamily(word: string, commands: readonly Command[], globalOptions: Options): string {
  const examples = commands.flatMap((command) => command.examples.slice(0, 1));
  return [
    `usage: npx sealwright ${word} COMMAND [OPTION...]\n\n${commandLines(commands, usageWidth(commands))}`,
    exampleLines(examples),
    `\noptions of every command:\n${optionLines(globalOptions)}`,
    `\nnpx sealwright ${word} COMMAND --help has the options of each.\n${statuses}`,
  ].join('');
}

export function helpOfCommand(command: Command, globalOptions: Options): string {
  const own = Object.keys(command.options).length > 0;
  return [
    `usage: npx sealwright ${usageOf(command)} [OPTION...]\n\n${wrap(command.summary, columnsMax, linesMax).join('\n')}\n`,
    own ? `\noptions:\n${optionLines(command.options)}` : '',
    exampleLines(command.examples),
    `\noptions of every command:\n${optionLines(globalOptions)}`,
  ].join('');
}

function usageOf(command: Command): string {
  return [command.name, ...command.arguments].join(' ');
}

function usageWidth(commands: readonly Command[]): number {
  return Math.max(...commands.map((command) => usageOf(command).length));
}

function commandLines(commands: readonly Command[], width: number): string {
  return commands.map((command) => explained(usageOf(command), width, command.summary)).join('');
}

function exampleLines(examples: readonly string[]): string {
  return examples.length === 0 ? '' : `\nexamples:\n${examples.map((example) => `  ${continued(example)}\n`).join('')}`;
}

/** A long command goes on in the next line, before one of its options, so that it can still be pasted. */
function continued(example: string): string {
  if (example.length <= columnsMax - 2) return example;
  const at = example.lastIndexOf(' --', columnsMax - 4);
  return at < 0 ? example : `${example.slice(0, at)} \\\n   ${continued(example.slice(at))}`;
}

function optionLines(options: Options): string {
  const names = Object.entries(options).map(
    ([name, { value }]) => `--${name}${value === undefined ? '' : ` ${value}`}`,
  );
  const width = Math.max(...names.map((name) => name.length));
  return Object.values(options)
    .map(({ help }, index) => explained(names[index]!, width, help))
    .join('');
}

/** A term and what it means, beside it; further lines under the first. */
function explained(term: string, width: number, meaning: string): string {
  return wrap(meaning, columnsMax - width - 4, linesMax)
    .map((line, index) => `  ${(index === 0 ? term : '').padEnd(width)}  ${line}\n`)
    .join('');
}
