import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  type Command,
  type CommandContext,
  CommandFailure,
  type CommandIo,
  type OptionDescription,
  UsageError,
} from './command.ts';
import { commands as allCommands, commandGroups } from './commands/index.ts';
import { helpOf, helpOfCommand, helpOfFamily } from './help.ts';
import { connect, urlDefault } from './service.ts';
import { printable, printableJson, styled, wantsColor } from './terminal/text.ts';

export const globalOptions: Readonly<Record<string, OptionDescription>> = {
  url: { type: 'string', value: 'URL', help: `address of the service (SEALWRIGHT_URL, ${urlDefault})` },
  state: {
    type: 'string',
    value: 'DIR',
    help: 'state folder (.sealwright); its tokens.json is used unless SEALWRIGHT_TOKEN is set',
  },
  json: { type: 'boolean', help: 'one JSON object on standard output' },
  help: { type: 'boolean', help: 'this help' },
  version: { type: 'boolean', help: 'the version' },
};

/** Runs a command line. Answers the exit status: 0 done, 1 refused or failed, 2 usage. */
export async function main(
  argv: readonly string[],
  io: CommandIo,
  commands: readonly Command[] = allCommands,
): Promise<number> {
  const json = argv.includes('--json');
  try {
    return await dispatch(argv, io, commands);
  } catch (error) {
    const color = wantsColor(io.stderr, io.environment);
    if (error instanceof UsageError) {
      io.stderr.write(`${styled('sealwright', 'bold', color)}: ${error.message}\n`);
      return 2;
    }
    if (error instanceof CommandFailure) {
      if (json)
        io.stdout.write(
          `${printableJson({ error: { code: error.code, message: error.message, next: error.next } })}\n`,
        );
      else
        io.stderr.write(
          `${styled('✗', 'red', color)} ${error.message}\n${error.next.map((line) => `  → ${line}\n`).join('')}`,
        );
      return 1;
    }
    throw error;
  }
}

async function dispatch(argv: readonly string[], io: CommandIo, commands: readonly Command[]): Promise<number> {
  const { before, words } = splitGlobals(argv);
  const command = longestMatch(words, commands);
  if (command === undefined) return withoutCommand(before, words, io, commands);
  const rest = [...before, ...words.slice(command.name.split(' ').length)];
  const parsed = parse(rest, command);
  if (parsed.values.help === true) {
    io.stdout.write(helpOfCommand(command, globalOptions));
    return 0;
  }
  const most = command.arguments.length;
  const least = command.arguments.filter((name) => !name.startsWith('[')).length;
  if (parsed.positionals.length < least)
    throw new UsageError(`${command.name} needs ${command.arguments[parsed.positionals.length]}; ${helpHint(command)}`);
  if (parsed.positionals.length > most)
    throw new UsageError(`${command.name} takes ${most === 0 ? 'no arguments' : most}; ${helpHint(command)}`);
  if (parsed.positionals.some((value) => value === '')) throw new UsageError(`an argument of ${command.name} is empty`);
  return command.run(contextOf(parsed, io));
}

interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
}

function parse(args: readonly string[], command: Command): Parsed {
  const options = Object.fromEntries(
    Object.entries({ ...globalOptions, ...command.options }).map(([name, { type, multiple }]) => [
      name,
      { type, multiple: multiple ?? false },
    ]),
  );
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const [message = ''] = (error as Error).message.split('. ');
    throw new UsageError(`${printable(message)}; ${helpHint(command)}`);
  }
}

function contextOf({ values, positionals }: Parsed, io: CommandIo): CommandContext {
  const option = (name: string) => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const json = values.json === true;
  const url = option('url') ?? (io.environment.SEALWRIGHT_URL || urlDefault);
  const service = connect({ url, stateFolder: option('state'), io });
  return {
    io,
    positionals,
    option,
    optionList: (name) => {
      const value = values[name];
      return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
    },
    flag: (name) => values[name] === true,
    json,
    color: wantsColor(io.stdout, io.environment),
    url: service.client.baseUrl,
    service,
    answer: (object, text) => io.stdout.write(json ? `${printableJson(object)}\n` : text()),
  };
}

/** Options that stand before the command, and what follows them. */
function splitGlobals(argv: readonly string[]): {
  readonly before: readonly string[];
  readonly words: readonly string[];
} {
  let index = 0;
  while (index < argv.length) {
    const [name, value] = (argv[index]!.startsWith('--') ? argv[index]!.slice(2) : '').split('=', 2);
    const option = Object.hasOwn(globalOptions, name!) ? globalOptions[name!] : undefined;
    if (option === undefined) break;
    index += option.type === 'string' && value === undefined ? 2 : 1;
  }
  return { before: argv.slice(0, index), words: argv.slice(index) };
}

function longestMatch(words: readonly string[], commands: readonly Command[]): Command | undefined {
  return commands
    .filter((command) => command.name.split(' ').every((word, index) => words[index] === word))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

function withoutCommand(
  before: readonly string[],
  words: readonly string[],
  io: CommandIo,
  commands: readonly Command[],
): number {
  const [word] = words;
  if (word === undefined || word === '-h' || word === 'help') {
    if (before.includes('--version')) {
      io.stdout.write(`sealwright ${version()}\n`);
      return 0;
    }
    const asked = word !== undefined || before.includes('--help');
    (asked ? io.stdout : io.stderr).write(helpOf(commandGroups, globalOptions));
    return asked ? 0 : 2;
  }
  const family = commands.filter((command) => command.name.startsWith(`${word} `));
  if (family.length > 0) {
    if (words.includes('--help')) {
      io.stdout.write(helpOfFamily(word, family, globalOptions));
      return 0;
    }
    throw new UsageError(`${word} is followed by ${family.map(({ name }) => name.slice(word.length + 1)).join(', ')}`);
  }
  const kind = word.startsWith('-') ? 'option' : 'command';
  throw new UsageError(`there is no ${kind} ${printable(word)}; npx sealwright --help lists what there is`);
}

function helpHint(command: Command): string {
  return `npx sealwright ${command.name} --help`;
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  };
  return text;
}
