import { describe, expect, it } from 'vitest';
import { errorDescriptions, violationMeanings } from '../../shared/issuance/errors.ts';
import { openapi, validateResponse } from '../support/openapi.ts';

type Json = Readonly<Record<string, unknown>>;
const schemas = (openapi.components as Json).schemas as Readonly<Record<string, { readonly enum?: readonly string[] }>>;
const problem = (status: number, code: string, more: Json = {}) => ({
  type: `urn:sealwright:error:${code}`,
  title: 'A title',
  status,
  code,
  ...more,
});
const problemType = 'application/problem+json';
const violation = { code: 'name-held', field: 'names[0]', message: 'held', reference: 'names' };

describe('docs/openapi.yaml', () => {
  it('lists the closed unions of codes as the service has them', () => {
    expect([...schemas.ErrorCode!.enum!].sort()).toEqual(Object.keys(errorDescriptions).sort());
    expect([...schemas.ViolationCode!.enum!].sort()).toEqual(Object.keys(violationMeanings).sort());
  });

  it('describes a response for the status of every code that a call can be answered with', () => {
    const paths = openapi.paths as Readonly<Record<string, Readonly<Record<string, { readonly responses: Json }>>>>;
    const described = new Set(
      Object.values(paths).flatMap((path) => Object.values(path).flatMap(({ responses }) => Object.keys(responses))),
    );
    for (const [code, { status }] of Object.entries(errorDescriptions)) {
      // 405 is the answer to a method that is described nowhere.
      if (code !== 'method-not-allowed') expect(described, code).toContain(String(status));
    }
  });

  it('has no reference that leads nowhere', () => {
    const references = [...JSON.stringify(openapi).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1]!);
    expect(references.length).toBeGreaterThan(50);
    for (const reference of references) {
      const target = reference
        .split('/')
        .reduce<unknown>((value, part) => (value as Json | undefined)?.[part], openapi);
      expect(target, reference).toBeDefined();
    }
  });
});

describe('validateResponse', () => {
  it('accepts what is described', () => {
    const refusal = problem(422, 'policy-refused', { violations: [violation] });
    expect(
      validateResponse(
        'POST',
        '/v1/enrollments?profile=device',
        422,
        `${problemType}; charset=utf-8`,
        JSON.stringify(refusal),
      ),
    ).toEqual([]);
    const pending = { issuanceId: 'I.1', status: 'received', retryAfterSeconds: 1 };
    const headers = { location: '/v1/enrollments/I.1', 'retry-after': '1' };
    expect(validateResponse('GET', '/v1/enrollments/I.1', 202, 'application/json', pending, headers)).toEqual([]);
    expect(validateResponse('DELETE', '/v1/names/a.example', 204, undefined, '')).toEqual([]);
    expect(
      validateResponse(
        'GET',
        '/healthz',
        200,
        'application/json',
        Buffer.from('{"status":"serving","dependencies":{"ledger":"ok"}}'),
      ),
    ).toEqual([]);
  });

  it.each([
    ['a path that is not described', ['GET', '/v1/nothing', 200, 'application/json', '{}'], /no such path/],
    ['a method that is not described', ['DELETE', '/healthz', 200, 'application/json', '{}'], /no such method/],
    ['a status that is not described', ['GET', '/healthz', 418, 'application/json', '{}'], /not described/],
    ['another content type', ['GET', '/healthz', 200, 'text/html', '<p>'], /content type text\/html/],
    ['broken JSON', ['GET', '/healthz', 200, 'application/json', '{'], /no JSON/],
    ['a missing member', ['GET', '/healthz', 200, 'application/json', '{"status":"serving"}'], /dependencies/],
    ['an unknown code', ['GET', '/v1/authorities/x', 404, problemType, problem(404, 'gone-fishing')], /allowed values/],
    [
      'a code of another status',
      ['GET', '/v1/authorities/x', 404, problemType, problem(404, 'internal')],
      /allowed values/,
    ],
    [
      'a stack in a problem',
      ['GET', '/v1/authorities/x', 404, problemType, problem(404, 'not-found', { stack: 'at x' })],
      /additional properties/,
    ],
    [
      'a refusal without violations',
      ['POST', '/v1/enrollments', 422, problemType, problem(422, 'policy-refused')],
      /violations/,
    ],
    ['a body with 204', ['DELETE', '/v1/credentials/x', 204, undefined, '{}'], /a body where none/],
    [
      'a hash beside a credential',
      ['GET', '/v1/credentials', 200, 'application/json', { credentials: [{ sha256: 'ab' }], nextCursor: null }],
      /NOT be valid/,
    ],
    ['PEM that is none', ['GET', '/v1/authorities/root/certificate', 200, 'application/x-pem-file', 'no'], /pattern/],
  ] as const)('finds %s', (_, args, message) => {
    const [method, path, status, contentType, body] = args;
    expect(validateResponse(method, path, status, contentType, body).join('\n')).toMatch(message);
  });

  it('finds a missing and a malformed header', () => {
    const body = problem(503, 'queue-too-deep');
    const check = (headers: Readonly<Record<string, string>>) =>
      validateResponse('POST', '/v1/enrollments', 503, problemType, body, headers);
    expect(check({})).toEqual([expect.stringContaining('the header Retry-After is missing')]);
    expect(check({ 'retry-after': 'soon' })).toEqual([
      expect.stringContaining('header Retry-After must match pattern'),
    ]);
    expect(check({ 'retry-after': '5' })).toEqual([]);
  });
});
