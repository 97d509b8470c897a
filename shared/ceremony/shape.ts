/** Shapes of the JSON in a transcript: exact keys, bounded texts, whole numbers. */

export type Shape<T> = (value: unknown) => value is T;
export type ValueOf<S> = S extends Shape<infer T> ? T : never;

export function text(charactersMax: number, charactersMin = 0): Shape<string> {
  return (value): value is string =>
    typeof value === 'string' && value.length >= charactersMin && value.length <= charactersMax;
}

export function matching(form: RegExp): Shape<string> {
  return (value): value is string => typeof value === 'string' && form.test(value);
}

export function oneOf<const T extends string | number | boolean>(...values: readonly T[]): Shape<T> {
  return (value): value is T => (values as readonly unknown[]).includes(value);
}

export const truth: Shape<boolean> = (value): value is boolean => typeof value === 'boolean';

export const whole: Shape<number> = (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

export function listOf<T>(shape: Shape<T>, itemsMax: number): Shape<readonly T[]> {
  return (value): value is readonly T[] =>
    Array.isArray(value) && value.length <= itemsMax && value.every((item) => shape(item));
}

/** A member that may be absent. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value): value is T | undefined => value === undefined || shape(value);
}

type Members = Readonly<Record<string, Shape<unknown>>>;
type ObjectOf<M extends Members> = { readonly [Key in keyof M]: ValueOf<M[Key]> };

/** These members and no others. */
export function exactly<M extends Members>(members: M): Shape<ObjectOf<M>> {
  const names = Object.keys(members);
  return (value): value is ObjectOf<M> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const given = value as Readonly<Record<string, unknown>>;
    return (
      Object.keys(given).every((name) => Object.hasOwn(members, name)) &&
      names.every((name) => members[name]!(Object.hasOwn(given, name) ? given[name] : undefined))
    );
  };
}

/** 64 lower-case hex digits. */
export const sha256Digest = matching(/^[0-9a-f]{64}$/);
/** RFC 3339, UTC, whole seconds. */
export const instant = matching(/^\d{4}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/);

/** RFC 4648 §4 in its one form: padded, unused bits zero. */
export function base64(bytesMax: number): Shape<string> {
  return (value): value is string => {
    if (typeof value !== 'string' || value.length === 0 || value.length > Math.ceil(bytesMax / 3) * 4) return false;
    return Buffer.from(value, 'base64').toString('base64') === value;
  };
}
