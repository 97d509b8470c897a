import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CliMaterial, type CliWorld, makeMaterial, openCliWorld, operatorToken } from '../support/cli-world.ts';

let material: CliMaterial;
let cli: CliWorld;
beforeAll(async () => {
  material = await makeMaterial();
});
beforeEach(async () => {
  cli = await openCliWorld(material.csrPem);
});
afterEach(() => cli.end());

const json = (body: unknown, status = 200) => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const arn = 'arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/x/certificate/7';
const orphan = {
  issuanceId: 'I.1',
  authority: 'devices',
  owner: 'plant-7',
  fleet: 'sensors',
  names: ['dns:a.fleet.example'],
  intendedAt: '2026-11-23T12:00:00.345Z',
  absenceProvableFrom: '2026-11-23T12:14:00.345Z',
  lastReport: { reportId: 'r', askedAt: '2026-11-23T12:05:00.000Z', status: 'ready' },
};

describe('sealwright orphan', () => {
  it('lists orphans, with when their absence can be proven', async () => {
    const { status, stdout, seen } = await cli.run(['orphan', 'list'], [json({ orphans: [orphan] })]);
    expect(status).toBe(0);
    for (const text of ['I.1', 'devices', 'a.fleet.example', '2026-11-23T12:14:00Z', 'ready'])
      expect(stdout).toContain(text);
    expect(seen[0]).toMatchObject({ method: 'GET', headers: { authorization: `Bearer ${operatorToken}` } });
    expect(JSON.parse((await cli.run(['orphan', 'list', '--json'])).stdout)).toEqual({ orphans: [orphan] });
  });

  it('adopts a certificate by its ARN', async () => {
    const { status, stdout, seen } = await cli.run(
      ['orphan', 'settle', 'I.1', '--adopt', arn],
      [json({ issuanceId: 'I.1', status: 'issued' })],
    );
    expect([status, stdout]).toEqual([0, 'I.1 is adopted: the certificate is handed out\n']);
    expect(JSON.parse(String(seen[0]!.body))).toEqual({ decision: 'adopt', certificateArn: arn });
  });

  it('declares absent only with the word that the report was checked', async () => {
    const checked = await cli.run(
      ['orphan', 'settle', 'I.1', '--absent', '--i-checked-the-report'],
      [json({ issuanceId: 'I.1', status: 'approved' })],
    );
    expect([checked.status, checked.stdout]).toEqual([0, 'I.1 is to be issued anew\n']);
    expect(JSON.parse(String(checked.seen[0]!.body))).toEqual({ decision: 'absent', reportChecked: true });
  });

  it('does not declare absent without that word, and says why', async () => {
    const { status, seen, stderr } = await cli.run(['orphan', 'settle', 'I.1', '--absent']);
    expect([status, seen.length]).toEqual([2, 0]);
    expect(stderr).toContain('--i-checked-the-report');
  });

  it.each([
    [['orphan', 'settle', 'I.1']],
    [['orphan', 'settle', 'I.1', '--adopt', arn, '--absent', '--i-checked-the-report']],
    [['orphan', 'settle', 'I.1', '--adopt', arn, '--i-checked-the-report']],
    [['orphan', 'settle']],
  ])('takes one decision: %j is a mistake', async (argv) => {
    const { status, seen } = await cli.run(argv);
    expect([status, seen.length]).toEqual([2, 0]);
  });
});

describe('sealwright audit', () => {
  const audit = {
    authority: 'devices',
    generation: 1,
    reportBegunAt: '2026-11-23T12:00:00.000Z',
    certificates: 10_001,
    undecided: 0,
    unknownCertificates: {
      count: 1,
      named: [{ certificateArn: arn, serialNumber: '07', subject: 'CN=\u001b[31mevil' }],
    },
    unknownIssuances: { count: 0, named: [] },
  };
  const clean = { ...audit, unknownCertificates: { count: 0, named: [] } };

  it('names what is unknown, in printable characters, and exits 1', async () => {
    const { status, stdout } = await cli.run(['audit', 'run'], [json({ audits: [audit], waiting: [] })]);
    expect(status).toBe(1);
    expect(stdout).toContain(`devices: unknown certificate ${arn}, serial 07, CN=`);
    expect(stdout).not.toContain('\u001b[31m');
  });

  it('exits 0 when everything is known, and says which CA waits', async () => {
    const waiting = [{ authority: 'root', generation: 1, reason: 'no-report' }];
    const { status, stdout, seen } = await cli.run(['audit', 'show'], [json({ audits: [clean], waiting })]);
    expect(status).toBe(0);
    expect(stdout).toContain('root: it gives no report now');
    expect(seen[0]!.method).toBe('GET');
  });
});
