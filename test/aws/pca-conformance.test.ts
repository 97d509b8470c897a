import { describe, expect, it } from 'vitest';
import { pinnedVersion } from '../../localstack/emulators/install.ts';
import { allCases } from '../conformance/cases/index.ts';
import { runReport, summaryLines, tableOf } from '../conformance/report.ts';
import { runCases } from '../conformance/suite.ts';
import { openWorld } from '../conformance/world.ts';
import { startTestEndpoint } from '../support/acm-pca-endpoint.ts';

const region = 'us-east-1';

async function runAt(url: string, account: string) {
  const world = await openWorld({ url, region }, account);
  const results = await runCases(allCases, world, { allowCost: true });
  const left = await world.dispose();
  return { results, report: runReport(url, results, 0, left) };
}

describe('conformance to ACM PCA', () => {
  it('is whole at the local endpoint (conformance-endpoint)', async () => {
    const endpoint = await startTestEndpoint({ control: true });
    try {
      const { results, report } = await runAt(endpoint.url, '000000000000');
      process.stdout.write(`conformance\n${summaryLines('our endpoint', results)}\n`);
      expect(tableOf(results, false)).toBe('');
      expect(report).toMatchObject({ passed: allCases.length, failed: 0, skipped: 0, left: [] });
    } finally {
      await endpoint.dispose();
    }
  }, 120_000);

  it('is measured at moto, and printed (conformance-moto)', async () => {
    const url = process.env.SEALWRIGHT_TEST_MOTO_ENDPOINT;
    if (url === undefined) throw new Error('SEALWRIGHT_TEST_MOTO_ENDPOINT is not set: type npm run test:aws');
    const { results, report } = await runAt(url, '123456789012');
    process.stdout.write(`conformance\n${summaryLines(`moto ${pinnedVersion('moto', 'moto')}`, results)}\n`);
    // What moto does is its own affair; that all were asked, and that it is no second copy of ours, is not.
    expect(report.passed + report.failed + report.skipped).toBe(allCases.length);
    expect(report.passed).toBeGreaterThan(100);
    expect(report.failed).toBeGreaterThan(0);
  }, 900_000);
});
