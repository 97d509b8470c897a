/**
 * Cases of the inputs: for each member of each operation, what the model's constraints refuse and what they take. They name a
 * CA that is not there, so that they cost nothing and change nothing: constraints are judged before it is looked for.
 */
import { model, shapeOf } from '../model.ts';
import { type ConformanceCase, Nonconformity } from '../suite.ts';
import { exampleOf, type MemberPath, memberPaths, textOffPattern, textOfLength, withValue } from '../values.ts';
import { newAuthority, type World } from '../world.ts';

interface Probe {
  readonly what: string;
  readonly value: unknown;
}

interface Probes {
  readonly refused: readonly Probe[];
  readonly taken: readonly Probe[];
  /** Values of another JSON type. */
  readonly unreadable: readonly Probe[];
}

interface Lengths {
  readonly min?: number;
  readonly max?: number;
}

/** The lengths that a shape says, and those beside them. */
function sized<T>({ min, max }: Lengths, make: (length: number) => T | undefined): Omit<Probes, 'unreadable'> {
  const probe = (length: number | undefined): readonly Probe[] => {
    const value = length === undefined || length < 0 ? undefined : make(length);
    return value === undefined ? [] : [{ what: `length ${length}`, value }];
  };
  const [under, over] = [min === undefined ? undefined : min - 1, max === undefined ? undefined : max + 1];
  return { refused: [...probe(under), ...probe(over)], taken: [...probe(min), ...probe(max)] };
}

/** A text of a length that is not the shape's need not match its pattern. */
function textProbes(name: string): Omit<Probes, 'unreadable'> {
  const shape = shapeOf(name);
  if (shape.enum !== undefined) {
    return {
      refused: [{ what: 'no enum value', value: 'NO_SUCH_VALUE' }],
      taken: shape.enum.map((value) => ({ what: value, value })),
    };
  }
  const { min = 0, max } = shape;
  const isInside = (length: number): boolean => length >= min && (max === undefined || length <= max);
  const make = (length: number) => textOfLength(name, length) ?? (isInside(length) ? undefined : 'a'.repeat(length));
  const byLength = sized(shape, make);
  const off = textOffPattern(name);
  const offPattern =
    off === undefined ? [] : [{ what: `${JSON.stringify(off.slice(0, 8))} off its pattern`, value: off }];
  return { refused: [...byLength.refused, ...offPattern], taken: byLength.taken };
}

function numberProbes(name: string): Omit<Probes, 'unreadable'> {
  const { min, max } = shapeOf(name);
  const probe = (value: number | undefined): readonly Probe[] =>
    value === undefined ? [] : [{ what: String(value), value }];
  return {
    refused: [...probe(min === undefined ? undefined : min - 1), ...probe(max === undefined ? undefined : max + 1)],
    taken: [...probe(min), ...probe(max)],
  };
}

function probesOf(name: string): Probes {
  const shape = shapeOf(name);
  const wrong = (value: unknown): readonly Probe[] => [{ what: `a JSON ${typeof value}`, value }];
  switch (shape.type) {
    case 'string':
      return { ...textProbes(name), unreadable: wrong({}) };
    case 'integer':
    case 'long':
      return { ...numberProbes(name), unreadable: wrong({}) };
    case 'boolean':
      return { refused: [], taken: [{ what: 'true', value: true }], unreadable: wrong({}) };
    case 'blob':
      return {
        ...sized(shape, (length) => Buffer.alloc(length, 'x').toString('base64')),
        unreadable: wrong({}),
      };
    case 'list': {
      const item = exampleOf(shape.member ?? '');
      return { ...sized(shape, (length) => Array(length).fill(item)), unreadable: wrong('a') };
    }
    case 'structure':
      return { refused: [], taken: [], unreadable: wrong('a') };
    case 'timestamp':
      return { refused: [], taken: [], unreadable: [] };
  }
}

/** Input of the operation that breaks no constraint and comes to nothing: no such CA, or a tag key that is reserved. */
function baseOf(operation: string, world: World): Record<string, unknown> {
  if (operation === 'CreateCertificateAuthority') {
    return newAuthority({ Tags: [{ Key: 'aws:reserved', Value: 'no' }] });
  }
  const input = exampleOf(model.operations[operation]?.input ?? '') as Record<string, unknown>;
  const arn = world.absentAuthority();
  for (const name of ['CertificateAuthorityArn', 'ResourceArn']) if (name in input) input[name] = arn;
  return input;
}

function shownPath({ steps }: MemberPath): string {
  return steps.join('.').replaceAll('.[]', '[]');
}

/** What a constraint says of itself in a ValidationException; other refusals have the same name. */
const constraintText = /failed to satisfy constraint/i;

async function judge(world: World, operation: string, path: MemberPath, probe: Probe, wanted: keyof Probes) {
  const inputShape = model.operations[operation]?.input ?? '';
  const input = withValue(baseOf(operation, world), inputShape, path.steps, probe.value) as object;
  const answer = await world.call(operation, input);
  const seen = answer.ok ? 'success' : answer.code || `HTTP ${answer.status} without a code`;
  const fits = {
    refused: seen === 'ValidationException',
    unreadable: seen === 'SerializationException' || seen === 'ValidationException',
    taken: answer.ok || (answer.code !== '' && isTaken(answer.code, answer.message)),
  }[wanted];
  if (!fits) {
    const expected =
      wanted === 'taken' ? 'taken' : `refused (${wanted === 'refused' ? 'Validation' : 'Serialization'}Exception)`;
    throw new Nonconformity(`${shownPath(path)}: ${probe.what} should be ${expected}, answered ${seen}`);
  }
}

function isTaken(code: string, message: string): boolean {
  const isConstraint = code === 'ValidationException' && constraintText.test(message);
  return !isConstraint && !['SerializationException', 'UnknownOperationException', 'InternalFailure'].includes(code);
}

function casesOfMember(operation: string, path: MemberPath): readonly ConformanceCase[] {
  const probes = probesOf(path.shapeName);
  const missing: readonly Probe[] = path.required ? [{ what: 'a missing value', value: undefined }] : [];
  const refused = [...missing, ...probes.refused];
  const name = `model/${operation}.${shownPath(path)}`;
  const reference = `${operation}, shape ${path.shapeName}`;
  const run = (list: readonly Probe[], wanted: keyof Probes) => async (world: World) => {
    for (const probe of list) await judge(world, operation, path, probe, wanted);
  };
  const one = (suffix: string, list: readonly Probe[], wanted: keyof Probes): readonly ConformanceCase[] => {
    if (list.length === 0) return [];
    // What CreateCertificateAuthority takes might make a CA, were the target not to refuse the reserved tag.
    const cost = wanted === 'refused' || operation !== 'CreateCertificateAuthority' ? 'none' : 'authority';
    return [{ name: `${name} ${suffix}`, source: 'model', reference, cost, run: run(list, wanted) }];
  };
  return [
    ...one('refuses', refused, 'refused'),
    ...one('takes', probes.taken, 'taken'),
    ...one('type', probes.unreadable, 'unreadable'),
  ];
}

/** Subjects and extensions nest the same shapes in many places: the constraints of each are judged once in an operation. */
function distinct(paths: readonly MemberPath[]): readonly MemberPath[] {
  const seen = new Set<string>();
  return paths.filter(({ steps, shapeName }) => {
    const key = `${steps.at(-1)} ${steps.at(-2)} ${shapeName}`;
    if (steps.length <= 2) return true;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** A case for each constraint group of each member, and that an unknown member is let pass. */
export const modelInputCases: readonly ConformanceCase[] = Object.keys(model.operations).flatMap((operation) => {
  const unknown: ConformanceCase = {
    name: `model/${operation} ignores an unknown member`,
    source: 'model',
    reference: 'AWS JSON 1.1: members a server does not know are ignored',
    cost: operation === 'CreateCertificateAuthority' ? 'authority' : 'none',
    run: async (world) => {
      const answer = await world.call(operation, { ...baseOf(operation, world), NoSuchMember: 1 });
      if (!answer.ok && !isTaken(answer.code, answer.message)) throw new Nonconformity(`answered ${answer.code}`);
    },
  };
  return [unknown, ...distinct(memberPaths(operation)).flatMap((path) => casesOfMember(operation, path))];
});
