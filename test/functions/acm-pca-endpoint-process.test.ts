import { type ChildProcess, execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  type ACMPCAClient,
  GetCertificateAuthorityCertificateCommand,
  GetCertificateCommand,
} from '@aws-sdk/client-acm-pca';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReportEntry } from '../../localstack/acm-pca/report-content.ts';
import { databaseFileName, readIssuedCertificates } from '../../localstack/acm-pca/store.ts';
import { keyUsageExtension, subjectAltNameExtension } from '../../shared/pki/certificate-builder.ts';
import {
  activate,
  clientOf,
  createAuthority,
  finishReport,
  issue,
  issueAndGet,
  newCsr,
  newRoot,
  newSubordinate,
  readObject,
  startReport,
  startTestEndpoint,
} from '../support/acm-pca-endpoint.ts';

const main = join(import.meta.dirname, '../../localstack/acm-pca/main.ts');

let stateDir: string;
let children: ChildProcess[];

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'acm-pca-process-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) await end(child, 'SIGKILL');
  rmSync(stateDir, { recursive: true, force: true });
});

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  child.kill(signal);
  await once(child, 'exit');
  return child.exitCode;
}

interface Running {
  readonly child: ChildProcess;
  readonly ready: { readonly url: string } & Record<string, unknown>;
  readonly client: ACMPCAClient;
}

async function start(more: { readonly ipc?: boolean; readonly args?: readonly string[] } = {}): Promise<Running> {
  const delays = ['--issue-delay-ms', '0', '--create-delay-ms', '0'];
  const args = ['--port', '0', '--state', stateDir, ...delays, ...(more.args ?? [])];
  const child =
    more.ipc === true
      ? fork(main, args, { silent: true })
      : spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  const ready = JSON.parse(line) as Running['ready'];
  return { child, ready, client: clientOf(ready.url) };
}

describe('the endpoint as a process', () => {
  it('says when it is ready that it is an emulator, on loopback (emulator)', async () => {
    const { ready } = await start();
    expect(ready).toMatchObject({ event: 'ready', emulator: true, caKeys: 'software', fipsStatus: 'none' });
    expect(ready).toMatchObject({ account: '000000000000', region: 'us-east-1', requestSignatures: 'not verified' });
    expect(ready.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('keeps CAs, certificates and tokens over SIGTERM and over SIGKILL (durability)', async () => {
    const first = await start();
    const root = await newRoot(first.client);
    const issued = await issueAndGet(first.client, root, { IdempotencyToken: 'before' });
    expect(await end(first.child, 'SIGTERM')).toBe(0);

    const second = await start();
    const { Certificate } = await second.client.send(
      new GetCertificateCommand({ CertificateAuthorityArn: root, CertificateArn: issued.arn }),
    );
    expect(Certificate).toBe(issued.pem);
    expect(await issue(second.client, root, { IdempotencyToken: 'before' })).toBe(issued.arn);

    const answered: string[] = [];
    const endless = async (): Promise<never> => {
      for (;;) answered.push(await issue(second.client, root));
    };
    const callers = Promise.allSettled(Array.from({ length: 8 }, endless));
    while (answered.length < 100) await new Promise((resolve) => setTimeout(resolve, 5));
    await end(second.child, 'SIGKILL');
    await callers;

    const third = await start();
    const { Certificate: rootPem } = await third.client.send(
      new GetCertificateAuthorityCertificateCommand({ CertificateAuthorityArn: root }),
    );
    expect(rootPem).toContain('BEGIN CERTIFICATE');
    const serials = new Set([...readIssuedCertificates(stateDir)].map(({ serialHex }) => BigInt(`0x${serialHex}`)));
    expect(answered.filter((arn) => !serials.has(BigInt(arn.split('/').at(-1)!)))).toEqual([]);
    expect((await issueAndGet(third.client, root)).pem).toContain('BEGIN CERTIFICATE');
  });

  it('keeps its state readable by its owner alone, and to one process (state)', async () => {
    await start();
    for (const name of ['', databaseFileName, `${databaseFileName}-wal`]) {
      expect(statSync(join(stateDir, name)).mode & 0o077).toBe(0);
    }
    const second = spawnSync(process.execPath, [main, '--port', '0', '--state', stateDir], { encoding: 'utf8' });
    expect(second.status).toBe(1);
    expect(second.stderr).toContain('another ACM PCA endpoint uses the state folder');
  });

  it('ends when its parent goes (parent)', async () => {
    const { child } = await start({ ipc: true });
    child.disconnect();
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
  });

  it('names every fault of its command line (command-line)', () => {
    const reports = ['--report-delay-ms', 'x', '--report-interval-ms', '1-2'];
    const args = [
      main,
      '--port',
      'x',
      '--account',
      '1',
      '--issue-delay-ms',
      '9-1',
      '--quotas',
      '{"Nothing":1}',
      ...reports,
    ];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(status).toBe(2);
    const options = ['--port', '--state', '--account', '--issue-delay-ms', '--quotas'];
    for (const option of [...options, '--report-delay-ms', '--report-interval-ms'])
      expect(stderr).toContain(`${option}: `);
    expect(spawnSync(process.execPath, [main, '--nothing']).status).toBe(2);
  });
});

describe('reports, quotas and switches of a process', () => {
  it('takes quotas by name, in place and from a file, none by default, and has no control path by default (command-line)', async () => {
    const file = join(stateDir, 'quotas.json');
    writeFileSync(file, '{"GetCertificate":3}');
    const quotasOf = async (...args: string[]) => {
      const { child, ready } = await start({ args });
      const control = (await fetch(`${ready.url}/_control`)).status;
      await end(child, 'SIGTERM');
      return [ready.quotas, ready.control, control];
    };
    expect(await quotasOf()).toEqual([{}, false, 400]);
    expect(await quotasOf('--quotas', '{"IssueCertificate":25}', '--control')).toEqual([
      { IssueCertificate: 25 },
      true,
      200,
    ]);
    expect(await quotasOf('--quotas', file)).toEqual([{ GetCertificate: 3 }, false, 400]);
    expect(await quotasOf('--quotas', 'none')).toEqual([{}, false, 400]);
    expect((await quotasOf('--quotas', 'aws'))[0]).toMatchObject({ IssueCertificate: 25, GetCertificate: 75 });
  });

  it('finishes after SIGKILL the report that it was making, with what it began with (durability)', async () => {
    const first = await start({ args: ['--report-delay-ms', '1'] });
    const root = await newRoot(first.client);
    const arns = [await issue(first.client, root), await issue(first.client, root)];
    const report = await startReport(first.client, root);
    await end(first.child, 'SIGKILL');
    const second = await start({ args: ['--report-interval-ms', '0'] });
    await issue(second.client, root);
    expect((await finishReport(second.client, report)).AuditReportStatus).toBe('SUCCESS');
    const entries = JSON.parse(await readObject(second.ready.url, report.key)) as ReportEntry[];
    expect(entries.slice(1).map(({ certificateArn }) => certificateArn)).toEqual(arns);
    await startReport(second.client, root);
  });
});

function hasOpenssl(): boolean {
  return spawnSync('openssl', ['version']).status === 0;
}

describe('chains in other hands', () => {
  it.skipIf(!hasOpenssl())(
    'are accepted by openssl verify -x509_strict (openssl; skipped where it is not installed)',
    async () => {
      const endpoint = await startTestEndpoint({ clock: () => Date.now() });
      try {
        const { client } = endpoint;
        const root = await newRoot(client, { keyAlgorithm: 'EC_secp384r1', signingAlgorithm: 'SHA384WITHECDSA' });
        const subordinate = await newSubordinate(client, root, 1);
        const issuance = await createAuthority(client, { type: 'SUBORDINATE', commonName: 'Issuance' });
        await activate(client, issuance, {
          parentArn: subordinate,
          template: 'SubordinateCACertificate_PathLen0_APIPassthrough',
          days: 1000,
        });
        const { Certificate } = await client.send(
          new GetCertificateAuthorityCertificateCommand({ CertificateAuthorityArn: root }),
        );
        const names = [{ kind: 'dns', value: 'a.example' }] as const;
        const leaves = [
          await issueAndGet(client, issuance),
          await issueAndGet(client, issuance, {
            Csr: newCsr({ subject: '', extensions: [subjectAltNameExtension(names, false)] }),
          }),
          await issueAndGet(client, issuance, {
            template: 'BlankEndEntityCertificate_APICSRPassthrough',
            Csr: newCsr({ extensions: [keyUsageExtension(['digitalSignature'])] }),
            api: { Extensions: { SubjectAlternativeNames: [{ DnsName: 'b.example' }] } },
          }),
        ];
        const path = (name: string) => join(stateDir, name);
        writeFileSync(path('root.pem'), Certificate!);
        for (const [index, { pem, chain }] of leaves.entries()) {
          writeFileSync(path('leaf.pem'), pem);
          writeFileSync(path('chain.pem'), chain!);
          const files = ['-CAfile', path('root.pem'), '-untrusted', path('chain.pem'), path('leaf.pem')];
          const out = execFileSync('openssl', ['verify', '-x509_strict', ...files], { encoding: 'utf8' });
          expect(`${index} ${out}`).toContain('OK');
        }
      } finally {
        await endpoint.dispose();
      }
    },
  );
});
