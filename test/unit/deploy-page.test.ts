import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { billUsd, hsmDeployment, managedDeployment, monthlyBill } from '../../bench/cost/monthly.ts';
import { defaultAssumptions } from '../../bench/cost/usage.ts';
import { commands } from '../../cli/commands/index.ts';
import { alarmResources } from '../../deploy/alarms.ts';
import costs from '../../docs/data-model-costs.json' with { type: 'json' };
import { readDeployment } from '../../localstack/embedded/deployment.ts';
import { costUsd, publishedPrices } from '../../shared/inventory/prices.ts';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'deploy.md'), 'utf8');
const money = (amount: number, digits = 2) =>
  amount.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const million = 1_000_000;

describe('docs/deploy.md', () => {
  it('has the sums of a month that the prices give (deploy-page)', () => {
    const sums = [managedDeployment, hsmDeployment].map((of) => money(billUsd(monthlyBill(publishedPrices, of))));
    expect(page).toContain(`| **sum** | **${sums[0]}** | **${sums[1]}** |`);
  });

  it('counts the alarms and the schedules of the template (deploy-page)', () => {
    const alarms = Object.values(alarmResources).filter(({ Type }) => Type === 'AWS::CloudWatch::Alarm').length;
    expect(managedDeployment.alarms).toBe(alarms);
    expect(page).toContain(`| ${alarms} alarms, dashboard,`);
    const everyMinute = readDeployment(join(root, 'serverless.yml')).schedules.filter(
      ({ everyMs }) => everyMs === 60_000,
    );
    // The publisher of CRLs is there with an HSM alone.
    expect(managedDeployment.scheduledRunsPerMinute).toBe(everyMinute.length - 1);
    expect(hsmDeployment.scheduledRunsPerMinute).toBe(everyMinute.length);
  });

  it('has the fees of the CA that the prices give (deploy-page)', () => {
    const fee = (id: Parameters<typeof costUsd>[1]) => money(costUsd(publishedPrices, id, million), 0);
    expect(page).toContain(`in one month (\`?\`) | ${fee('acm-pca-general-purpose-certificate')} |`);
    expect(page).toContain(`short-lived (\`?\`) | ${fee('acm-pca-short-lived-certificate')} |`);
  });

  it('has the write units that are measured, and their price (deploy-page)', () => {
    const measured = (['pkcs11', 'acm-pca'] as const).map((path) => {
      const found = costs.certificates.find((one) => one.path === path && one.batch === 10)!;
      return { table: found.tableWriteUnits, indexes: found.indexWriteUnits };
    });
    for (const of of ['table', 'indexes'] as const) {
      const [hsm, pca] = measured.map((one) => one[of]);
      const [hsmUsd, pcaUsd] = [hsm!, pca!].map((units) =>
        money(costUsd(publishedPrices, 'dynamodb-write-request-unit', units * million)),
      );
      expect(page).toContain(`writes, ${of} (${hsm} and ${pca} units) | ${hsmUsd} | ${pcaUsd} |`);
    }
  });

  it('says what is assumed (deploy-page)', () => {
    expect(page).toContain(
      `${defaultAssumptions.dynamoDbCallMs} ms for a call of DynamoDB, ${defaultAssumptions.sqsCallMs} ms of SQS`,
    );
    expect(page).toContain(`${defaultAssumptions.logBytesPerInvocation} B of log`);
  });

  it('lists the parameters that serverless.yml has, and no other (deploy-page)', () => {
    const used = (text: string) =>
      [...new Set([...text.matchAll(/\$\{param:(\w+)/g)].map((match) => match[1]!))].toSorted();
    const table = page.split('\n').slice(page.split('\n').findIndex((line) => line.startsWith('| parameter (')) + 2);
    const rows = table.slice(
      0,
      table.findIndex((line) => !line.startsWith('|')),
    );
    const listed = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map((match) => match[1]!));
    expect(listed.toSorted()).toEqual(used(readFileSync(join(root, 'serverless.yml'), 'utf8')));
  });

  it('names commands, scripts and files that there are (deploy-page)', () => {
    const scripts = Object.keys(
      (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts,
    );
    const typed = [...page.matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1]!);
    expect(typed.filter((name) => !scripts.includes(name))).toEqual([]);
    const names = commands.map(({ name }) => name);
    const ours = [...page.matchAll(/npx sealwright ([a-z-]+(?: [a-z]+)?)/g)].map((match) => match[1]!);
    expect(
      ours.filter((typedName) => !names.some((name) => name === typedName || name === typedName.split(' ')[0])),
    ).toEqual([]);
    const files = [...page.matchAll(/`((?:docs|shared|test|bench)\/[\w./-]+)`/g)].map((match) => match[1]!);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});
