import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleBody } from '../support/certification-requests.ts';
import { dns, freshName, type LocalStack, newP256, pemOf, requestFor, startLocalStack } from '../support/service.ts';
import {
  answersSeen,
  createServiceClient,
  problemOf,
  type ServiceClient,
  violationCodes,
  violationsOf,
} from '../support/service-client.ts';

let local: LocalStack;
let client: ServiceClient;
let device: string;
let operator: string;

beforeAll(async () => {
  local = await startLocalStack();
  client = createServiceClient(local.url);
  ({ device, operator } = local.tokens);
});

afterAll(() => local?.close());

const path = (profile = 'device') => `/v1/enrollments?profile=${profile}`;

function csr(name = freshName()): Uint8Array {
  return requestFor([dns(name)]);
}

function post(body: string | Uint8Array, contentType: string | undefined, at = path()) {
  const headers = contentType === undefined ? {} : { 'content-type': contentType };
  return client.call({ method: 'POST', path: at, token: device, headers, body });
}

function sha(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}

describe('POST /v1/enrollments: bodies', () => {
  const forms: readonly (readonly [string, (der: Uint8Array) => string | Uint8Array])[] = [
    ['PEM', (der) => pemOf(der)],
    ['PEM after a line of text', (der) => `Made by a tool\r\n${pemOf(der)}\n \t\r\n`],
    ['PEM with CRLF', (der) => pemOf(der).replaceAll('\n', '\r\n')],
    ['NEW CERTIFICATE REQUEST', (der) => pemOf(der).replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST')],
    ['base64 DER', (der) => Buffer.from(der).toString('base64')],
    ['DER', (der) => der],
  ];
  const mediaTypes = ['application/pkcs10', 'application/x-pem-file', 'text/plain', 'application/octet-stream'];

  it.each(forms.flatMap(([form, encode]) => mediaTypes.map((type) => ({ form, encode, type }))))(
    'takes $form as $type [interface.md: POST /v1/enrollments]',
    async ({ encode, type }) => {
      const answer = await post(encode(csr()), type);
      expect(answer.status, answer.text).toBe(202);
    },
  );

  it('takes a body without a Content-Type, and one with parameters', async () => {
    expect((await post(csr(), undefined)).status).toBe(202);
    expect((await post(pemOf(csr()), 'Application/PKCS10; charset=utf-8')).status).toBe(202);
  });

  it('takes JSON with csr and profile, the profile of the body before that of the query', async () => {
    const body = JSON.stringify({ csr: pemOf(csr()), profile: 'device' });
    expect((await post(body, 'application/json', '/v1/enrollments')).status).toBe(202);
    // The same issuance again, which may be settled by now.
    expect([200, 202]).toContain((await post(body, 'application/json', path('no-such-profile'))).status);
    const base64 = JSON.stringify({ csr: Buffer.from(csr()).toString('base64') });
    expect((await post(base64, 'application/json', path('service'))).status).toBe(202);
  });

  it.each([
    ['{"csr":', 'request-malformed'],
    ['[]', 'request-malformed'],
    ['null', 'request-malformed'],
    ['"text"', 'request-malformed'],
    ['{}', 'request-malformed'],
    ['{"csr":1,"profile":"device"}', 'request-malformed'],
    ['{"csr":"AAAA","profile":1}', 'request-malformed'],
    ['{"csr":"","profile":"device"}', 'body-empty'],
    ['{"csr":"%%%","profile":"device"}', 'not-base64'],
    ['\u0000', 'request-malformed'],
  ])('answers 400 to the JSON body %j with %s', async (body, code) => {
    expect(problemOf(await post(body, 'application/json', '/v1/enrollments'))).toBe(`400 ${code}`);
  });

  it('answers 400 to JSON that is not UTF-8', async () => {
    const body = Buffer.concat([Buffer.from('{"csr":"'), Buffer.of(0xff, 0xfe), Buffer.from('"}')]);
    expect(problemOf(await post(body, 'application/json'))).toBe('400 request-malformed');
  });

  it.each(['application/xml', 'multipart/form-data; boundary=x', 'application/jsonp', 'text/html', 'image/png'])(
    'answers 415 to %s',
    async (type) => {
      expect(problemOf(await post(pemOf(csr()), type))).toBe('415 media-type-not-supported');
    },
  );

  it('answers 400 without a profile, 404 for one that does not exist', async () => {
    expect(problemOf(await post(pemOf(csr()), 'application/pkcs10', '/v1/enrollments'))).toBe('400 request-malformed');
    expect(problemOf(await post(pemOf(csr()), 'application/pkcs10', path('')))).toBe('400 request-malformed');
    for (const profile of ['nope', '__proto__', 'constructor', 'DEVICE', 'device%00', '..%2F..%2Fetc'])
      expect(problemOf(await post(pemOf(csr()), 'application/pkcs10', path(profile))), profile).toBe(
        '404 profile-unknown',
      );
  });

  it('does not choose between two profiles of one query [API Gateway joins them with a comma]', async () => {
    const answer = await post(pemOf(csr()), 'application/pkcs10', '/v1/enrollments?profile=svid&profile=device');
    expect(problemOf(answer)).toBe('404 profile-unknown');
  });
});

describe('POST /v1/enrollments: limits', () => {
  it('answers 413 by Content-Length, before the body is sent', async () => {
    const answer = await client.call({
      method: 'POST',
      path: path(),
      token: device,
      headers: { 'content-type': 'application/pkcs10', 'content-length': '999999999999', expect: '100-continue' },
    });
    expect(problemOf(answer)).toBe('413 body-too-large');
  });

  it('answers 413 to 65,537 bytes and 400 to 65,536 that are no request', async () => {
    expect(problemOf(await post(Buffer.alloc(65_537, 0x25), 'text/plain'))).toBe('413 body-too-large');
    expect(problemOf(await post(Buffer.alloc(65_536, 0x25), 'text/plain'))).toBe('400 not-base64');
  });

  it('answers 413 to a body in chunks as soon as it is too long', async () => {
    const chunks = Array.from({ length: 17 }, () => Buffer.alloc(4_096, 0x41));
    const answer = await client.call({
      method: 'POST',
      path: path(),
      token: device,
      headers: { 'content-type': 'text/plain' },
      body: chunks,
    });
    expect(problemOf(answer)).toBe('413 body-too-large');
  });

  it('takes a body in chunks that is short enough', async () => {
    const pem = Buffer.from(pemOf(csr()));
    const answer = await client.call({
      method: 'POST',
      path: path(),
      token: device,
      headers: { 'content-type': 'application/pkcs10' },
      body: [pem.subarray(0, 10), pem.subarray(10, 11), pem.subarray(11)],
    });
    expect(answer.status).toBe(202);
  });

  it('answers 413 to a request over 32 KiB as PEM, 422 to what is merely over the profile', async () => {
    const names = Array.from({ length: 700 }, (_, n) => dns(`a-rather-long-name-of-a-device-${n}.fleet.example`));
    expect(problemOf(await post(requestFor(names), 'application/pkcs10'))).toBe('413 csr-too-large');
    const answer = await client.settled(pemOf(requestFor(names.slice(0, 60))), 'device', device);
    expect(problemOf(answer)).toBe('422 policy-refused');
    expect(violationCodes(answer)).toEqual(['names-too-many']);
  });

  it('answers 404 to a target over 2 KiB', async () => {
    const answer = await client.call({ path: `/healthz?${'a'.repeat(2_048)}`, described: false });
    expect(problemOf(answer)).toBe('404 not-found');
  });
});

describe('POST /v1/enrollments: callers', () => {
  it.each([
    [undefined, 'credential-missing'],
    ['Basic c3dfZV94OnN3X2VfeA==', 'credential-missing'],
    ['Bearer', 'credential-missing'],
    ['Bearer a b', 'credential-missing'],
    [`Bearer sw_e_${'A'.repeat(43)}`, 'credential-invalid'],
    [`Bearer sw_e_${'A'.repeat(42)}`, 'credential-invalid'],
    ['Bearer sw_e_../../etc/passwd', 'credential-invalid'],
    ["Bearer sw_e_' OR 1=1 --", 'credential-missing'],
    [`Bearer ${'A'.repeat(8_000)}`, 'credential-invalid'],
  ])('answers 401 to Authorization %.60s with %s, and WWW-Authenticate', async (authorization, code) => {
    const headers = { 'content-type': 'application/pkcs10', ...(authorization === undefined ? {} : { authorization }) };
    const answer = await client.call({ method: 'POST', path: path(), headers, body: pemOf(csr()) });
    expect(problemOf(answer)).toBe(`401 ${code}`);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
  });

  it('answers 401 to an operator: enrolling is for devices', async () => {
    expect(problemOf(await client.enroll(pemOf(csr()), 'device', operator))).toBe('401 credential-invalid');
  });

  it('takes the scheme in any case', async () => {
    const headers = { 'content-type': 'application/pkcs10', authorization: `bearer ${device}` };
    expect((await client.call({ method: 'POST', path: path(), headers, body: pemOf(csr()) })).status).toBe(202);
  });

  it('judges the caller before the body: nobody learns from a parser what is wrong', async () => {
    const answer = await client.call({ method: 'POST', path: path(), body: 'garbage' });
    expect(problemOf(answer)).toBe('401 credential-missing');
  });

  it('answers 403 to a profile that the credential does not reach', async () => {
    const { secret } = await client.createCredential(operator, { profiles: ['service'] });
    expect(problemOf(await client.enroll(pemOf(csr()), 'device', secret))).toBe('403 profile-not-allowed');
    expect((await client.enroll(pemOf(csr()), 'service', secret)).status).toBe(202);
  });
});

describe('POST /v1/enrollments: what is answered', () => {
  it('is 202 with the id, Location and Retry-After [interface.md]', async () => {
    const answer = await client.enroll(pemOf(csr()), 'device', device);
    const { issuanceId, status, retryAfterSeconds } = answer.json();
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe(`/v1/enrollments/${issuanceId}`);
    expect(answer.headers['retry-after']).toBe(String(retryAfterSeconds));
    expect(['received', 'approved', 'intended', 'submitted']).toContain(status);
  });

  it('is the same issuance for the same POST, in whatever form the bytes come', async () => {
    const der = csr();
    const first = (await client.enroll(pemOf(der), 'device', device)).json();
    const second = (await client.enroll(der, 'device', device)).json();
    const third = await client.settled(Buffer.from(der).toString('base64'), 'device', device);
    expect([second.issuanceId, third.json().issuanceId]).toEqual([first.issuanceId, first.issuanceId]);
  });

  it('is another issuance for another profile, and for another principal', async () => {
    const der = csr();
    const { secret } = await client.createCredential(operator, { owner: 'plant-7', fleet: 'others' });
    const ids = [
      (await client.enroll(der, 'device', device)).json().issuanceId,
      (await client.enroll(der, 'service', device)).json().issuanceId,
      (await client.enroll(der, 'device', secret)).json().issuanceId,
    ];
    expect(new Set(ids).size).toBe(3);
  });

  it('is 200 with the certificate when Prefer: wait is long enough', async () => {
    const key = newP256();
    const name = freshName('waited');
    const answer = await client.enroll(pemOf(requestFor([dns(name)], key)), 'device', device, { prefer: 'wait=10' });
    expect(answer.status).toBe(200);
    const body = answer.json();
    const certificate = new X509Certificate(body.certificate);
    expect(certificate.subjectAltName).toBe(`DNS:${name}`);
    expect(certificate.subject).toBe(`CN=${name}`);
    expect(certificate.publicKey.equals(key.publicKey)).toBe(true);
    expect(body).toMatchObject({ status: 'issued', droppedExtensions: [], fingerprint: sha(certificate.raw) });
    expect(BigInt(`0x${body.serialNumber}`)).toBe(BigInt(`0x${certificate.serialNumber}`));
    expect(Date.parse(body.notAfter)).toBe(Date.parse(certificate.validTo));
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it.each(['wait=10', 'WAIT=10', 'respond-async, wait=10', 'wait="10"', 'respond-async; wait=10'])(
    'waits for Prefer: %s [RFC 7240 4.3]',
    async (prefer) => {
      expect((await client.enroll(pemOf(csr()), 'device', device, { prefer })).status).toBe(200);
    },
  );

  it.each(['wait=0', 'wait=-1', 'wait=', 'wait', 'wait=1e3', 'nowait=10', 'x="wait=10', 'return=minimal'])(
    'does not wait for Prefer: %s',
    async (prefer) => {
      expect((await client.enroll(pemOf(csr()), 'device', device, { prefer })).status).toBe(202);
    },
  );

  it('is 422 with every reason when the refusal is known in time, and by GET after', async () => {
    const foreign = pemOf(requestFor([dns('pump.elsewhere.example'), dns('*.fleet.example')]));
    const answer = await client.enroll(foreign, 'device', device, { prefer: 'wait=10' });
    expect(problemOf(answer)).toBe('422 policy-refused');
    expect(violationCodes(answer)).toEqual(['name-out-of-scope', 'name-outside-constraints', 'wildcard-not-allowed']);
    const again = await client.enroll(foreign, 'device', device);
    expect(violationsOf(again)).toEqual(violationsOf(answer));
  });

  it('names the extension that was left out [must-staple]', async () => {
    const answer = await client.settled(sampleBody('openssl-must-staple.csr'), 'device', device);
    expect(answer.json()).toMatchObject({ status: 'issued', droppedExtensions: ['tlsFeature'] });
    const certificate = new X509Certificate(answer.json().certificate);
    expect(certificate.raw.includes(Buffer.from('2b06010505070118', 'hex'))).toBe(false);
  });
});

it('no answer in this file carried a stack, a path or a secret of another', () => {
  expect(answersSeen.length).toBeGreaterThan(50);
  for (const { what, text } of answersSeen) {
    expect(text.includes(device), what).toBe(false);
    expect(text.includes(operator), what).toBe(false);
    expect(text.includes(local.stateDir), what).toBe(false);
  }
  expect(local.hostErrors).toEqual([]);
});
