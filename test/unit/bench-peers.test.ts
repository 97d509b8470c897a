import { createHmac, createPublicKey, generateKeyPairSync, verify, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { makePeerAuthority, writeServerTls } from '../../bench/certificates.ts';
import { readReply } from '../../bench/client/connection.ts';
import { certificateIn, oneTimeToken, wholeRequests } from '../../bench/client/dialect.ts';
import { prepareRequest } from '../../bench/client/requests.ts';
import { badgerLogKeys, countBadgerKeys, crc32c } from '../../bench/peers/badger-log.ts';
import { cfsslConfig, cfsslDatabase } from '../../bench/peers/cfssl.ts';
import { parsePeersOptions, peersUsage } from '../../bench/peers/options.ts';
import { renderPeers } from '../../bench/peers/report.ts';
import schema from '../../bench/peers/result.schema.json' with { type: 'json' };
import {
  disturbance,
  otherWorkOf,
  pairedRatios,
  peersResult,
  rateOf,
  type SideRun,
  unsoundness,
} from '../../bench/peers/result.ts';
import { comparisons, type Side, type SideName, sideNames } from '../../bench/peers/side.ts';
import { stepCaConfig } from '../../bench/peers/step-ca.ts';
import { defaultCacheDir, parseBuildInfo, peerModules } from '../../bench/peers/toolchain.ts';

function sideRun(
  side: SideName,
  round: number,
  certificates: number,
  changes: Partial<SideRun> & { readonly cpuMs?: number; readonly answered?: number } = {},
): SideRun {
  const { answered = certificates, cpuMs = certificates, ...rest } = changes;
  return {
    side,
    round,
    load: {
      answered,
      certificates,
      seconds: 2,
      latencyMs: { p50: 8.25, p99: 21.5 },
      usage: [{ name: side, cpuMs, mainThreadCpuMs: cpuMs / 2, rssMaxBytes: 200_000_000 }],
      clientCpuMs: 200,
      transport: 'TLSv1.3, TLS_AES_128_GCM_SHA256',
      machine: { busyMs: cpuMs + 600, availableMs: 4_000 },
    },
    verified: certificates,
    recorded: certificates,
    faults: {},
    durability: { isSynced: true, settings: 'synchronous FULL' },
    ...rest,
  };
}

const runs: readonly SideRun[] = [
  sideRun('stepca', 1, 1_000),
  sideRun('sealwright-software', 1, 1_500, { cpuMs: 1_000 }),
  sideRun('cfsslSqlite', 1, 750),
  sideRun('stepca', 2, 2_000),
  sideRun('sealwright-software', 2, 2_000, { cpuMs: 1_000 }),
  sideRun('cfsslSqlite', 2, 500),
];

const sides: readonly Side[] = sideNames.map((name) => ({
  name,
  description: `${name} v1.2.3, a database of some length v4.5.6, TLS, a credential on each request, P-256 key in a file`,
  counted: 'rows of a table',
  start: () => Promise.reject(new Error('nothing is started here')),
  countRecorded: () => 0,
}));

const validate = new Ajv2020({ allErrors: true }).compile(schema);

describe('the result against the peers', () => {
  it('compares the two runs of a round, never runs of different rounds', () => {
    expect(pairedRatios(runs, 'stepca', rateOf)).toEqual([1.5, 1]);
    expect(pairedRatios(runs, 'cfsslSqlite', rateOf)).toEqual([2, 4]);
    expect(pairedRatios(runs, 'stepcaPkcs11', rateOf)).toEqual([]);
  });

  it('leaves a round out that lacks one of the two', () => {
    expect(pairedRatios([...runs, sideRun('sealwright-software', 3, 9_000)], 'stepca', rateOf)).toEqual([1.5, 1]);
  });

  it('has the spread of the ratios, and medians of CPU and rate, of what was measured', () => {
    expect(peersResult(runs)).toEqual({
      ratios: {
        stepca: { min: 1, median: 1.25, max: 1.5 },
        cfsslSqlite: { min: 2, median: 3, max: 4 },
      },
      cpuMsPerCertificate: { stepca: 1, 'sealwright-software': 0.5833, cfsslSqlite: 1 },
      certificatesPerSecond: { stepca: 750, 'sealwright-software': 875, cfsslSqlite: 312.5 },
    });
  });

  it('is what its schema says, and nothing else is', () => {
    expect(validate(JSON.parse(JSON.stringify(peersResult(runs))))).toBe(true);
    expect(validate(JSON.parse(JSON.stringify(peersResult([]))))).toBe(true);
    expect(validate({ ...peersResult(runs), surplus: 1 })).toBe(false);
    expect(validate({ ...peersResult(runs), ratios: { stepca: { min: 1, median: 1 } } })).toBe(false);
    expect(validate({ ...peersResult(runs), certificatesPerSecond: { another: 1 } })).toBe(false);
  });

  it('has every side and every comparison in its schema', () => {
    expect(schema.$defs.perSide.propertyNames.enum).toEqual([...sideNames]);
    expect(schema.properties.ratios.propertyNames.enum).toEqual(Object.keys(comparisons));
  });

  it('says nothing of CPU where the kernel does not', () => {
    const one = sideRun('stepca', 1, 1_000);
    const { machine: _, ...load } = { ...one.load, usage: [] };
    const silent = { ...one, load };
    expect(peersResult([silent]).cpuMsPerCertificate).toEqual({});
    expect(otherWorkOf(silent)).toBeUndefined();
  });

  it('tells how much of the machine others used', () => {
    expect(otherWorkOf(sideRun('stepca', 1, 1_000))).toBe(0.1);
  });

  it('warns of a machine that others used, in how many runs and how much at most', () => {
    const quiet = sideRun('stepca', 1, 1_000);
    const { load } = quiet;
    const disturbed = { ...quiet, load: { ...load, machine: { busyMs: 3_200, availableMs: 4_000 } } };
    expect(disturbance([quiet, quiet])).toBeUndefined();
    expect(disturbance([quiet, disturbed, quiet])).toContain('up to 50 % of the machine, in 1 of 3 runs');
  });

  it.each([
    ['an answer held no certificate', { answered: 1_001 }, '1 answers without a certificate'],
    ['an answer was not verified', { verified: 999 }, '999 of 1000 verified'],
    ['a record is missing', { recorded: 999 }, '999 recorded of 1000'],
    ['there is a record too many', { recorded: 1_001 }, '1001 recorded of 1000'],
    [
      'the server was not seen to wait for the disk',
      { durability: { isSynced: false, settings: 'NORMAL' } },
      'not seen to be durable: NORMAL',
    ],
  ])('is not sound when %s', (_what, changes, fault) => {
    expect(unsoundness(sideRun('stepca', 1, 1_000))).toEqual([]);
    expect(unsoundness(sideRun('stepca', 1, 1_000, changes))).toEqual([fault]);
  });

  it('is not sound without a certificate', () => {
    expect(unsoundness(sideRun('stepca', 1, 0))).toEqual(['no certificate']);
  });

  it('is shown in at most 100 columns, with what failed', () => {
    const all = sideNames.flatMap((side) => [1, 2, 3].map((round) => sideRun(side, round, 123_456 * round)));
    const text = renderPeers(sides, [...all, sideRun('stepca', 4, 10, { faults: { 'status 503: no code': 2 } })]);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(text).not.toContain('…');
    expect(text).toContain('round 4, stepca: 2 × status 503: no code');
  });
});

describe('the options against the peers', () => {
  it('measures all sides three times where nothing is said', () => {
    expect(parsePeersOptions([])).toMatchObject({
      kind: 'options',
      options: { rounds: 3, connections: 16, seconds: 10, sides: sideNames, isTmpfsAccepted: false },
    });
  });

  it('keeps the order of the sides and lets a number overrule --quick', () => {
    expect(parsePeersOptions(['--quick', '--seconds', '4', '--sides', 'sealwright-software,stepca'])).toMatchObject({
      options: { rounds: 1, seconds: 4, sides: ['stepca', 'sealwright-software'] },
    });
  });

  it('names every fault at once', () => {
    const parsed = parsePeersOptions(['--rounds', '0', '--sides', 'stepca,other', '--connections', 'many']);
    expect(parsed.kind === 'usage' ? parsed.faults.length : 0).toBe(3);
  });

  it('are explained in at most 100 columns', () => {
    expect(Math.max(...peersUsage.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it('builds below the user’s cache folder', () => {
    expect(defaultCacheDir({ XDG_CACHE_HOME: '/c' })).toBe('/c/sealwright/bench-peers');
  });
});

const tokenKey = {
  modulePath: '/lib/softhsm.so',
  softhsmConf: '/s/softhsm2.conf',
  tokenLabel: 'issuance',
  keyLabel: 'workloads-g1',
  pinFile: '/s/issuance.pin',
  spki: new Uint8Array(),
};

describe('what the peers are told', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const files = { root: '/d/root.crt', issuer: '/d/issuer.crt', key: '/d/issuer.key' };
  const wish = { dir: '/d', port: 4_433, files, provisionerKey: publicKey };

  it('has step-ca keep its key in a file and its records in Badger, on loopback, without a log of requests', () => {
    const config = stepCaConfig({ ...wish, tokenKey: undefined });
    expect(config).toMatchObject({
      address: '127.0.0.1:4433',
      key: '/d/issuer.key',
      db: { type: 'badgerv2', dataSource: '/d/db' },
    });
    expect(config).not.toHaveProperty('kms');
    expect(config).not.toHaveProperty('logger');
    expect(JSON.stringify(config)).not.toContain('"d":');
  });

  it('has step-ca find its key on the token by the label, with the PIN from a file', () => {
    expect(stepCaConfig({ ...wish, tokenKey })).toMatchObject({
      key: 'pkcs11:object=workloads-g1',
      kms: {
        type: 'pkcs11',
        uri: 'pkcs11:module-path=/lib/softhsm.so;token=issuance?pin-source=/s/issuance.pin',
      },
    });
  });

  it('has cfssl ask for a token on every request, and SQLite sync each commit of a WAL', () => {
    expect(cfsslConfig('00ff')).toMatchObject({
      signing: { default: { auth_key: 'bench' } },
      auth_keys: { bench: { type: 'standard', key: '00ff' } },
    });
    expect(cfsslDatabase('/d/c.sqlite', 'FULL')).toEqual({
      driver: 'sqlite3',
      data_source: 'file:/d/c.sqlite?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=30000',
    });
  });

  it('signs a one-time token that names its request alone (RFC 7519, ES256)', () => {
    const provisioner = { name: 'bench', keyId: 'k', privateKeyPem: '', audience: 'https://127.0.0.1:1/1.0/sign' };
    const tokens = [1, 2].map(() => oneTimeToken(provisioner, privateKey, 'a.fleet.example', 1_700_000_000_000));
    const [header, claims, signature] = tokens[0]!.split('.') as [string, string, string];
    const json = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    expect(json(header)).toEqual({ alg: 'ES256', kid: 'k', typ: 'JWT' });
    expect(json(claims)).toMatchObject({ iss: 'bench', sub: 'a.fleet.example', sans: ['a.fleet.example'] });
    expect(json(claims).iat).toBe(1_700_000_000);
    expect(json(tokens[1]!.split('.')[1]!).jti).not.toBe(json(claims).jti);
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
    const signed = Buffer.from(`${header}.${claims}`);
    expect(verify('sha256', signed, key, Buffer.from(signature, 'base64url'))).toBe(true);
  });

  it('sends cfssl the request under an HMAC of exactly what is sent', () => {
    const request = prepareRequest('t', 1);
    const [bytes] = wholeRequests({ kind: 'cfssl', head: 'POST / HTTP/1.1\r\n', authKeyHex: '00ff' }, [request]);
    const [head, body] = Buffer.from(bytes!).toString('latin1').split('\r\n\r\n') as [string, string];
    expect(head).toContain(`content-length: ${body.length}`);
    const { request: inner, token } = JSON.parse(body);
    const sent = Buffer.from(inner, 'base64');
    expect(JSON.parse(sent.toString('utf8'))).toEqual({ certificate_request: request.csrPem });
    expect(token).toBe(createHmac('sha256', Buffer.from('00ff', 'hex')).update(sent).digest('base64'));
  });
});

describe('what the peers answer', () => {
  it.each([
    ['sealwright', { certificate: 'PEM' }],
    ['step-ca', { crt: 'PEM', ca: 'other', certChain: ['PEM', 'other'] }],
    ['cfssl', { success: true, result: { certificate: 'PEM' } }],
  ] as const)('holds its certificate where %s puts it', (kind, answer) => {
    expect(certificateIn(kind, Buffer.from(JSON.stringify(answer)))).toBe('PEM');
    expect(certificateIn(kind, Buffer.from('{}'))).toBeUndefined();
    expect(certificateIn(kind, Buffer.from('<html>'))).toBeUndefined();
  });

  it('is read whole from chunks, wherever they are cut (RFC 9112 §7.1)', () => {
    const head = 'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n';
    const whole = Buffer.from(`${head}5\r\nhello\r\nA\r\n, chunks \n\r\n0\r\n\r\n`);
    for (let end = 0; end < whole.length; end++) expect(readReply(whole.subarray(0, end))).toBeUndefined();
    expect(readReply(whole)).toEqual({ status: 201, body: Buffer.from('hello, chunks \n') });
  });

  it('is refused when it does not say where it ends', () => {
    expect(() => readReply(Buffer.from('HTTP/1.1 200 OK\r\n\r\nx'))).toThrow('neither');
  });
});

function entry(key: string, bucket = 'x509_certs'): Buffer {
  const sized = (text: string) => {
    const bytes = Buffer.from(text);
    return Buffer.concat([Buffer.from([bytes.length & 0xff, bytes.length >> 8]), bytes]);
  };
  const parts = key === '' ? [sized(bucket)] : [sized(bucket), sized(key)];
  const whole = Buffer.concat([...parts, Buffer.alloc(8, 0xee)]);
  const value = Buffer.alloc(300, 7);
  const content = Buffer.concat([Buffer.from([0, 0, whole.length, 0xac, 0x02, 0]), whole, value]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32c(content));
  return Buffer.concat([content, crc]);
}

describe('the count of records in a Badger value log', () => {
  it('has the checksum of RFC 3720 (appendix B.4)', () => {
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });

  it('counts each key of the bucket once, over all files, and no marker of a table', () => {
    const dir = mkdtempSync(join(tmpdir(), 'sealwright-badger-'));
    try {
      const header = Buffer.alloc(20);
      const first = [entry(''), entry('1'), entry('2'), entry('1'), entry('1', 'used_ott')];
      writeFileSync(join(dir, '000000.vlog'), Buffer.concat([header, ...first]));
      writeFileSync(join(dir, '000001.vlog'), Buffer.concat([header, entry('3'), Buffer.alloc(4_096)]));
      writeFileSync(join(dir, '000001.sst'), Buffer.concat([header, entry('9')]));
      expect(countBadgerKeys(dir, 'x509_certs')).toBe(3);
      expect(countBadgerKeys(dir, 'used_ott')).toBe(1);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('ends at an entry that is torn or damaged', () => {
    const log = Buffer.concat([Buffer.alloc(20), entry('1'), entry('2')]);
    expect([...badgerLogKeys(log)]).toHaveLength(2);
    expect([...badgerLogKeys(log.subarray(0, log.length - 1))]).toHaveLength(1);
    const damaged = Buffer.from(log);
    damaged[60] = damaged[60]! ^ 1;
    expect([...badgerLogKeys(damaged)]).toHaveLength(0);
  });
});

describe('the certificates of the bench', () => {
  it('chain from a server’s issuer to its root, with a key of P-256 that matches', async () => {
    const authority = await makePeerAuthority();
    const [root, issuer] = [new X509Certificate(authority.rootPem), new X509Certificate(authority.issuerPem)];
    expect(issuer.checkIssued(root) && issuer.verify(root.publicKey)).toBe(true);
    expect(issuer.publicKey.equals(createPublicKey(authority.issuerKeyPem!))).toBe(true);
    expect(issuer.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  });

  it('take the public key of an issuer whose private key is on a token', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const authority = await makePeerAuthority(publicKey.export({ format: 'der', type: 'spki' }));
    expect(authority.issuerKeyPem).toBeUndefined();
    expect(new X509Certificate(authority.issuerPem).publicKey.equals(publicKey)).toBe(true);
  });

  it('name localhost and 127.0.0.1 for TLS', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sealwright-tls-'));
    try {
      const certificate = new X509Certificate(readFileSync((await writeServerTls(dir)).certificateFile));
      expect(certificate.checkHost('localhost')).toBe('localhost');
      expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe('what a built peer says of itself', () => {
  it('has version, settings and the modules it was linked with', () => {
    const { dependencies, go, settings, version } = parseBuildInfo(
      [
        '/c/step-ca: go1.26.0',
        '\tpath\tgithub.com/smallstep/certificates/cmd/step-ca',
        '\tmod\tgithub.com/smallstep/certificates\tv0.30.2\th1:abc=',
        '\tdep\tgithub.com/dgraph-io/badger/v2\tv2.2007.4\th1:def=',
        '\tbuild\t-tags=noyubikey',
        '\tbuild\tCGO_ENABLED=1',
        '\tbuild\tCGO_CFLAGS=',
        '',
      ].join('\n'),
    );
    expect({ go, version }).toEqual({ go: 'go1.26.0', version: peerModules['step-ca'].version });
    expect(dependencies.get('github.com/dgraph-io/badger/v2')).toBe('v2.2007.4');
    expect([settings.get('-tags'), settings.get('CGO_ENABLED'), settings.get('CGO_CFLAGS')]).toEqual([
      'noyubikey',
      '1',
      '',
    ]);
  });
});
