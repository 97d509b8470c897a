/**
 * A small language for the service model's shapes, and the check of a JSON value against one. It does what the common front
 * of AWS services does before an operation runs: wrong JSON types are a SerializationException, broken constraints one
 * ValidationException that lists all of them. Members that the shape does not know are left out.
 */
import { refuse } from '../errors.ts';

export type Shape = StringShape | NumberShape | BlobShape | ListShape | StructureShape | { readonly kind: 'boolean' };

interface StringShape {
  readonly kind: 'string';
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: RegExp;
  readonly values?: readonly string[];
}
interface NumberShape {
  readonly kind: 'number';
  readonly min?: number;
  readonly max?: number;
}
interface BlobShape {
  readonly kind: 'blob';
  readonly min: number;
  readonly max: number;
}
interface ListShape {
  readonly kind: 'list';
  readonly member: Shape;
  readonly min: number;
  readonly max: number;
}
export interface StructureShape {
  readonly kind: 'structure';
  readonly required: readonly string[];
  readonly members: Readonly<Record<string, Shape>>;
}

type Constraints<S extends Shape> = Omit<S, 'kind'>;

/** Shape of a string; `pattern` is anchored by the caller. */
export function string(constraints: Constraints<StringShape> = {}): Shape {
  return { kind: 'string', ...constraints };
}
/** Shape of an enumeration. */
export function oneOf(...values: readonly string[]): Shape {
  return { kind: 'string', values };
}
/** Shape of an integer or a long. */
export function number(constraints: Constraints<NumberShape> = {}): Shape {
  return { kind: 'number', ...constraints };
}
/** Shape of a blob, base64 on the wire; lengths in bytes. */
export function blob(min: number, max: number): Shape {
  return { kind: 'blob', min, max };
}
/** Shape of a list; lengths in members. */
export function list(member: Shape, min: number, max: number): Shape {
  return { kind: 'list', member, min, max };
}
export const boolean: Shape = { kind: 'boolean' };

/** Shape of a structure: a member named with a final '!' is required. */
export function structure(members: Readonly<Record<string, Shape>>): StructureShape {
  const entries = Object.entries(members).map(([name, shape]) => [name.replace(/!$/, ''), shape] as const);
  const required = Object.keys(members).flatMap((name) => (name.endsWith('!') ? [name.slice(0, -1)] : []));
  return { kind: 'structure', required, members: Object.fromEntries(entries) };
}

const shownCharactersMax = 256;
const faultsMax = 20;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

type Faults = string[];

function addFault(faults: Faults, value: string | null, path: string, constraint: string): void {
  if (faults.length >= faultsMax) return;
  const shown = value === null ? 'null' : `'${value.slice(0, shownCharactersMax)}'`;
  faults.push(`Value ${shown} at '${path}' failed to satisfy constraint: Member must ${constraint}`);
}

function serializationFault(): never {
  refuse('SerializationException', 'The request could not be deserialized: a member has the wrong type.');
}

function readString(shape: StringShape, value: unknown, path: string, faults: Faults): string {
  if (typeof value !== 'string') serializationFault();
  if (shape.values !== undefined && !shape.values.includes(value)) {
    addFault(faults, value, path, `satisfy enum value set: [${shape.values.join(', ')}]`);
    return value;
  }
  const tooLong = shape.max !== undefined && value.length > shape.max;
  if (tooLong) addFault(faults, value, path, `have length less than or equal to ${shape.max}`);
  if (shape.min !== undefined && value.length < shape.min) {
    addFault(faults, value, path, `have length greater than or equal to ${shape.min}`);
  }
  // A pattern is never tried on more than the length it was written for.
  if (!tooLong && shape.pattern !== undefined && !shape.pattern.test(value)) {
    addFault(faults, value, path, `satisfy regular expression pattern: ${shape.pattern.source}`);
  }
  return value;
}

function readNumber(shape: NumberShape, value: unknown, path: string, faults: Faults): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) serializationFault();
  if (shape.min !== undefined && value < shape.min) {
    addFault(faults, String(value), path, `have value greater than or equal to ${shape.min}`);
  }
  if (shape.max !== undefined && value > shape.max) {
    addFault(faults, String(value), path, `have value less than or equal to ${shape.max}`);
  }
  return value;
}

function readBlob(shape: BlobShape, value: unknown, path: string, faults: Faults): Uint8Array {
  if (typeof value !== 'string' || !base64.test(value)) serializationFault();
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length > shape.max) {
    addFault(faults, '[B@blob', path, `have length less than or equal to ${shape.max}`);
  }
  if (bytes.length < shape.min) {
    addFault(faults, '[B@blob', path, `have length greater than or equal to ${shape.min}`);
  }
  return bytes;
}

function readList(shape: ListShape, value: unknown, path: string, faults: Faults): readonly unknown[] {
  if (!Array.isArray(value)) serializationFault();
  if (value.length > shape.max) {
    addFault(faults, '[...]', path, `have length less than or equal to ${shape.max}`);
    return [];
  }
  if (value.length < shape.min) addFault(faults, '[]', path, `have length greater than or equal to ${shape.min}`);
  return value.map((member, index) => readValue(shape.member, member, `${path}.${index + 1}.member`, faults));
}

function memberPath(path: string, name: string): string {
  const member = name.charAt(0).toLowerCase() + name.slice(1);
  return path === '' ? member : `${path}.${member}`;
}

function readStructure(shape: StructureShape, value: unknown, path: string, faults: Faults): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) serializationFault();
  const given = value as Record<string, unknown>;
  const out: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(shape.members)) {
    const found = Object.hasOwn(given, name) ? given[name] : undefined;
    if (found !== undefined && found !== null) {
      out[name] = readValue(member, found, memberPath(path, name), faults);
    } else if (shape.required.includes(name)) {
      addFault(faults, null, memberPath(path, name), 'not be null');
    }
  }
  return out;
}

function readValue(shape: Shape, value: unknown, path: string, faults: Faults): unknown {
  switch (shape.kind) {
    case 'string':
      return readString(shape, value, path, faults);
    case 'number':
      return readNumber(shape, value, path, faults);
    case 'boolean':
      return typeof value === 'boolean' ? value : serializationFault();
    case 'blob':
      return readBlob(shape, value, path, faults);
    case 'list':
      return readList(shape, value, path, faults);
    case 'structure':
      return readStructure(shape, value, path, faults);
  }
}

/**
 * The input of an operation from parsed JSON: blobs decoded, unknown members left out, null members absent.
 * SerializationException for wrong types, ValidationException naming every broken constraint otherwise.
 */
export function readInput(shape: StructureShape, json: unknown): object {
  const faults: Faults = [];
  const input = readStructure(shape, json, '', faults);
  if (faults.length > 0) {
    const plural = faults.length === 1 ? 'error' : 'errors';
    refuse('ValidationException', `${faults.length} validation ${plural} detected: ${faults.join('; ')}`);
  }
  return input;
}
