import type { ACMPCAClient } from '@aws-sdk/client-acm-pca';
import { describe, expect, it } from 'vitest';
import { createAcmPcaAuditReports, parseEntry } from '../../shared/adapters/acm-pca/audit-reports.ts';
import { createJsonArrayScanner, JsonArrayError, readJsonArray } from '../../shared/adapters/acm-pca/json-array.ts';

const limits = { elementBytesMax: 100, elementsMax: 1_000, depthMax: 3 };

async function* chunksOf(text: string, size: number): AsyncIterable<Uint8Array> {
  const bytes = Buffer.from(text, 'utf8');
  // One buffer for all, as a reader may have.
  const buffer = Buffer.alloc(size);
  for (let start = 0; start < bytes.length; start += size) {
    const length = bytes.copy(buffer, 0, start, start + size);
    yield buffer.subarray(0, length);
  }
}

async function read(text: string, size = 7, bounds = limits): Promise<unknown[]> {
  const elements: unknown[] = [];
  for await (const element of readJsonArray(chunksOf(text, size), bounds)) elements.push(element);
  return elements;
}

describe('an array of objects read as it comes', () => {
  const elements = [
    {},
    { a: 'x' },
    { a: '},{"b":1}][', b: '\\', c: '"\\"', d: 'ü🔑\u0000\n' },
    { deep: [{ x: [] }.x, 1, true, null], n: 1.5e3 },
  ];

  it('is the same however it is cut (chunks)', async () => {
    const text = JSON.stringify(elements);
    for (let size = 1; size <= text.length + 1; size++) expect(await read(text, size), `${size}`).toEqual(elements);
    expect(await read(` \n[ ${elements.map((one) => JSON.stringify(one)).join('\t,\r\n')} ]\n`, 3)).toEqual(elements);
    expect(await read('[]')).toEqual([]);
  });

  it.each([
    '',
    ' ',
    '[',
    '[{}',
    '[{},',
    '[{},]',
    '[,{}]',
    '[{}{}]',
    '[{}]]',
    '[{}] x',
    '[1]',
    '["a"]',
    '[[]]',
    'null',
    '{}',
    '[{"a":"]',
    '[{"a":1]',
    '[{a:1}]',
    '[{"a":tru}]',
    '[{"a":1}}]',
    'x[]',
  ])('is refused when it is none, or ends early: %s', async (text) => {
    await expect(read(text)).rejects.toThrow(JsonArrayError);
  });

  it('is refused when its bytes are no UTF-8 (utf-8)', async () => {
    const scan = async () => {
      const bytes = Buffer.concat([Buffer.from('[{"a":"'), Buffer.from([0xff]), Buffer.from('"}]')]);
      for await (const _ of readJsonArray(
        (async function* () {
          yield bytes;
        })(),
        limits,
      ));
    };
    await expect(scan()).rejects.toThrow(JsonArrayError);
  });

  it('is bounded in elements, in the bytes of one, and in depth (bounds)', async () => {
    const many = JSON.stringify(Array.from({ length: 1_001 }, () => ({})));
    await expect(read(many, 64)).rejects.toThrow('more than 1000 elements');
    const long = (length: number) => `[{"a":"${'x'.repeat(length - 8)}"}]`;
    expect(await read(long(100), 9)).toHaveLength(1);
    for (const size of [1, 9, 1_000]) await expect(read(long(101), size)).rejects.toThrow('over 100 bytes');
    expect(await read('[{"a":[[]]}]')).toHaveLength(1);
    await expect(read('[{"a":[[[]]]}]')).rejects.toThrow('deeper than 3');
  });

  it('holds no more than one element while it is read (memory)', () => {
    const scanner = createJsonArrayScanner(limits);
    expect(scanner.push(Buffer.from('[{"a":1},{"b"'))).toHaveLength(1);
    expect(scanner.push(Buffer.from(':2}'))).toHaveLength(1);
    expect(() => scanner.end()).toThrow('ends early');
  });
});

const authority = 'arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/11111111-2222-3333-4444-555555555555';
const element = {
  awsAccountId: '000000000000',
  certificateArn: `${authority}/certificate/${BigInt('0x0abc01')}`,
  serial: '0a:bc:01',
  subject: 'CN=a.example',
  notBefore: '2026-11-23T11:00:00+0000',
  notAfter: '2027-11-23T12:00:00+0000',
  issuedAt: '2026-11-23T12:00:00+0000',
  templateArn: 'arn:aws:acm-pca:::template/EndEntityCertificate/V1',
};

describe('an entry of an audit report', () => {
  it('is read with one form of the serial, and instants (canonical)', () => {
    expect(parseEntry(authority, element)).toEqual({
      arn: element.certificateArn,
      serialHex: '0abc01',
      subject: 'CN=a.example',
      notBefore: Date.UTC(2026, 10, 23, 11),
      notAfter: Date.UTC(2027, 10, 23, 12),
      issuedAt: Date.UTC(2026, 10, 23, 12),
      templateArn: element.templateArn,
    });
    expect(parseEntry(authority, { ...element, serial: '00:0A:bc:01' }).serialHex).toBe('0abc01');
    const revoked = { ...element, revokedAt: '2026-11-24T00:00:00+0000', revocationReason: 'SUPERSEDED' };
    expect(parseEntry(authority, revoked).revokedAt).toBe(Date.UTC(2026, 10, 24));
    const long = (1n << 159n) - 1n;
    const serial = long.toString(16).replace(/..(?!$)/g, '$&:');
    expect(
      parseEntry(authority, { ...element, serial, certificateArn: `${authority}/certificate/${long}` }).serialHex,
    ).toBe(long.toString(16));
  });

  it.each([
    ['serial', '0a:bc:02'],
    ['serial', '0abc01'],
    ['serial', ''],
    ['serial', 'zz'],
    ['serial', 703489],
    ['serial', `${'01:'.repeat(20)}01`],
    ['certificateArn', `${authority}/certificate/`],
    ['certificateArn', `${authority}/certificate/0x0abc01`],
    ['certificateArn', element.certificateArn.replace('11111111', '99999999')],
    ['certificateArn', undefined],
    ['subject', undefined],
    ['templateArn', null],
    ['notBefore', '2026-11-23'],
    ['notAfter', 'never'],
    ['issuedAt', '2026-11-23T12:00:00+0200'],
    ['issuedAt', '2026-13-45T12:00:00Z'],
    ['revokedAt', 'yesterday'],
  ])('with another %s is refused, and with it the report: %s', (name, value) => {
    expect(() => parseEntry(authority, { ...element, [name]: value })).toThrow(/^an entry/);
  });
});

describe('asking for a report', () => {
  const reportsOf = (answer: unknown) =>
    createAcmPcaAuditReports({
      client: {
        send: async () => {
          if (answer instanceof Error) throw answer;
          return answer;
        },
      } as unknown as ACMPCAClient,
      bucket: 'reports',
      readObject: async function* () {
        yield Buffer.from('[');
      },
    });
  const named = (name: string, status = 400) =>
    Object.assign(new Error('no'), { name, $metadata: { httpStatusCode: status } });

  it('tells what is not now from what is not there (errors)', async () => {
    expect(await reportsOf({ AuditReportId: 'r' }).begin(authority)).toEqual({ kind: 'begun', reportId: 'r' });
    for (const name of ['RequestInProgressException', 'LimitExceededException', 'RequestFailedException'])
      expect(await reportsOf(named(name)).begin(authority)).toMatchObject({ kind: 'not-now', retryAfterMs: 1_800_000 });
    expect(await reportsOf(named('ThrottlingException')).begin(authority)).toMatchObject({
      kind: 'not-now',
      retryAfterMs: 60_000,
    });
    expect(await reportsOf(named('InvalidStateException')).begin(authority)).toMatchObject({
      kind: 'unavailable',
      code: 'pca-invalid-state',
    });
    // The answer was lost, and the report may have begun: the next call will be told so.
    expect(await reportsOf(new Error('socket hang up')).begin(authority)).toMatchObject({
      kind: 'unavailable',
      code: 'pca-outcome-unknown',
    });
    expect(await reportsOf({}).begin(authority)).toMatchObject({ kind: 'unavailable' });
  });

  it('answers the moment of the snapshot once it is there, and throws when it cannot be asked (describe)', async () => {
    const describeIt = (answer: unknown) => reportsOf(answer).describe(authority, 'r');
    expect(await describeIt({ AuditReportStatus: 'CREATING' })).toEqual({ kind: 'creating' });
    expect(await describeIt({ AuditReportStatus: 'FAILED' })).toEqual({ kind: 'failed' });
    expect(await describeIt({ AuditReportStatus: 'SUCCESS', CreatedAt: new Date(5), S3Key: 'k' })).toEqual({
      kind: 'ready',
      begunAt: 5,
      location: 'k',
    });
    await expect(describeIt({ AuditReportStatus: 'SUCCESS' })).rejects.toThrow('lacks');
    await expect(describeIt(named('ResourceNotFoundException'))).rejects.toThrow('no');
  });

  it('throws for an object that ends early (entries)', async () => {
    const readAll = async () => {
      for await (const _ of reportsOf({}).entries(authority, 'k'));
    };
    await expect(readAll()).rejects.toThrow('ends early');
  });
});
