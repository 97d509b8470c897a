import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type ACMPCAClient, UpdateCertificateAuthorityCommand } from '@aws-sdk/client-acm-pca';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReportEntry } from '../../localstack/acm-pca/report-content.ts';
import { databaseFileName } from '../../localstack/acm-pca/store.ts';
import { subjectAltNameExtension } from '../../shared/pki/certificate-builder.ts';
import {
  type CsrOptions,
  createAuthority,
  decodeCertificate,
  describeReport,
  errorNameOf,
  finishReport,
  issue,
  issueAndGet,
  newCsr,
  newRoot,
  newSubordinate,
  readObject,
  reportBucket,
  reportOf,
  startReport,
  startTestEndpoint,
  type TestEndpoint,
} from '../support/acm-pca-endpoint.ts';

const minutesMs = 60_000;

let endpoint: TestEndpoint;
let client: ACMPCAClient;
let root: string;

beforeEach(async () => {
  endpoint = await startTestEndpoint();
  client = endpoint.client;
  root = await newRoot(client);
});
afterEach(() => endpoint.dispose());

const arnsOf = (entries: readonly ReportEntry[]) => entries.map(({ certificateArn }) => certificateArn);

/** Writes to the state file beside the endpoint, which is idle. */
function inState(stateDir: string, sql: string): void {
  const db = new DatabaseSync(join(stateDir, databaseFileName));
  db.exec(sql);
  db.close();
}

describe('the content of an audit report', () => {
  it('has the documented members of a certificate and no others (audit-report-fields)', async () => {
    const issuing = await newSubordinate(client, root, 0);
    endpoint.advance(90_500);
    const csr = newCsr({
      subject: 'CN=a.example,OU=Fleet,O=Example Fleet',
      extensions: [subjectAltNameExtension([{ kind: 'dns', value: 'san.example' }], false)],
    });
    const { arn, pem } = await issueAndGet(client, issuing, { Csr: csr, IdempotencyToken: 'token-1' });
    const certificate = decodeCertificate(pem);
    const serial = certificate.serialNumber.toString(16);
    expect(await reportOf(endpoint, issuing)).toEqual([
      {
        awsAccountId: '000000000000',
        certificateArn: arn,
        serial: serial.padStart(serial.length + (serial.length % 2), '0').replace(/..(?!$)/g, '$&:'),
        subject: 'O=Example Fleet,OU=Fleet,CN=a.example',
        notBefore: '2026-11-23T11:01:30+0000',
        notAfter: '2026-12-23T12:01:30+0000',
        issuedAt: '2026-11-23T12:01:30+0000',
        templateArn: 'arn:aws:acm-pca:::template/EndEntityCertificate/V1',
      },
    ]);
  });

  it('writes the subject as RFC 2253: last RDN first, escaped, other types as hex of the DER (subject)', async () => {
    const subjectOf = async (subject: string, more: CsrOptions = {}) => {
      endpoint.advance(30 * minutesMs);
      await issue(client, root, { Csr: newCsr({ subject, ...more }) });
      return (await reportOf(endpoint, root)).at(-1)?.subject;
    };
    expect(await subjectOf('C=DE,O=Müller\\, \\"Söhne\\",CN=x')).toBe('CN=x,O=Müller\\, \\"Söhne\\",C=DE');
    expect(await subjectOf('CN=\\#1\\+2\\;\\<\\>\\\\,OU=a+L=b')).toMatch(
      /^(OU=a\+L=b|L=b\+OU=a),CN=\\#1\\\+2\\;\\<\\>\\\\$/,
    );
    expect(await subjectOf('DC=example,UID=7,STREET=s,ST=t')).toBe('ST=t,STREET=s,UID=7,DC=example');
    expect(await subjectOf('serialNumber=01,CN=x')).toBe('CN=x,2.5.4.5=#13023031');
    const extensions = [subjectAltNameExtension([{ kind: 'dns', value: 'a.example' }], true)];
    expect(await subjectOf('', { extensions })).toBe('');
  });

  it('writes CSV with the documented header, empty cells and quotes where they are needed (csv)', async () => {
    const arn = await issue(client, root, { Csr: newCsr({ subject: 'CN=x,O=A \\"B\\"' }) });
    const report = await startReport(client, root, 'CSV');
    expect(report.key).toMatch(/\.csv$/);
    await finishReport(client, report);
    const lines = (await readObject(endpoint.url, report.key)).split('\n');
    expect(lines[0]).toBe(
      'awsAccountId,requestedByServicePrincipal,certificateArn,serial,subject,notBefore,notAfter,issuedAt,revokedAt,revocationReason,templateArn',
    );
    expect(lines).toHaveLength(4);
    expect(lines[2]).toMatch(
      new RegExp(
        `^000000000000,,${arn},[0-9a-f:]+,"O=A \\\\""B\\\\"",CN=x",2026-[^,]+,2026-[^,]+,2026-[^,]+,,,arn:aws:`,
      ),
    );
    expect(lines[3]).toBe('');
  });

  it('shows a revocation by its time and reason, and not one after the report began (revocation)', async () => {
    const [before, after] = [await issue(client, root), await issue(client, root)];
    const revoke = (arn: string, at: number, reason: string) => {
      const serial = BigInt(arn.split('/').at(-1)!).toString(16);
      const hex = serial.padStart(serial.length + (serial.length % 2), '0');
      const set = `revoked_at = ${at}, revocation_reason = '${reason}'`;
      inState(endpoint.stateDir, `UPDATE certificate SET ${set} WHERE serial = '${hex}'`);
    };
    revoke(before!, endpoint.now(), 'KEY_COMPROMISE');
    revoke(after!, endpoint.now() + 1, 'SUPERSEDED');
    const entries = await reportOf(endpoint, root);
    expect(entries.map(({ revokedAt, revocationReason }) => [revokedAt, revocationReason])).toEqual([
      [undefined, undefined],
      ['2026-11-23T12:00:00+0000', 'KEY_COMPROMISE'],
      [undefined, undefined],
    ]);
  });

  it('is an empty array, or a header alone, for a CA that has issued nothing (empty)', async () => {
    const issuing = await newSubordinate(client, root, 0);
    expect(await reportOf(endpoint, issuing)).toEqual([]);
    endpoint.advance(30 * minutesMs);
    const report = await startReport(client, issuing, 'CSV');
    await finishReport(client, report);
    expect(await readObject(endpoint.url, report.key)).toMatch(/^awsAccountId,[^\n]*\n$/);
  });
});

describe('the moment of an audit report', () => {
  it('holds what was issued when it began, of this CA, and nothing issued later (snapshot)', async () => {
    const issuing = await newSubordinate(client, root, 0);
    const before = [await issue(client, issuing), await issue(client, issuing)];
    await issue(client, root);
    const asked = await Promise.all([
      startReport(client, issuing),
      ...Array.from({ length: 20 }, () => issue(client, issuing)),
    ]);
    const { CreatedAt, AuditReportStatus } = await finishReport(client, asked[0]);
    expect([CreatedAt?.getTime(), AuditReportStatus]).toEqual([endpoint.now(), 'SUCCESS']);
    const later = await issue(client, issuing);
    const arns = arnsOf(JSON.parse(await readObject(endpoint.url, asked[0].key)) as ReportEntry[]);
    expect(arns.slice(0, 2)).toEqual(before);
    expect(arns).not.toContain(later);
    endpoint.advance(30 * minutesMs);
    expect(arnsOf(await reportOf(endpoint, issuing))).toHaveLength(23);
  });

  it('does not hold an issuance that is pending or has failed (snapshot)', async () => {
    endpoint.control({ authorities: { [root]: { failIssuance: { reason: 'simulated', count: 1 } } } });
    await issue(client, root);
    endpoint.control({ authorities: { [root]: { holdIssuance: true } } });
    const held = await issue(client, root);
    expect(await reportOf(endpoint, root)).toHaveLength(1);
    endpoint.advance(30 * minutesMs);
    endpoint.control({ authorities: { [root]: { holdIssuance: false } } });
    const [, released, ...more] = await reportOf(endpoint, root);
    expect(released).toMatchObject({ certificateArn: held, issuedAt: '2026-11-23T12:30:00+0000' });
    expect(more).toEqual([]);
  });

  it('makes of thousands of certificates one entry each, in the order of issuance (paging)', async () => {
    const arn = await issue(client, root);
    await endpoint.stop();
    const columns = 'authority_id, template, issued_at, ready_at, not_before, not_after, der, csr_sha256';
    inState(
      endpoint.stateDir,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
       INSERT INTO certificate (serial, ${columns})
         SELECT format('%08x', i), ${columns} FROM n, certificate WHERE seq = 2 ORDER BY i`,
    );
    endpoint = await startTestEndpoint({ stateDir: endpoint.stateDir });
    client = endpoint.client;
    for (const format of ['JSON', 'CSV'] as const) {
      const report = await startReport(client, root, format);
      await finishReport(client, report);
      const text = await readObject(endpoint.url, report.key);
      const arns =
        format === 'JSON'
          ? arnsOf(JSON.parse(text) as ReportEntry[])
          : text.split('\n').flatMap((line) => line.match(/arn:aws:acm-pca:us-east-1[^,]+/) ?? []);
      expect(arns).toHaveLength(2502);
      expect(arns.slice(1)).toEqual([
        arn,
        ...Array.from({ length: 2500 }, (_, index) => `${root}/certificate/${index + 1}`),
      ]);
      endpoint.advance(30 * minutesMs);
    }
  });
});

describe('asking for audit reports', () => {
  it('answers CREATING until the delay is over, and has no object before (asynchronous)', async () => {
    endpoint.control({ auditReports: { delayMs: 5000 } });
    const report = await startReport(client, root);
    expect(report.key).toBe(`audit-report/${root.split('/').at(-1)}/${report.id}.json`);
    endpoint.advance(4999);
    expect(await describeReport(client, report)).toMatchObject({
      AuditReportStatus: 'CREATING',
      S3BucketName: reportBucket,
      S3Key: report.key,
    });
    expect(await errorNameOf(startReport(client, root))).toBe('RequestInProgressException');
    const path = join(endpoint.stateDir, 'buckets', reportBucket, report.key);
    while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 1));
    await expect(readObject(endpoint.url, report.key)).rejects.toThrow('404');
    endpoint.advance(1);
    expect((await finishReport(client, report)).AuditReportStatus).toBe('SUCCESS');
    expect(JSON.parse(await readObject(endpoint.url, report.key))).toHaveLength(1);
  });

  it('answers one report a CA in 30 minutes from the beginning of the last (interval)', async () => {
    const other = await newRoot(client);
    await finishReport(client, await startReport(client, root));
    endpoint.advance(30 * minutesMs - 1);
    expect(await errorNameOf(startReport(client, root))).toBe('RequestInProgressException');
    expect(await errorNameOf(startReport(client, other))).toBe('no error');
    endpoint.control({ auditReports: { intervalError: 'LimitExceededException' } });
    expect(await errorNameOf(startReport(client, root))).toBe('LimitExceededException');
    endpoint.advance(1);
    expect(await errorNameOf(startReport(client, root))).toBe('no error');
  });

  it('takes one of several calls at the same time, without an interval too (in-progress)', async () => {
    endpoint.control({ auditReports: { delayMs: 1000, intervalMs: 0, intervalError: 'LimitExceededException' } });
    const names = await Promise.all([1, 2, 3].map(() => errorNameOf(startReport(client, root))));
    expect(names.filter((name) => name === 'no error')).toHaveLength(1);
    expect(names.filter((name) => name === 'RequestInProgressException')).toHaveLength(2);
    endpoint.advance(999);
    expect(await errorNameOf(startReport(client, root))).toBe('RequestInProgressException');
  });

  it('answers FAILED for a report that could not be made, has no object, and takes the next one (failed)', async () => {
    endpoint.control({ authorities: { [root]: { failAuditReport: { reason: 'simulated', count: 1 } } } });
    const failed = await startReport(client, root);
    expect((await finishReport(client, failed)).AuditReportStatus).toBe('FAILED');
    await expect(readObject(endpoint.url, failed.key)).rejects.toThrow('404');
    const report = await startReport(client, root);
    expect((await finishReport(client, report)).AuditReportStatus).toBe('SUCCESS');
  });

  it('answers FAILED when the file cannot be written (failed)', async () => {
    mkdirSync(join(endpoint.stateDir, 'buckets'));
    writeFileSync(join(endpoint.stateDir, 'buckets', 'is-a-file'), '');
    const report = await startReport(client, root, 'JSON', 'is-a-file');
    expect((await finishReport(client, report)).AuditReportStatus).toBe('FAILED');
  });

  it('leaves nothing behind of a report that fails halfway (failed)', async () => {
    await issue(client, root);
    inState(endpoint.stateDir, "UPDATE certificate SET der = x'3000' WHERE seq = 2");
    const report = await startReport(client, root);
    expect((await finishReport(client, report)).AuditReportStatus).toBe('FAILED');
    const folder = join(endpoint.stateDir, 'buckets', reportBucket, report.key, '..');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('refuses buckets and formats that are none, CAs that never issued, and reports of others (refusals)', async () => {
    for (const bucket of ['../up', 'a..b', 'UPPER', '.dots', 'a/b', 'xy-', '127.0.0.1/..']) {
      expect([bucket, await errorNameOf(startReport(client, root, 'JSON', bucket))]).toEqual([
        bucket,
        'InvalidArgsException',
      ]);
    }
    expect(await errorNameOf(startReport(client, root, 'JSON', 'ab'))).toBe('ValidationException');
    expect(await errorNameOf(startReport(client, root, 'XML' as 'CSV'))).toBe('ValidationException');
    const pending = await createAuthority(client);
    expect(await errorNameOf(startReport(client, pending))).toBe('InvalidStateException');
    const unknown = root.replace(/.{36}$/, '00000000-0000-4000-8000-000000000000');
    expect(await errorNameOf(startReport(client, unknown))).toBe('ResourceNotFoundException');
    const { id } = await startReport(client, root);
    const describe = (authorityArn: string, reportId: string) =>
      errorNameOf(describeReport(client, { authorityArn, id: reportId }));
    expect(await describe(root, id)).toBe('no error');
    expect(await describe(pending, id)).toBe('ResourceNotFoundException');
    expect(await describe(root, '00000000-0000-4000-8000-000000000000')).toBe('ResourceNotFoundException');
    expect(await describe(root, 'x')).toBe('ValidationException');
  });

  it('reports on a disabled CA (states)', async () => {
    await client.send(new UpdateCertificateAuthorityCommand({ CertificateAuthorityArn: root, Status: 'DISABLED' }));
    expect(await reportOf(endpoint, root)).toHaveLength(1);
  });
});

/** A path that a URL parser would have tidied up, and headers as they are. */
function statusOf(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(endpoint.url, { path, method, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('objects in the place of S3', () => {
  it('are files of the owner alone in the state folder, the same as over HTTP (objects)', async () => {
    const report = await startReport(client, root);
    await finishReport(client, report);
    const path = join(endpoint.stateDir, 'buckets', reportBucket, report.key);
    expect(readFileSync(path, 'utf8')).toBe(await readObject(endpoint.url, report.key));
    expect(statSync(path).mode & 0o077).toBe(0);
    expect(statSync(join(endpoint.stateDir, 'buckets')).mode & 0o077).toBe(0);
    const response = await fetch(`${endpoint.url}/_s3/${reportBucket}/${report.key}`);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('content-length')).toBe(String(statSync(path).size));
    await response.arrayBuffer();
  });

  it('are read inside their bucket only, whatever the path says (path)', async () => {
    mkdirSync(join(endpoint.stateDir, 'buckets', reportBucket, 'crl'), { recursive: true });
    writeFileSync(join(endpoint.stateDir, 'buckets', reportBucket, 'crl', 'x.crl'), 'crl');
    writeFileSync(join(endpoint.stateDir, 'buckets', 'stray'), 'stray');
    expect(await statusOf(`/_s3/${reportBucket}/crl/x.crl`)).toBe(200);
    const outside = [
      `/_s3/${reportBucket}/../../${databaseFileName}`,
      `/_s3/${reportBucket}/..%2f..%2f${databaseFileName}`,
      `/_s3/${reportBucket}//../${databaseFileName}`,
      `/_s3/../${databaseFileName}`,
      `/_s3/../buckets/stray`,
      `/_s3/./stray`,
      `/_s3/${reportBucket}/crl`,
      `/_s3/${reportBucket}/crl/`,
      `/_s3/${reportBucket}/crl/x.crl?y`,
      `/_s3/${reportBucket}/crl/\\x.crl`,
      `/_s3/${reportBucket}`,
      '/_s3/',
    ];
    for (const path of outside) expect([path, await statusOf(path)]).toEqual([path, 404]);
  });

  it('are not read by web pages, nor written over HTTP (browser)', async () => {
    const report = await startReport(client, root);
    await finishReport(client, report);
    const path = `/_s3/${reportBucket}/${report.key}`;
    expect(await statusOf(path)).toBe(200);
    expect(await statusOf(path, { host: 'rebound.example' })).toBe(403);
    expect(await statusOf(path, { origin: 'http://127.0.0.1:3000' })).toBe(403);
    for (const method of ['PUT', 'POST', 'DELETE']) expect(await statusOf(path, {}, method)).toBe(405);
  });
});

describe('audit reports over a restart', () => {
  it('keeps reports and their interval, and finishes what was under way (restart)', async () => {
    const done = await startReport(client, root);
    await finishReport(client, done);
    const other = await newRoot(client);
    const interrupted = await startReport(client, other);
    await finishReport(client, interrupted);
    const path = join(endpoint.stateDir, 'buckets', reportBucket, interrupted.key);
    const text = readFileSync(path, 'utf8');
    await issue(client, other);
    await endpoint.stop();
    rmSync(path);
    inState(endpoint.stateDir, `UPDATE audit_report SET status = 'CREATING' WHERE id = '${interrupted.id}'`);
    endpoint = await startTestEndpoint({ stateDir: endpoint.stateDir });
    expect((await describeReport(endpoint.client, done)).AuditReportStatus).toBe('SUCCESS');
    expect(await errorNameOf(startReport(endpoint.client, root))).toBe('RequestInProgressException');
    expect((await finishReport(endpoint.client, interrupted)).AuditReportStatus).toBe('SUCCESS');
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('brings up a state folder of the first schema version (migration)', async () => {
    const issued = await issueAndGet(client, root);
    await endpoint.stop();
    inState(
      endpoint.stateDir,
      `DROP INDEX certificate_failed; DROP INDEX certificate_held; DROP INDEX certificate_of_authority;
       DROP TABLE audit_report; PRAGMA user_version = 1;`,
    );
    endpoint = await startTestEndpoint({ stateDir: endpoint.stateDir });
    expect(arnsOf(await reportOf(endpoint, root))).toContain(issued.arn);
    await endpoint.stop();
    inState(endpoint.stateDir, 'PRAGMA user_version = 3');
    await expect(startTestEndpoint({ stateDir: endpoint.stateDir })).rejects.toThrow('schema version 3, not 2');
    inState(endpoint.stateDir, 'PRAGMA user_version = 2');
  });
});
