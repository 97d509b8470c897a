import { type ParseArgsConfig, parseArgs } from 'node:util';

export type ParsedOptions<Options> =
  | { readonly kind: 'options'; readonly options: Options }
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly faults: readonly string[] };

export interface OptionReader {
  text(name: string): string | undefined;
  flag(name: string): boolean;
  /** A whole number from `min` to `max`; `otherwise` where it is not given, and where it is at fault. */
  count(name: string, otherwise: number, min: number, max: number): number;
  /** The same of several, apart by commas; each once, in the order given. */
  counts(name: string, otherwise: readonly number[], min: number, max: number): readonly number[];
  fault(text: string): void;
}

/** Reads a command line, beside the named options `--json` and `--help`; every fault at once. */
export function readOptions<Options>(
  args: readonly string[],
  named: NonNullable<ParseArgsConfig['options']>,
  read: (reader: OptionReader) => Options,
): ParsedOptions<Options> {
  const common = {
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  } as const;
  let values: Readonly<Record<string, unknown>>;
  try {
    values = parseArgs({ args: [...args], options: { ...named, ...common } }).values;
  } catch (cause) {
    return { kind: 'usage', faults: [(cause as Error).message] };
  }
  if (values.help === true) return { kind: 'help' };
  const faults: string[] = [];
  const text = (name: string) => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const wholeNumber = (given: string, min: number, max: number) => {
    const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  };
  const options = read({
    text,
    flag: (name) => values[name] === true,
    count(name, otherwise, min, max) {
      const given = text(name);
      if (given === undefined) return otherwise;
      const value = wholeNumber(given, min, max);
      if (value !== undefined) return value;
      faults.push(`--${name}: a whole number from ${min} to ${max}`);
      return otherwise;
    },
    counts(name, otherwise, min, max) {
      const given = text(name);
      if (given === undefined) return otherwise;
      const values = given.split(',').flatMap((one) => wholeNumber(one, min, max) ?? []);
      if (values.length === given.split(',').length) return [...new Set(values)];
      faults.push(`--${name}: whole numbers from ${min} to ${max}, apart by commas`);
      return otherwise;
    },
    fault: (fault) => void faults.push(fault),
  });
  return faults.length > 0 ? { kind: 'usage', faults } : { kind: 'options', options };
}
