import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestEndpoint, type TestEndpoint } from '../support/acm-pca-endpoint.ts';
import { plantedFaults } from './faults.ts';
import { startFaultyEndpoint } from './faulty-endpoint.ts';
import type { RunReport } from './report.ts';

let endpoint: TestEndpoint;
beforeAll(async () => {
  endpoint = await startTestEndpoint({ control: true });
});
afterAll(() => endpoint.dispose());

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: readonly string[]): Promise<Ended> {
  const main = join(import.meta.dirname, 'main.ts');
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { maxBuffer: 16 * 1_048_576 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe('npm run pca:conformance', () => {
  it('prints a closing line and one JSON object, and ends with 0 when all passed (conformance-command)', async () => {
    const { status, stdout } = await run('--target', endpoint.url, '--only', 'token/', '--only', 'arn/', '--json');
    const lines = stdout.trim().split('\n');
    expect([status, lines.at(-2)]).toEqual([0, `${endpoint.url}: passes 6 of 6, fails 0, 0 not run`]);
    const report = JSON.parse(lines.at(-1) ?? '') as RunReport;
    expect(report).toMatchObject({ target: endpoint.url, passed: 6, failed: 0, left: [] });
    expect(report.model).toMatch(/^botocore \d/);
    expect(report.cases.every(({ reference }) => reference !== '')).toBe(true);
  });

  it('says what a failed case saw, within 100 columns, and ends with 1 (conformance-command)', async () => {
    const fault = plantedFaults.find(({ name }) => name === 'idempotency tokens are forgotten');
    const faulty = await startFaultyEndpoint(endpoint.url, fault);
    try {
      const { status, stdout } = await run('--target', faulty.url, '--only', 'token/the same token');
      expect(status).toBe(1);
      expect(stdout).toMatch(/^failed {2}doc {3}token\/the same token answers the same ARN\n {10}the second ARN is /);
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    } finally {
      await faulty.close();
    }
  });

  it('never takes AWS for an emulator, and wants to be told the account (conformance-command)', async () => {
    for (const target of ['aws', 'https://acm-pca.us-east-1.amazonaws.com']) {
      const { status, stdout, stderr } = await run('--target', target, '--allow-cost');
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toContain('--account');
    }
  });

  it('refuses what it cannot read, and lists its cases with what they cost (conformance-command)', async () => {
    expect((await run('--target', 'nowhere')).status).toBe(2);
    expect((await run('--target', endpoint.url, '--only', 'no such case')).status).toBe(2);
    const { status, stdout } = await run('--list', '--only', 'revoke/');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^documentation +certificate +revoke\//m);
  });
});
