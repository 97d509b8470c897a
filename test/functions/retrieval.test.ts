import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleBody, sampleManifest } from '../support/certification-requests.ts';
import {
  dns,
  freshName,
  type LocalStack,
  newEd25519,
  pemOf,
  requestFor,
  startLocalStack,
  uri,
} from '../support/service.ts';
import {
  answersSeen,
  createServiceClient,
  problemOf,
  type ServiceClient,
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

function csr(name = freshName()): Uint8Array {
  return requestFor([dns(name)]);
}

function sha(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}

describe('GET /v1/enrollments/{issuanceId}', () => {
  const issue = async (profile = 'device') => {
    const body = requestFor([profile === 'svid' ? uri(`spiffe://fleet.example/${freshName()}`) : dns(freshName())]);
    const answer = await client.settled(body, profile, device);
    expect(answer.status, answer.text).toBe(200);
    return answer.json();
  };

  it('is seen by the principal that posted it and by an operator, and does not exist for others', async () => {
    const { issuanceId } = await issue();
    const other = await client.createCredential(operator);
    const same = await client.createCredential(operator, { owner: 'plant-7', fleet: 'sensors' });
    const get = (token: string | undefined) => client.call({ path: `/v1/enrollments/${issuanceId}`, token });
    expect((await get(device)).status).toBe(200);
    expect((await get(operator)).status).toBe(200);
    expect((await get(same.secret)).status).toBe(200);
    expect(problemOf(await get(other.secret))).toBe('404 not-found');
    expect(problemOf(await get(undefined))).toBe('401 credential-missing');
    expect(problemOf(await get(`sw_e_${'B'.repeat(43)}`))).toBe('401 credential-invalid');
    expect(problemOf(await get(`sw_o_${'B'.repeat(43)}`))).toBe('401 credential-invalid');
  });

  it('answers one that exists for somebody else like one that does not exist', async () => {
    const { issuanceId } = await issue();
    const { secret } = await client.createCredential(operator);
    const missing = `${'A'.repeat(43)}.1`;
    const [theirs, none] = [issuanceId, missing].map((id) =>
      client.call({ path: `/v1/enrollments/${id}`, token: secret }),
    );
    expect((await theirs!).text).toBe((await none!).text);
  });

  it('gives PEM, the leaf first and the root last, by Accept', async () => {
    const { issuanceId, certificate } = await issue('service');
    const answer = await client.call({
      path: `/v1/enrollments/${issuanceId}`,
      token: device,
      headers: { accept: 'application/x-pem-file' },
    });
    expect(answer.headers['content-type']).toBe('application/x-pem-file');
    const chain = answer.text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n/g)!;
    expect(chain[0]).toBe(certificate);
    expect(chain).toHaveLength(4);
    const parsed = chain.map((pem) => new X509Certificate(pem));
    expect(parsed.slice(0, -1).every((one, index) => one.verify(parsed[index + 1]!.publicKey))).toBe(true);
    expect(parsed.at(-1)!.raw.equals(new X509Certificate(local.rootPem).raw)).toBe(true);
  });

  it('gives PKCS #7 that OpenSSL reads, by Accept', async () => {
    const { issuanceId, fingerprint } = await issue('svid');
    const answer = await client.call({
      path: `/v1/enrollments/${issuanceId}`,
      token: device,
      headers: { accept: 'application/pkcs7-mime' },
    });
    expect(answer.headers['content-type']).toBe('application/pkcs7-mime; smime-type=certs-only');
    const pem = execFileSync('openssl', ['pkcs7', '-inform', 'DER', '-print_certs'], { input: answer.body }).toString();
    const certificates = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g)!;
    const fingerprints = certificates.map((one) => sha(new X509Certificate(one).raw));
    expect(certificates).toHaveLength(4);
    expect(fingerprints).toContain(fingerprint);
  });

  it('gives the form by Accept to a waited POST as well', async () => {
    const answer = await client.enroll(pemOf(csr()), 'device', device, {
      prefer: 'wait=10',
      accept: 'application/x-pem-file',
    });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/x-pem-file']);
  });

  it.each([
    ['text/html, application/x-pem-file;q=0.5, application/json;q=0.4', 'application/x-pem-file'],
    ['application/json;q=0, application/x-pem-file;q=0.1', 'application/x-pem-file'],
    ['*/*', 'application/json'],
    ['application/*;q=0.2', 'application/json'],
    ['text/html', 'application/json'],
    ['application/pkcs7-mime; smime-type=certs-only', 'application/pkcs7-mime; smime-type=certs-only'],
    [',,,;;;===', 'application/json'],
    [`${'application/json;q=0.1,'.repeat(500)}`, 'application/json'],
  ])('answers Accept: %.80s with %s [RFC 9110 12.5.1]', async (accept, contentType) => {
    const { issuanceId } = await issue();
    const answer = await client.call({ path: `/v1/enrollments/${issuanceId}`, token: device, headers: { accept } });
    expect(answer.headers['content-type']).toBe(contentType);
  });

  it.each([
    'x',
    '..%2F..%2Fetc%2Fpasswd',
    '%2e%2e',
    '%00',
    `${'A'.repeat(43)}.0`,
    `${'A'.repeat(43)}.01`,
    `${'A'.repeat(43)}.1.1`,
    `${'A'.repeat(43)}.9999999999`,
    `${'A'.repeat(43)}.1%0d%0aSet-Cookie:%20a=b`,
    "' OR '1'='1".replaceAll(' ', '%20'),
    '%F0%9F%92%A9',
  ])('answers 404 to the id %s', async (id) => {
    const answer = await client.call({ path: `/v1/enrollments/${id}`, token: operator });
    expect(problemOf(answer)).toBe('404 not-found');
    expect(answer.headers['set-cookie']).toBeUndefined();
  });

  it.each(['%', '%zz', '%c3%28', '%E0%A4%A'])('answers 404 to the id %s, which does not decode', async (id) => {
    const answer = await client.call({ path: `/v1/enrollments/${id}`, token: operator });
    expect(problemOf(answer)).toBe('404 not-found');
  });
});

describe('routes', () => {
  it.each([
    '/',
    '/v1',
    '/v1/enrollments/',
    '/v1/enrollments/a/b',
    '/v2/enrollments',
    '//v1/authorities',
    '/v1//authorities',
    '/v1/../healthz',
    '/healthz/',
    '/HEALTHZ',
    '/.env',
    '/v1/enrollments/..%2f..%2fhealthz/x',
  ])('answers 404 to %s', async (at) => {
    expect(problemOf(await client.call({ path: at, token: operator, described: false }))).toBe('404 not-found');
  });

  it.each([
    ['GET', '/v1/enrollments', 'POST'],
    ['PUT', '/v1/enrollments', 'POST'],
    ['HEAD', '/v1/enrollments', 'POST'],
    ['POST', '/v1/authorities', 'GET'],
    ['DELETE', '/v1/authorities/devices', 'GET'],
    ['PATCH', '/v1/credentials', 'POST, GET'],
    ['OPTIONS', '/healthz', 'GET'],
    ['TRACE', '/healthz', 'GET'],
    ['GET', '/v1/credentials/x', 'DELETE'],
  ])('answers 405 to %s %s, with Allow: %s [RFC 9110 15.5.6]', async (method, at, allow) => {
    const answer = await client.call({ method, path: at, token: operator, described: false });
    expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
  });

  it.each(['/healthz', '/v1/authorities', '/v1/authorities/devices/certificate', '/v1/authorities/nope'])(
    'answers HEAD %s as GET, without the body [RFC 9110 9.3.2]',
    async (at) => {
      const [head, get] = [await client.call({ method: 'HEAD', path: at }), await client.call({ path: at })];
      expect(head.status).toBe(get.status);
      expect(head.body).toHaveLength(0);
      expect(head.headers['content-type']).toBe(get.headers['content-type']);
      expect(head.headers['content-length']).toBe(get.headers['content-length']);
    },
  );

  it('forbids sniffing on every answer', async () => {
    for (const at of ['/healthz', '/nope', '/v1/authorities'])
      expect((await client.call({ path: at, described: at !== '/nope' })).headers['x-content-type-options']).toBe(
        'nosniff',
      );
  });
});

describe('authorities and health', () => {
  it('are public, and say what is there', async () => {
    const { authorities } = (await client.call({ path: '/v1/authorities' })).json();
    expect(authorities.map(({ id, status }: { id: string; status: string }) => `${id} ${status}`)).toEqual([
      'root ready',
      'subordinate ready',
      'devices ready',
      'workloads ready',
    ]);
    for (const authority of authorities)
      expect((await client.call({ path: `/v1/authorities/${authority.id}` })).json()).toMatchObject({
        id: authority.id,
        keyId: authority.keyId,
      });
    expect((await client.call({ path: '/healthz' })).json()).toMatchObject({
      status: 'serving',
      dependencies: { ledger: 'ok', queue: 'ok' },
      authorities: { devices: 'ready', workloads: 'ready' },
    });
  });

  it('hand out a chain that ends in the root that was handed over apart', async () => {
    const { text } = await client.call({ path: '/v1/authorities/workloads/certificate' });
    expect(text.endsWith(local.rootPem)).toBe(true);
  });

  it.each(['nope', '__proto__', '..%2froot', 'devices%00'])('answer 404 for the CA %s', async (id) => {
    expect(problemOf(await client.call({ path: `/v1/authorities/${id}` }))).toBe('404 not-found');
    expect(problemOf(await client.call({ path: `/v1/authorities/${id}/certificate` }))).toBe('404 not-found');
  });

  it('count what is outstanding', async () => {
    const of = async () => (await client.call({ path: '/v1/authorities/workloads' })).json().outstanding as number;
    const before = await of();
    const answer = await client.settled(requestFor([dns(freshName())], newEd25519()), 'service', device);
    expect(answer.status).toBe(200);
    expect(await of()).toBe(before + 1);
  });
});

describe('the samples of real tools', () => {
  const statusOf = { issued: [200], refused: [413, 422], malformed: [400] };

  it.each(sampleManifest.filter(({ file }) => file !== 'openssl-must-staple.csr'))(
    '$file: $expect ($note)',
    async ({ file, profile, expect: expected }) => {
      const answer = await client.settled(sampleBody(file), profile, device);
      expect(statusOf[expected], answer.text).toContain(answer.status);
      if (answer.status === 422) expect(violationsOf(answer).length).toBeGreaterThan(0);
    },
  );
});

it('no answer in this file carried a stack, a path or a secret of another', () => {
  expect(answersSeen.length).toBeGreaterThan(100);
  for (const { what, text } of answersSeen) {
    expect(text.includes(device), what).toBe(false);
    expect(text.includes(operator), what).toBe(false);
    expect(text.includes(local.stateDir), what).toBe(false);
  }
  expect(local.hostErrors).toEqual([]);
});
