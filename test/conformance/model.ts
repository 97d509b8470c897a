/** The service model that cases are derived from, and what a value of one of its shapes may be. */
import distilled from './model/acm-pca-2017-08-22.json' with { type: 'json' };

/** A shape of the model. `members` name shapes by member, `member` names that of a list's items. */
export interface ModelShape {
  readonly type: 'structure' | 'list' | 'string' | 'integer' | 'long' | 'boolean' | 'blob' | 'timestamp';
  readonly required?: readonly string[];
  readonly members?: Readonly<Record<string, string>>;
  readonly member?: string;
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly exception?: boolean;
}

export interface ModelOperation {
  readonly input: string;
  /** Absent: nothing is answered but success. */
  readonly output?: string;
  readonly errors: readonly string[];
}

interface Model {
  readonly source: { readonly package: string; readonly version: string };
  readonly targetPrefix: string;
  readonly operations: Readonly<Record<string, ModelOperation>>;
  readonly shapes: Readonly<Record<string, ModelShape>>;
}

export const model = distilled as unknown as Model;

/** Name and version of the package that the model is of. */
export const modelSource = `${model.source.package} ${model.source.version}`;

/** A shape by name. */
export function shapeOf(name: string): ModelShape {
  const shape = model.shapes[name];
  if (shape === undefined) throw new Error(`the model has no shape ${name}`);
  return shape;
}

/** A pattern of the model matches the whole string; it is Java's, whose classes JavaScript has with the flag u or without. */
export function patternOf(shape: ModelShape): RegExp | undefined {
  if (shape.pattern === undefined) return undefined;
  const source = `^(?:${shape.pattern})$`;
  try {
    return new RegExp(source, 'u');
  } catch {
    return new RegExp(source);
  }
}

function stringFaults(shape: ModelShape, value: unknown, at: string): readonly string[] {
  if (typeof value !== 'string') return [`${at} is no string`];
  if (shape.enum !== undefined) return shape.enum.includes(value) ? [] : [`${at} is ${value}, which is no enum value`];
  const { min = 0, max = Number.POSITIVE_INFINITY } = shape;
  if (value.length < min || value.length > max) return [`${at} has ${value.length} characters`];
  return patternOf(shape)?.test(value) === false ? [`${at} does not match its pattern`] : [];
}

function structureFaults(shape: ModelShape, value: unknown, at: string): readonly string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is no structure`];
  const members = shape.members ?? {};
  const given = Object.entries(value).filter(([, one]) => one !== null && one !== undefined);
  const names = new Set(given.map(([name]) => name));
  return [
    ...(shape.required ?? []).flatMap((name) => (names.has(name) ? [] : [`${at}.${name} is missing`])),
    ...given.flatMap(([name, one]) => {
      const member = members[name];
      return member === undefined ? [`${at}.${name} is no member`] : outputFaults(member, one, `${at}.${name}`);
    }),
  ];
}

/** What an answer's value has against its shape: [] for nothing. Timestamps of JSON 1.1 are numbers of seconds. */
export function outputFaults(shapeName: string, value: unknown, at: string): readonly string[] {
  const shape = shapeOf(shapeName);
  switch (shape.type) {
    case 'structure':
      return structureFaults(shape, value, at);
    case 'list':
      if (!Array.isArray(value)) return [`${at} is no list`];
      return value.flatMap((one, index) => outputFaults(shape.member ?? '', one, `${at}[${index}]`));
    case 'boolean':
      return typeof value === 'boolean' ? [] : [`${at} is no boolean`];
    case 'integer':
    case 'long':
    case 'timestamp':
      return typeof value === 'number' ? [] : [`${at} is no number`];
    case 'string':
    case 'blob':
      return stringFaults(shape, value, at);
  }
}
