/** Holds what the service answers against docs/openapi.yaml. */
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

type Json = Readonly<Record<string, unknown>>;

const documentId = 'openapi.yaml';
/** The description as data. */
export const openapi: Json = parse(readFileSync(new URL('../../docs/openapi.yaml', import.meta.url), 'utf8'));

// `strict: false`: OpenAPI's own words (`example`, `discriminator`) are no JSON Schema keywords. Formats are pinned by patterns.
const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema(openapi, documentId);
const validators = new Map<string, ValidateFunction>();

/**
 * What is wrong with an answer by the description: an empty list when nothing is. `path` is as requested, without or with
 * its query; `body` as received (bytes, text) or, for JSON, already parsed. Headers are checked when given (names in lower case).
 */
export function validateResponse(
  method: string,
  path: string,
  status: number,
  contentType: string | undefined,
  body: unknown,
  headers?: Readonly<Record<string, string | readonly string[] | undefined>>,
): readonly string[] {
  const where = `${method.toUpperCase()} ${path} → ${status}`;
  const template = templateOf(path.split('?')[0]!);
  if (template === undefined) return [`${where}: no such path in the description`];
  const operation = at(['paths', template, method.toLowerCase()]);
  if (operation === undefined) return [`${where}: the path has no such method`];
  const { value: response, pointer } = resolve(['paths', template, method.toLowerCase(), 'responses', String(status)]);
  if (response === undefined) return [`${where}: a status that is not described`];
  return [...contentFaults(response, pointer, contentType, body), ...headerFaults(response, pointer, headers)].map(
    (fault) => `${where}: ${fault}`,
  );
}

function contentFaults(
  response: Json,
  pointer: readonly string[],
  contentType: string | undefined,
  body: unknown,
): readonly string[] {
  const content = response.content as Json | undefined;
  const mediaType = (contentType ?? '').split(';')[0]!.trim().toLowerCase();
  if (content === undefined) {
    const empty =
      body === undefined ||
      body === null ||
      ((typeof body === 'string' || body instanceof Uint8Array) && body.length === 0);
    return empty ? [] : ['a body where none is described'];
  }
  if (!Object.hasOwn(content, mediaType))
    return [`content type ${mediaType || '(none)'} is none of ${Object.keys(content).join(', ')}`];
  const isJson = mediaType === 'application/json' || mediaType.endsWith('+json');
  const text = body instanceof Uint8Array ? Buffer.from(body).toString(isJson ? 'utf8' : 'latin1') : body;
  let value = text;
  if (isJson && typeof text === 'string') {
    try {
      value = JSON.parse(text);
    } catch {
      return ['the body is no JSON'];
    }
  }
  const schema = [...pointer, 'content', mediaType, 'schema'];
  if (at(schema) === undefined) return ['no schema for this content type'];
  return schemaFaults(schema, value, 'body');
}

function headerFaults(
  response: Json,
  pointer: readonly string[],
  headers: Readonly<Record<string, string | readonly string[] | undefined>> | undefined,
): readonly string[] {
  if (headers === undefined) return [];
  return Object.keys((response.headers as Json | undefined) ?? {}).flatMap((name) => {
    const { value: header, pointer: headerPointer } = resolve([...pointer, 'headers', name]);
    const got = headers[name.toLowerCase()];
    if (got === undefined) return header?.required === true ? [`the header ${name} is missing`] : [];
    return schemaFaults([...headerPointer, 'schema'], typeof got === 'string' ? got : got[0], `header ${name}`);
  });
}

function schemaFaults(pointer: readonly string[], value: unknown, what: string): readonly string[] {
  const reference = `${documentId}#/${pointer.map(escapePointer).join('/')}`;
  const validate = validators.get(reference) ?? ajv.compile({ $ref: reference });
  validators.set(reference, validate);
  if (validate(value)) return [];
  return (validate.errors ?? []).map((error) => `${what}${error.instancePath} ${error.message ?? 'is wrong'}`);
}

/** The pointer's escapes (RFC 6901), and those of a URI fragment. */
function escapePointer(part: string): string {
  return encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));
}

function templateOf(path: string): string | undefined {
  const parts = path.split('/');
  const fits = (template: string) => {
    const wanted = template.split('/');
    return (
      wanted.length === parts.length &&
      wanted.every((part, index) => part === parts[index] || (/^\{.*\}$/.test(part) && parts[index] !== ''))
    );
  };
  const templates = Object.keys(openapi.paths as Json);
  return templates.find((template) => template === path) ?? templates.find(fits);
}

function at(pointer: readonly string[]): Json | undefined {
  let value: unknown = openapi;
  for (const part of pointer) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Json)[part];
  }
  return value as Json | undefined;
}

/** Follows a `$ref` of the document, once: the description nests none. */
function resolve(pointer: readonly string[]): {
  readonly value: Json | undefined;
  readonly pointer: readonly string[];
} {
  const value = at(pointer);
  const reference = value?.$ref;
  if (typeof reference !== 'string') return { value, pointer };
  const target = reference
    .replace(/^#\//, '')
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  return { value: at(target), pointer: target };
}
