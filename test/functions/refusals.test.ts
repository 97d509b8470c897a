import { generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  keyUsageExtension,
} from '../../shared/pki/certificate-builder.ts';
import { implicit, nullValue, oid, sequence, utf8String } from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import {
  altNames,
  attribute,
  attributesOf,
  extension,
  extensionRequest,
  makeRequest,
  rdn,
  sampleBody,
  spkiOf,
} from '../support/certification-requests.ts';
import { dns, freshName, type LocalStack, newP256, startLocalStack, uri } from '../support/service.ts';
import {
  createServiceClient,
  problemOf,
  type ServiceClient,
  violationCodes,
  violationsOf,
} from '../support/service-client.ts';

let local: LocalStack;
let client: ServiceClient;
let device: string;

beforeAll(async () => {
  local = await startLocalStack();
  client = createServiceClient(local.url);
  ({ device } = local.tokens);
});

afterAll(() => local?.close());

const codeSigning = '1.3.6.1.5.5.7.3.3';
const challengePassword = attribute('1.2.840.113549.1.9.7', utf8String('hunter-22'));

function asking(key = newP256()) {
  const wishes = extensionRequest(
    encoded(basicConstraintsExtension({ ca: true, pathLen: 3 })),
    encoded(keyUsageExtension(['keyCertSign', 'cRLSign', 'digitalSignature'])),
    encoded(extendedKeyUsageExtension([codeSigning, oids.serverAuth])),
    extension('1.2.3.4.5', nullValue()),
    altNames(
      dns('a.elsewhere.example'),
      dns('*.fleet.example'),
      dns('bad_label.fleet.example'),
      dns('-x.fleet.example'),
      dns('twice.fleet.example'),
      dns('TWICE.fleet.example'),
      { kind: 'ip', value: '10.0.0.1' },
      { kind: 'email', value: 'a@fleet.example' },
      uri('spiffe://fleet.example/x'),
      { kind: 'registered-id', value: '1.2.3' },
    ),
  );
  return { key, wishes };
}

function encoded({ oid: id, critical, value }: { oid: string; critical: boolean; value: Uint8Array }): Uint8Array {
  return extension(id, value, critical);
}

/** What is wrong with `asking` beside key and attributes. */
const wrong = [
  'ca-requested',
  'extended-key-usage-not-allowed',
  'extension-not-allowed',
  'key-usage-not-allowed',
  'name-duplicate',
  'name-kind-not-allowed',
  'name-malformed',
  'name-out-of-scope',
  'name-outside-constraints',
  'wildcard-not-allowed',
];

describe('a refusal names all that is wrong, not the first [design.md, journey 2]', () => {
  it('when the validator decides', async () => {
    const { key, wishes } = asking();
    const der = makeRequest({
      spki: spkiOf(key.publicKey),
      privateKey: key.privateKey,
      attributes: attributesOf(wishes),
    });
    const answer = await client.settled(der, 'device', device);
    expect(problemOf(answer)).toBe('422 policy-refused');
    expect(violationCodes(answer)).toEqual(wrong);
    const kinds = violationsOf(answer).filter(({ code }) => code === 'name-kind-not-allowed');
    expect(kinds.map(({ field }) => field)).toEqual([6, 7, 8, 9].map((n) => `subjectAltName[${n}]`));
    for (const { field, message, reference } of violationsOf(answer))
      for (const text of [field, message, reference]) expect(text.length).toBeGreaterThan(3);
  });

  it('at the door, where a challengePassword is refused with all the rest and nothing is stored', async () => {
    const { key, wishes } = asking();
    const attributes = attributesOf(challengePassword, wishes);
    const der = makeRequest({ spki: spkiOf(key.publicKey), privateKey: key.privateKey, attributes });
    const answer = await client.enroll(der, 'device', device);
    expect(problemOf(answer)).toBe('422 policy-refused');
    expect(violationCodes(answer)).toEqual(['challenge-password', ...wrong].sort());
    expect(answer.text).not.toContain('hunter-22');
    expect(await client.enroll(der, 'device', device)).toMatchObject({ status: 422 });
    expect(answer.headers.location).toBeUndefined();
  });

  it('of key and signature too, judged before possession', async () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 1024, publicExponent: 3 });
    const { wishes } = asking();
    const der = makeRequest({
      spki: spkiOf(pair.publicKey),
      attributes: attributesOf(challengePassword, wishes),
      signatureAlgorithm: sequence(oid('1.2.840.113549.1.1.5'), nullValue()),
      signature: (info) => new Uint8Array(sign('sha256', info, pair.privateKey)),
    });
    const answer = await client.enroll(der, 'device', device);
    expect(problemOf(answer)).toBe('422 policy-refused');
    expect(violationCodes(answer)).toEqual(
      [
        'challenge-password',
        'key-too-small',
        'rsa-exponent-too-small',
        'signature-algorithm-not-allowed',
        ...wrong,
      ].sort(),
    );
  });

  it('and counts what it does not list, when hundreds of names are wrong', async () => {
    const names = Array.from({ length: 300 }, (_, n) => dns(`${n}.elsewhere.example`));
    const key = newP256();
    const attributes = attributesOf(extensionRequest(altNames(...names)));
    const der = makeRequest({ spki: spkiOf(key.publicKey), privateKey: key.privateKey, attributes });
    const answer = await client.settled(der, 'device', device);
    expect(violationCodes(answer)).toEqual(['name-out-of-scope', 'name-outside-constraints', 'names-too-many']);
    expect(violationsOf(answer).length).toBeLessThan(50);
    expect(answer.text).toContain('and 280 more of this kind');
  });

  it('joins a name held and a key of another owner', async () => {
    const { secret } = await client.createCredential(local.tokens.operator, { owner: 'plant-12' });
    const key = newP256();
    const name = freshName();
    const request = (...names: string[]) =>
      makeRequest({
        spki: spkiOf(key.publicKey),
        privateKey: key.privateKey,
        attributes: attributesOf(extensionRequest(altNames(...names.map(dns)))),
      });
    expect((await client.settled(request(name), 'device', device)).status).toBe(200);
    const answer = await client.settled(request(name, 'a.elsewhere.example'), 'device', secret);
    expect(violationCodes(answer)).toEqual([
      'key-of-another-owner',
      'name-held',
      'name-out-of-scope',
      'name-outside-constraints',
    ]);
  });
});

describe('the broken samples', () => {
  it.each([
    ['broken-a-certificate-instead.csr', 'not-a-certification-request'],
    ['broken-deep-nesting.csr', 'der-too-deep'],
    ['broken-empty.csr', 'body-empty'],
    ['broken-indefinite-length.csr', 'der-not-canonical'],
    ['broken-length-lies.csr', 'der-truncated'],
    ['broken-not-base64.csr', 'not-base64'],
    ['broken-point-off-curve.csr', 'public-key-invalid'],
    ['broken-signature.csr', 'possession-not-proven'],
    ['broken-subject-changed.csr', 'possession-not-proven'],
    ['broken-trailing-bytes.csr', 'der-trailing-bytes'],
    ['broken-truncated.csr', 'der-truncated'],
    ['broken-two-in-one-file.csr', 'more-than-one-request'],
  ])(
    '%s is answered 400 %s',
    async (file, code) => {
      for (const type of ['application/pkcs10', 'text/plain'])
        expect(problemOf(await client.enroll(sampleBody(file), 'device', device, { 'content-type': type }))).toBe(
          `400 ${code}`,
        );
    },
    5_000,
  );
});

describe('what a request says is shown as text only', () => {
  const hostile = [
    'a\nb.fleet.example',
    'a\r\nX-Injected: 1',
    '\u001b[31mred\u001b[0m',
    '{"level":"ERROR","message":"forged"}',
    '"}\n{"forged":true}',
    '<script>alert(1)</script>',
    '\u0000nul',
    '\u0085next-line',
    '\u2028line\u2029paragraph',
    '\u202eright-to-left',
    `${'a'.repeat(3_000)}`,
    '%n%s%d%%{{7*7}}',
  ];

  it.each(hostile)('in a subject: %.20j', async (text) => {
    const key = newP256();
    const der = makeRequest({
      spki: spkiOf(key.publicKey),
      privateKey: key.privateKey,
      subject: sequence(rdn(oids.commonName, text)),
      attributes: attributesOf(extensionRequest(altNames(dns('a.elsewhere.example')))),
    });
    const answer = await client.settled(der, 'device', device);
    expect(problemOf(answer)).toMatch(/^(422 policy-refused|400 name-malformed|400 der-malformed)$/);
    expect(unprintable(answer.text)).toEqual([]);
  });

  // An IA5String of our own making: the encoder of the product refuses such names.
  const tags = { dns: 2, uri: 6, email: 1 };
  it.each(hostile)('in a name: %.20j', async (text) => {
    for (const kind of ['dns', 'uri', 'email'] as const) {
      const names = extension(oids.subjectAltName, sequence(implicit(tags[kind], Buffer.from(text, 'utf8'))));
      const key = newP256();
      const der = makeRequest({
        spki: spkiOf(key.publicKey),
        privateKey: key.privateKey,
        attributes: attributesOf(extensionRequest(names)),
      });
      const answer = await client.settled(der, kind === 'uri' ? 'svid' : 'device', device);
      expect(problemOf(answer)).toMatch(/^(422 policy-refused|400 name-malformed|400 der-malformed)$/);
      expect(unprintable(answer.text)).toEqual([]);
      for (const { message } of answer.json().violations ?? []) expect(message.length).toBeLessThan(1_000);
    }
  });
});

/** Characters that a terminal or a log viewer acts on, in any string of a JSON text. */
function unprintable(text: string): readonly string[] {
  const found: string[] = [];
  JSON.parse(text, (_, value: unknown) => {
    if (typeof value === 'string' && /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(value)) found.push(JSON.stringify(value));
    return value;
  });
  return found;
}

it('the host had nothing it could not handle', () => {
  expect(local.hostErrors).toEqual([]);
});
