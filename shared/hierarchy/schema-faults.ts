/** The shape of a hierarchy: judged by docs/hierarchy.schema.json, told in sentences. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import schema from '../../docs/hierarchy.schema.json' with { type: 'json' };
import { faultsMax, type HierarchyFault, type HierarchyFaultCode, type YamlPath } from './fault.ts';
import { printable } from './printable.ts';
import { positioned, type YamlSource } from './yaml-source.ts';

let compiled: ValidateFunction | undefined;

/** Compiled when first needed and once: it takes some 30 ms, which a process that reads no hierarchy should not pay. */
function validator(): ValidateFunction {
  compiled ??= new Ajv({ allErrors: true, verbose: true, strict: true, allowUnionTypes: true }).compile(schema);
  return compiled;
}

export interface ShapeReading {
  readonly faults: readonly HierarchyFault[];
  /** The value without what is at fault, so that the rules can judge all the rest. */
  readonly sound: unknown;
  /** Paths of what was cut out, steps joined by '/'. */
  readonly malformed: ReadonlySet<string>;
}

export function readShape(source: YamlSource): ShapeReading {
  const validate = validator();
  const value = bounded(source.value);
  if (validate(value)) return { faults: [], sound: value, malformed: new Set() };
  const errors = withoutEchoes(validate.errors ?? []);
  const sound: unknown = structuredClone(value);
  const malformed = new Set<string>();
  for (const error of errors) {
    const cut = pathCut(error, instancePath(error, value));
    if (cut === undefined) continue;
    malformed.add(cut.join('/'));
    prune(sound, cut);
  }
  const faults = errors.slice(0, faultsMax).map((error) => {
    const path = instancePath(error, value);
    const told = tell(error, path);
    const atKey = error.keyword === 'additionalProperties' || error.keyword === 'propertyNames';
    return positioned(source, told.code, { at: told.at ?? path, message: told.message, atKey });
  });
  return { faults, sound, malformed };
}

/** One more than the schema allows of authorities, modules and profiles: enough to say so, and bounds what is judged. */
const judgedMax = 65;

function bounded(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { authorities, modules, profiles } = value as Record<string, unknown>;
  const isMapping = typeof profiles === 'object' && profiles !== null && !Array.isArray(profiles);
  return {
    ...value,
    ...(Array.isArray(authorities) ? { authorities: authorities.slice(0, judgedMax) } : {}),
    ...(Array.isArray(modules) ? { modules: modules.slice(0, judgedMax) } : {}),
    ...(isMapping ? { profiles: Object.fromEntries(Object.entries(profiles).slice(0, judgedMax)) } : {}),
  };
}

/** One fact, one fault: a value of the wrong type is not also told that it is none of the allowed ones. */
function withoutEchoes(errors: readonly ErrorObject[]): ErrorObject[] {
  const mistyped = new Set(errors.filter((e) => e.keyword === 'type').map((e) => e.instancePath));
  return errors.filter((error) => {
    if (error.keyword === 'type') return true;
    // The pattern of a property name is reported again as propertyNames, which knows the name.
    if (error.propertyName !== undefined && error.keyword !== 'propertyNames') return false;
    return !mistyped.has(error.instancePath);
  });
}

/** JSON pointer → path, array indexes as numbers. */
function instancePath(error: ErrorObject, root: unknown): YamlPath {
  const path: (string | number)[] = [];
  let value = root;
  for (const raw of error.instancePath.split('/').slice(1)) {
    const step = raw.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(value) ? Number(step) : step);
    value = member(value, step);
  }
  return path;
}

function member(value: unknown, step: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Record<string | number, unknown>)[step];
}

/** A container with too few, too many or repeated members, or without a key, is still read for what it holds. */
const keptKeywords = ['required', 'minItems', 'maxItems', 'minProperties', 'maxProperties', 'uniqueItems'];

function pathCut(error: ErrorObject, path: YamlPath): YamlPath | undefined {
  if (keptKeywords.includes(error.keyword)) return undefined;
  if (error.keyword === 'additionalProperties') return [...path, String(error.params.additionalProperty)];
  if (error.keyword === 'propertyNames') return [...path, String(error.params.propertyName)];
  return path;
}

function prune(root: unknown, path: YamlPath): void {
  const last = path.at(-1);
  if (last === undefined) return;
  let holder = root;
  for (const step of path.slice(0, -1)) holder = member(holder, step);
  if (Array.isArray(holder)) holder[Number(last)] = undefined;
  else if (typeof holder === 'object' && holder !== null) delete (holder as Record<string, unknown>)[String(last)];
}

interface Told {
  readonly code: HierarchyFaultCode;
  readonly message: string;
  readonly at?: YamlPath;
}

/** Fields whose fault has a code and a sentence of its own, by the end of the schema path that failed. */
const known: readonly { readonly schemaPath: RegExp; readonly code: HierarchyFaultCode; readonly says: string }[] = [
  {
    schemaPath: /definitions\/duration\/pattern$/,
    code: 'duration-syntax',
    says: 'is not a duration: write 3y, 90d or 1h',
  },
  {
    schemaPath: /statusAsOf\/pattern$/,
    code: 'module-status-date',
    says: 'is no day: write 2026-11-23',
  },
  {
    schemaPath: /firmware\/pattern$/,
    code: 'value-not-allowed',
    says: 'is not a firmware version: write 7 or 7.4, as the token reports it',
  },
  {
    schemaPath: /certificateNumber\/pattern$/,
    code: 'value-not-allowed',
    says: 'is not the number of a CMVP certificate: digits, in quotes',
  },
  {
    schemaPath: /source\/pattern$/,
    code: 'value-not-allowed',
    says: 'is not where it was looked up: an https:// address',
  },
  {
    schemaPath: /definitions\/identifier\/pattern$/,
    code: 'identifier-syntax',
    says: 'is not an identifier: lower-case letters, digits and hyphens, beginning with a letter, at most 40 characters',
  },
  {
    schemaPath: /definitions\/dnsSubtree\/(pattern|maxLength)$/,
    code: 'name-constraint-syntax',
    says: 'is not a DNS subtree: write fleet.example, which covers it and every name below it (no leading dot, no star)',
  },
  {
    schemaPath: /definitions\/uriSubtree\/(pattern|maxLength)$/,
    code: 'name-constraint-syntax',
    says: 'is not the host of a URI: write fleet.example for that host, .fleet.example for those below it (no scheme, no path)',
  },
];

function tell(error: ErrorObject, path: YamlPath): Told {
  const value = show(error.data);
  const match = known.find((entry) => entry.schemaPath.test(error.schemaPath));
  if (match !== undefined) return { code: match.code, message: `${value} ${match.says}` };
  switch (error.keyword) {
    case 'type':
      return {
        code: typeCode(error),
        message: `${value} is not ${article(String(error.params.type))}${hint(error)}`,
      };
    case 'required': {
      const key = String(error.params.missingProperty);
      return { code: 'key-missing', message: `'${key}' is missing${describe(error, key)}` };
    }
    case 'additionalProperties': {
      const key = String(error.params.additionalProperty);
      const allowed = Object.keys((error.parentSchema?.properties ?? {}) as object);
      return {
        code: 'key-unknown',
        message: `'${printable(key, 60)}' is no key here; there are: ${allowed.join(', ')}`,
        at: [...path, key],
      };
    }
    case 'propertyNames': {
      const key = String(error.params.propertyName);
      return {
        code: 'identifier-syntax',
        message: `'${printable(key, 60)}' is no name for a profile: lower-case letters, digits and hyphens, beginning with a letter, at most 40 characters`,
        at: [...path, key],
      };
    }
    case 'enum': {
      const allowed = (error.params.allowedValues as readonly unknown[]).map(String).join(', ');
      const code = /^\/profiles\/[^/]+\/keys\//.test(error.instancePath) ? 'profile-key-unknown' : 'value-not-allowed';
      return { code, message: `${value} is none of: ${allowed}` };
    }
    case 'const':
      return { code: 'value-not-allowed', message: `${value} must be ${show(error.params.allowedValue)}` };
    case 'uniqueItems': {
      const index = Number(error.params.i);
      const items = error.data as readonly unknown[];
      return { code: 'value-repeated', message: `${show(items[index])} stands here twice`, at: [...path, index] };
    }
    default:
      return { code: 'value-out-of-range', message: `${value} ${bound(error)}` };
  }
}

function bound(error: ErrorObject): string {
  const limit = String(error.params.limit);
  const says: Record<string, string> = {
    minimum: `is too small: ${limit} at least`,
    maximum: `is too large: ${limit} at most`,
    minLength: `is too short: ${limit} characters at least`,
    maxLength: `is too long: ${limit} characters at most`,
    minItems: `is too short: ${limit} at least`,
    maxItems: `is more than is read: ${limit} at most`,
    minProperties: `has too few keys: ${limit} at least`,
    maxProperties: `is more than is read: ${limit} at most`,
  };
  return says[error.keyword] ?? 'is not what can stand here';
}

/** A number where a duration or a name should be says the same as a wrong text would. */
function typeCode(error: ErrorObject): HierarchyFaultCode {
  return /definitions\/duration\//.test(error.schemaPath) ? 'duration-syntax' : 'value-type';
}

function hint(error: ErrorObject): string {
  if (/definitions\/duration\//.test(error.schemaPath)) return ' that is a duration: write 3y, 90d or 1h';
  return '';
}

function article(type: string): string {
  const words: Record<string, string> = {
    string: 'a text',
    integer: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a mapping of keys to values',
  };
  return words[type] ?? type;
}

function describe(error: ErrorObject, key: string): string {
  const properties = error.parentSchema?.properties as Record<string, { description?: string }> | undefined;
  const description = properties?.[key]?.description;
  if (description === undefined) return '';
  // An abbreviation keeps its capitals.
  const plain = /^[A-Z][a-z ]/.test(description);
  return `: ${plain ? description.charAt(0).toLowerCase() + description.slice(1) : description}`;
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${printable(value, 60)}'`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return `a mapping of ${Object.keys(value).length}`;
  return value === null || value === undefined ? 'nothing' : String(value);
}
