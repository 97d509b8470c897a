/** Attribute values, written and read one by one: an item is checked where it is read, not cast as a whole. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

export type Item = Readonly<Record<string, AttributeValue>>;

export function text(value: string): AttributeValue {
  return { S: value };
}

/** A safe integer, or a finite fraction: DynamoDB keeps 38 digits, more than a double has. */
export function number(value: number): AttributeValue {
  return { N: String(value) };
}

export function bytes(value: Uint8Array): AttributeValue {
  return { B: value };
}

export function flag(value: boolean): AttributeValue {
  return { BOOL: value };
}

export function texts(values: readonly string[]): AttributeValue {
  return { L: values.map(text) };
}

/** A value that is read and written as a whole, and never looked into by an expression. */
export function document(value: unknown): AttributeValue {
  return { S: JSON.stringify(value) };
}

/** About what DynamoDB counts of an item, and never less: names and values in UTF-8, and some octets for each number and list. */
export function itemBytes(item: Item): number {
  let sum = 0;
  for (const name in item) sum += name.length + valueBytes(item[name]!);
  return sum;
}

function valueBytes(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.B !== undefined) return value.B.byteLength;
  if (value.L !== undefined) return value.L.reduce((sum, one) => sum + 1 + valueBytes(one), 3);
  if (value.M !== undefined) return 3 + itemBytes(value.M);
  return 21;
}

/** An item of ours lacks an attribute, or has it of another type: somebody else wrote into the table. */
export class ItemError extends Error {
  readonly code = 'state-corrupt';
}

function missing(item: Item, name: string): never {
  throw new ItemError(`the item ${item.PK?.S}, ${item.SK?.S} has no ${name} of the type it should have`);
}

export function textOf(item: Item, name: string): string {
  return item[name]?.S ?? missing(item, name);
}

export function numberOf(item: Item, name: string): number {
  return Number(item[name]?.N ?? missing(item, name));
}

/** A plain Uint8Array, whatever the SDK answered. */
export function bytesOf(item: Item, name: string): Uint8Array {
  return new Uint8Array(item[name]?.B ?? missing(item, name));
}

export function flagOf(item: Item, name: string): boolean {
  return item[name]?.BOOL ?? missing(item, name);
}

export function textsOf(item: Item, name: string): readonly string[] {
  const values = item[name]?.L ?? missing(item, name);
  return values.map((value) => value.S ?? missing(item, name));
}

export function documentOf<T>(item: Item, name: string): T {
  return JSON.parse(textOf(item, name)) as T;
}

/** `{ [field]: read(item, name) }` when the item has the attribute, else `{}`: an absent field of a record is absent. */
export function optional<F extends string, T>(
  item: Item,
  field: F,
  name: string,
  read: (item: Item, name: string) => T,
): { readonly [K in F]?: T } {
  return item[name] === undefined ? {} : ({ [field]: read(item, name) } as { readonly [K in F]?: T });
}

/** The number of an attribute, or `absent` where the item has none. */
export function numberOr(item: Item, name: string, absent: number): number {
  return item[name] === undefined ? absent : numberOf(item, name);
}
