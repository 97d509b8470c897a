import { afterEach, describe, expect, it } from 'vitest';
import { type Enroller, enrol, locationPathOf, requestContentType } from '../../cli/enrolment.ts';
import { createHttpClient, type HttpClient } from '../../cli/http-client.ts';
import {
  type FakeService,
  json,
  pem,
  pending,
  problem,
  type ScriptedAnswer,
  startFakeService,
} from '../support/fake-service.ts';

const body = { bytes: 'a request', contentType: 'text/plain' };
let service: FakeService;
let client: HttpClient;
afterEach(async () => {
  client.close();
  await service.close();
});

/** Answers in turn, the last one for ever. `slept` keeps every wait; time passes only by them. */
async function run(answers: readonly (ScriptedAnswer | 'hang up')[], change: Partial<Enroller> = {}) {
  service = await startFakeService((_, nth) => answers[Math.min(nth, answers.length) - 1]!);
  client = createHttpClient({ baseUrl: service.url });
  const slept: number[] = [];
  let clock = 0;
  const enroller: Enroller = {
    client,
    deviceSecret: 'sw_e_secret',
    preferWaitSeconds: 0,
    accept: 'pem',
    patience: { triesMax: 6, enrolmentMsMax: 30_000, unreachableMax: 3 },
    now: () => 0,
    monotonic: () => clock,
    sleep: async (ms) => {
      slept.push(ms);
      clock += ms;
    },
    ...change,
  };
  const end = await enrol(enroller, 'device', body);
  return { end, slept, asked: service.seen.map(({ method, path }) => `${method} ${path}`) };
}

describe('an enrolment', () => {
  it('posts the bytes with credential, type and profile, and asks for PEM', async () => {
    await run([pem('P')], { preferWaitSeconds: 10 });
    expect(service.seen[0]).toMatchObject({
      method: 'POST',
      path: '/v1/enrollments?profile=device',
      headers: {
        authorization: 'Bearer sw_e_secret',
        'content-type': 'text/plain',
        accept: 'application/x-pem-file, application/problem+json',
        prefer: 'wait=10',
      },
    });
    expect(service.seen[0]!.body.toString()).toBe('a request');
  });

  it('asks at Location after Retry-After until there is a certificate', async () => {
    const { end, slept, asked } = await run([pending('I.1', 2), pending('I.1', 3), pem('CERT')]);
    expect(end).toEqual({ kind: 'certificate', chainPem: 'CERT', latencyMs: 5_000, issuanceId: 'I.1' });
    expect(slept).toEqual([2_000, 3_000]);
    expect(asked).toEqual([
      'POST /v1/enrollments?profile=device',
      'GET /v1/enrollments/I.1',
      'GET /v1/enrollments/I.1',
    ]);
    expect(service.seen[1]!.headers.authorization).toBe('Bearer sw_e_secret');
  });

  it.each([
    [429, 'too-many-requests'],
    [503, 'queue-too-deep'],
  ])('repeats the same POST after the Retry-After of a %i', async (status, code) => {
    const { end, slept, asked } = await run([problem(status, code, {}, { 'retry-after': '4' }), pem('CERT')]);
    expect(end.kind).toBe('certificate');
    expect(slept).toEqual([4_000]);
    expect(asked[0]).toBe(asked[1]);
    expect(service.seen[1]!.body).toEqual(service.seen[0]!.body);
  });

  it('asks again at Location when a GET is answered 503, and posts again when the issuance lapsed', async () => {
    const later = { 'retry-after': '1' };
    const { asked } = await run([
      pending('I.1'),
      problem(503, 'storage-unavailable', {}, later),
      problem(503, 'issuance-lapsed', {}, later),
      pem('CERT'),
    ]);
    expect(asked.map((line) => line.split(' ')[0])).toEqual(['POST', 'GET', 'GET', 'POST']);
  });

  it('waits longer each time when nobody says how long, and starts over after a lost connection', async () => {
    const { end, slept } = await run(['hang up', 'hang up', pem('CERT')]);
    expect(end.kind).toBe('certificate');
    expect(slept).toEqual([250, 500]);
  });
});

describe('an enrolment ends', () => {
  it('refused by a 4xx with a code, with every reason', async () => {
    const violations = ['a', 'b'].map((code) => ({ code, field: 'names', message: 'wrong', reference: 'rule' }));
    const { end } = await run([problem(422, 'policy-refused', { violations })]);
    expect(end).toMatchObject({
      kind: 'refused',
      status: 422,
      code: 'policy-refused',
      reasons: ['a: wrong', 'b: wrong'],
    });
  });

  it('refused by policy after it was accepted, with its id', async () => {
    const { end } = await run([pending('I.1'), problem(422, 'policy-refused')]);
    expect(end).toMatchObject({ kind: 'refused', status: 422, issuanceId: 'I.1' });
  });

  it.each([
    ['a 404 of an accepted issuance', [pending('I.1'), problem(404, 'not-found')], { status: 404, code: 'not-found' }],
    ['a 400 without a problem document', [{ status: 400, body: 'no' }], { status: 400, code: 'answer-without-a-code' }],
    ['a 500', [problem(500, 'issuance-failed')], { status: 500, code: 'issuance-failed' }],
    ['a 202 without Location', [json(202, { issuanceId: 'I' })], { status: 202, code: 'location-missing' }],
    ['a 200 that is no PEM', [json(200, {})], { status: 200, code: 'answer-unreadable' }],
  ] as const)('failed by %s', async (_, answers, expected) => {
    expect((await run(answers)).end).toMatchObject({ kind: 'failed', ...expected });
  });

  it('failed when its tries are used up', async () => {
    const { end, asked } = await run([problem(503, 'backend-unavailable', {}, { 'retry-after': '1' })]);
    expect(end).toMatchObject({ kind: 'failed', status: 503, code: 'backend-unavailable' });
    expect(asked).toHaveLength(6);
  });

  it('failed rather than wait past its deadline', async () => {
    const { end, slept, asked } = await run([pending('I.1', 20)]);
    expect(end).toMatchObject({ kind: 'failed', status: 202, code: 'still-pending', issuanceId: 'I.1' });
    expect(slept).toEqual([20_000]);
    expect(asked).toHaveLength(2);
  });

  it('failed when nobody answers for some tries', async () => {
    const { end, asked } = await run(['hang up']);
    expect(end).toMatchObject({ kind: 'failed', status: 0, code: 'ECONNRESET' });
    expect(asked).toHaveLength(3);
  });

  it('without sending its secret to another host', async () => {
    const elsewhere = json(202, { issuanceId: 'I' }, { location: 'http://other.example/v1/enrollments/I' });
    const { end, asked } = await run([elsewhere]);
    expect(end).toMatchObject({ kind: 'failed', code: 'location-missing' });
    expect(asked).toHaveLength(1);
  });
});

it('resolves a Location below its own address only', async () => {
  const base = 'https://ca.example/base';
  expect(locationPathOf('/base/v1/enrollments/a', base)).toBe('/v1/enrollments/a');
  expect(locationPathOf('/v1/enrollments/a', 'https://ca.example')).toBe('/v1/enrollments/a');
  expect(locationPathOf('https://ca.example/v1/x', 'https://ca.example')).toBe('/v1/x');
  for (const other of ['//evil.example/x', 'http://ca.example/x', 'https://ca.example:8443/x', 'javascript:1']) {
    expect(locationPathOf(other, base)).toBeUndefined();
  }
});

it('tells DER, PEM and text apart', () => {
  expect(requestContentType(new Uint8Array([0x30, 0x82, 1, 2]))).toBe('application/pkcs10');
  expect(requestContentType(new Uint8Array([0x30, 0x01, 2]))).toBe('application/pkcs10');
  expect(requestContentType(Buffer.from('text\n-----BEGIN CERTIFICATE REQUEST-----'))).toBe('application/x-pem-file');
  for (const text of ['MIIB', '0123', '']) expect(requestContentType(Buffer.from(text))).toBe('text/plain');
});
