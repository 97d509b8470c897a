/** Values that a shape of the model takes, and values that it must not. */
import { type ModelShape, model, patternOf, shapeOf } from './model.ts';

/** Texts that the patterns of the model take, by shape; any other pattern takes a letter. */
const examples: Readonly<Record<string, string>> = {
  Arn: 'arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/00000000-0000-4000-8000-000000000000',
  AccountId: '000000000000',
  AuditReportId: '00000000-0000-4000-8000-000000000000',
  Base64String1To4096: 'AAAA',
  CountryCodeString: 'DE',
  CustomObjectIdentifier: '1.2.3',
  S3BucketName: 'conformance-bucket',
  S3BucketName3To255: 'conformance-bucket',
  Principal: 'acm.amazonaws.com',
};
const fillers = ['a', '1', 'A', 'AAAA', '.1', '/a'];
/** One of these breaks any pattern that there is. */
const breakers = ['\u0000', '\u20ac', ' ', '!', '\u0007', 'a b', '{', '\n'];

/** A text of exactly `length` characters that the shape's pattern takes; undefined where none is found. */
export function textOfLength(name: string, length: number): string | undefined {
  const shape = shapeOf(name);
  const pattern = patternOf(shape);
  const stem = examples[name] ?? '';
  const texts = fillers.flatMap((filler) => {
    const missing = length - stem.length;
    const grown = missing < 0 ? '' : `${stem}${filler.repeat(Math.ceil(missing / filler.length)).slice(0, missing)}`;
    return [grown, filler.repeat(Math.ceil(length / filler.length)).slice(0, length)];
  });
  return texts.find((text) => text.length === length && pattern?.test(text) !== false);
}

/** A text of a length that the shape takes and that its pattern does not; undefined where the pattern takes all. */
export function textOffPattern(name: string): string | undefined {
  const { min = 0, max = Number.POSITIVE_INFINITY } = shapeOf(name);
  const pattern = patternOf(shapeOf(name));
  if (pattern === undefined) return undefined;
  const texts = breakers.map((breaker) => breaker.repeat(Math.ceil(Math.max(1, min) / breaker.length)));
  return texts.map((text) => text.slice(0, max)).find((text) => text.length >= min && !pattern.test(text));
}

/** A value that the shape takes: what is required and nothing else. */
export function exampleOf(name: string): unknown {
  const shape = shapeOf(name);
  switch (shape.type) {
    case 'structure':
      return Object.fromEntries(
        (shape.required ?? []).map((member) => [member, exampleOf(memberShape(shape, member))]),
      );
    case 'list':
      return [exampleOf(shape.member ?? '')];
    case 'string':
      return shape.enum?.[0] ?? examples[name] ?? textOfLength(name, Math.max(1, shape.min ?? 1)) ?? '';
    case 'integer':
    case 'long':
      return shape.min ?? 1;
    case 'boolean':
      return false;
    case 'blob':
      return 'AAAA';
    case 'timestamp':
      return 0;
  }
}

/** Shape name of a structure's member. */
export function memberShape(shape: ModelShape, member: string): string {
  const name = shape.members?.[member];
  if (name === undefined) throw new Error(`the shape has no member ${member}`);
  return name;
}

/** A member of an operation's input, however deep: names of members, and [] for the items of a list. */
export interface MemberPath {
  readonly steps: readonly string[];
  readonly shapeName: string;
  readonly required: boolean;
}

/** Every member of an operation's input. */
export function memberPaths(operation: string): readonly MemberPath[] {
  const visit = (shapeName: string, steps: readonly string[]): readonly MemberPath[] => {
    const shape = shapeOf(shapeName);
    if (shape.type === 'list') {
      const item = { steps: [...steps, '[]'], shapeName: shape.member ?? '', required: false };
      return [item, ...visit(item.shapeName, item.steps)];
    }
    if (shape.type !== 'structure') return [];
    return Object.entries(shape.members ?? {}).flatMap(([member, inner]) => {
      const path = { steps: [...steps, member], shapeName: inner, required: shape.required?.includes(member) ?? false };
      return [path, ...visit(inner, path.steps)];
    });
  };
  return visit(model.operations[operation]?.input ?? '', []);
}

/**
 * `base` with `value` at the path; what stands above it is made of what is required. `undefined` takes the member away.
 */
export function withValue(base: unknown, shapeName: string, steps: readonly string[], value: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  const shape = shapeOf(shapeName);
  if (step === '[]') {
    const [first = exampleOf(shape.member ?? '')] = (base as unknown[] | undefined) ?? [];
    return [withValue(first, shape.member ?? '', rest, value)];
  }
  const container = (base ?? exampleOf(shapeName)) as Record<string, unknown>;
  const inner = withValue(container[step], memberShape(shape, step), rest, value);
  const { [step]: _old, ...others } = container;
  return inner === undefined ? others : { ...others, [step]: inner };
}
