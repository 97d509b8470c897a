import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { textWidth } from '../../cli/terminal/text.ts';
import { type CliMaterial, type CliWorld, makeMaterial, openCliWorld, operatorToken } from '../support/cli-world.ts';
import { json } from '../support/fake-service.ts';

let material: CliMaterial;
let cli: CliWorld;
beforeAll(async () => {
  material = await makeMaterial();
});
beforeEach(async () => {
  cli = await openCliWorld(material.csrPem);
});
afterEach(() => cli.end());

const held = {
  id: 'workloads',
  model: 'self-managed-hsm',
  place: 'cloudhsm',
  status: 'holds',
  unknownBecause: null,
  location: 'pkcs11:token=issuance;object=workloads-g1;type=private',
  findings: [{ code: 'key-restored', message: 'the key comes from backup backup-1', severity: 'advice' }],
  evidence: {
    source: 'module',
    kind: 'module-reported',
    readAt: '2026-11-23T12:00:00.345Z',
    ageSeconds: 2,
    keyId: `sha256:${'9f'.repeat(32)}`,
    keyAlgorithm: 'EC_prime256v1',
    keyStatus: 'usable',
    securityLevel: 3,
    attributes: { sensitive: true, extractable: false, neverExtractable: true, local: true },
    module: { manufacturer: 'M', model: 'CloudHSM', serial: '1', firmware: '5.0', library: 'L 5.16' },
    cluster: {
      clusterId: 'cluster-a',
      state: 'ACTIVE',
      hsmType: 'hsm2m.medium',
      mode: 'FIPS',
      hsms: [{ zone: 'a' }, { zone: 'b' }],
    },
    origin: { kind: 'restored', knownBy: 'provider', backupId: 'backup-1' },
  },
  validation: {
    standard: 'FIPS 140-3',
    certificateNumber: '4703',
    status: 'active',
    statusAsOf: '2026-11-23',
    basis: 'looked up by HSM type',
  },
  canSign: [{ who: 'the crypto user', by: 'C_Login' }],
  quorum: 'none',
  backup: 'backup-2',
  failureMode: 'down',
  cost: {
    perMonth: 2336,
    emulated: false,
    sharedBy: 2,
    lines: [{ what: '2 HSMs', perMonth: 2336, price: 'unconfirmed' }],
    pricesAsOf: '2026-11-24',
  },
};
const none = { evidence: null, validation: null, canSign: null, quorum: null, backup: null, failureMode: null };
const comparison = {
  models: { columns: ['software', 'managed-ca'], rows: [{ aspect: 'evidence', values: ['none', 'some'] }] },
  keyStores: { columns: ['HSM', 'software key store'], rows: [{ aspect: 'theft', values: ['no', 'yes'] }] },
};
const reportOf = (...authorities: readonly object[]) => [
  json(200, { asOf: '2026-11-23T12:00:00Z', stage: 'prod', authorities, comparison }),
];

describe('sealwright custody report', () => {
  it('shows evidence, validation in three fields, signatories, backup and cost of a CA on an HSM', async () => {
    const { seen, status, stdout } = await cli.run(['custody', 'report'], reportOf(held));
    expect(status).toBe(0);
    expect(seen[0]).toMatchObject({ path: '/v1/custody', headers: { authorization: `Bearer ${operatorToken}` } });
    for (const text of [
      'module-reported, level 3, read 2026-11-23T12:00:00Z, 2 s old',
      'SENSITIVE, not EXTRACTABLE, NEVER_EXTRACTABLE',
      'cluster-a, ACTIVE, hsm2m.medium, mode FIPS, 2 HSMs in 2 zones',
      'from backup-1, known by provider',
      'FIPS 140-3',
      '#4703',
      'active, as of 2026-11-23',
      'the crypto user (C_Login)',
      'USD 2336.00, shared by 2 CAs: 2 HSMs 2336.00 (price unconfirmed); prices of 2026-11-24',
    ])
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain(text);
    for (const line of stdout.split('\n')) expect(textWidth(line), line).toBeLessThanOrEqual(100);
  });

  it.each([
    ['stopped', { ...held, status: 'stopped' }, 1],
    ['without an answer', { ...held, ...none, status: 'unknown', unknownBecause: 'no-answer' }, 1],
    ['whose module is elsewhere', { ...held, ...none, status: 'unknown', unknownBecause: 'not-readable-here' }, 0],
    ['that is not there yet', { ...held, ...none, status: 'absent', unknownBecause: 'not-installed' }, 0],
  ])('exits as a CA %s deserves', async (_, authority, expected) => {
    const { status, stdout } = await cli.run(['custody', 'report'], reportOf(held, authority));
    expect(status, stdout).toBe(expected);
  });

  it('lets nothing that a module reports move the cursor or break a table', async () => {
    const hostile = { ...held, backup: 'a | b\u001b[2J\n| c', findings: [] };
    const { stdout: document } = await cli.run(['custody', 'report', '--markdown'], reportOf(hostile));
    expect(document).toContain('a \\| b\\x1b\\[2J');
    expect(document).not.toContain('\u001b');
    const { stdout } = await cli.run(['custody', 'report']);
    expect(stdout).not.toContain('\u001b');
  });
});
