import type { Command, OptionDescription } from './command.ts';

type Options = Readonly<Record<string, OptionDescription>>;

/** Every command in a line each, and the options all of them take. */
export function helpOf(commands: readonly Command[], globalOptions: Options): string {
  const usages = commands.map((command) => [command.name, ...command.arguments].join(' '));
  const width = Math.max(...usages.map((usage) => usage.length));
  return [
    'usage: npx sealwright COMMAND [OPTION...]\n\n',
    ...commands.map((command, index) => `  ${usages[index]!.padEnd(width)}  ${command.summary}\n`),
    '\noptions of every command:\n',
    optionLines(globalOptions),
    '\nnpx sealwright COMMAND --help says more. Exit status: 0 done, 1 refused or failed, 2 usage.\n',
    'Without a running service: npm start.\n',
  ].join('');
}

export function helpOfCommand(command: Command, globalOptions: Options): string {
  const own = Object.keys(command.options).length > 0;
  return [
    `usage: npx sealwright ${[command.name, ...command.arguments].join(' ')} [OPTION...]\n\n${command.summary}\n`,
    own ? `\noptions:\n${optionLines(command.options)}` : '',
    `\noptions of every command:\n${optionLines(globalOptions)}`,
    command.examples.length > 0 ? `\nexamples:\n${command.examples.map((example) => `  ${example}\n`).join('')}` : '',
  ].join('');
}

function optionLines(options: Options): string {
  const names = Object.entries(options).map(
    ([name, { value }]) => `--${name}${value === undefined ? '' : ` ${value}`}`,
  );
  const width = Math.max(...names.map((name) => name.length));
  return Object.values(options)
    .map(({ help }, index) => `  ${names[index]!.padEnd(width)}  ${help}\n`)
    .join('');
}
