import type { ParsedOptions } from './read-options.ts';

/** A command of the bench whose result is one object. */
export interface BenchCommand<Options extends { readonly json: boolean }, Result> {
  readonly usage: string;
  readonly parse: (args: readonly string[]) => ParsedOptions<Options>;
  readonly measure: (options: Options) => Promise<Result>;
  readonly render: (result: Result) => string;
  readonly isSound: (result: Result) => boolean;
}

/** Reads the command line, measures, tells. Answers the exit status: 0, 1 for a result that is not sound, 2 for a wrong option. */
export function benchCommand<Options extends { readonly json: boolean }, Result>(
  command: BenchCommand<Options, Result>,
): (args: readonly string[]) => Promise<number> {
  const { isSound, measure, parse, render, usage } = command;
  return async (args) => {
    const parsed = parse(args);
    if (parsed.kind === 'help') {
      process.stdout.write(usage);
      return 0;
    }
    if (parsed.kind === 'usage') {
      process.stderr.write(`${parsed.faults.join('\n')}\n\n${usage}`);
      return 2;
    }
    const { options } = parsed;
    const result = await measure(options);
    process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : render(result));
    return isSound(result) ? 0 : 1;
  };
}
