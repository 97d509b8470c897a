/** Certificates of every profile, through the real processes, held up to readers and verifiers that are not ours. */
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  dns,
  newEd25519,
  newP256,
  pemOf,
  type RunningProcesses,
  requestFor,
  startProcesses,
  uri,
} from '../support/service.ts';
import { createServiceClient } from '../support/service-client.ts';
import { softHsmLibrary, softHsmMissing } from '../support/softhsm.ts';

const perProfile = 10;
const profiles = ['device', 'service', 'svid'] as const;

let stack: RunningProcesses;
let folder: string;
/** Chains as handed out, leaf first, by profile. */
const chains: Record<(typeof profiles)[number], string[]> = { device: [], service: [], svid: [] };

const needsHsm = (profile: string) => profile !== 'device';

beforeAll(async () => {
  stack = await startProcesses({ pkcs11Module: softHsmMissing === undefined ? softHsmLibrary : undefined });
  folder = mkdtempSync(join(tmpdir(), 'sealwright-oracles-'));
  writeFileSync(join(folder, 'root.pem'), stack.rootPem);
  const client = createServiceClient(stack.url);
  for (const profile of profiles) {
    if (needsHsm(profile) && softHsmMissing !== undefined) continue;
    for (let n = 0; n < perProfile; n++) {
      const name =
        profile === 'svid' ? uri(`spiffe://fleet.example/oracle/${n}`) : dns(`oracle-${profile}-${n}.fleet.example`);
      const key = profile !== 'device' && n % 3 === 2 ? newEd25519() : newP256();
      const headers = { prefer: 'wait=10', accept: 'application/x-pem-file', 'content-type': 'application/x-pem-file' };
      const answer = await client.enroll(pemOf(requestFor([name], key)), profile, stack.tokens.device, headers);
      expect(answer.status, answer.text).toBe(200);
      chains[profile].push(answer.text);
    }
  }
}, 60_000);

afterAll(async () => {
  await stack?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

function run(command: string, args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 20_000 });
  return { status, output: `${stdout}${stderr}` };
}

function isThere(command: string, versionArg: string): boolean {
  return spawnSync(command, [versionArg], { stdio: 'ignore' }).status === 0;
}

/** Each chain of a profile as a file. */
function chainFiles(profile: (typeof profiles)[number]): readonly string[] {
  return chains[profile].map((chain, n) => {
    const file = join(folder, `${profile}-${n}.pem`);
    writeFileSync(file, chain);
    return file;
  });
}

describe.each(profiles)('ten certificates of profile %s', (profile) => {
  it('are accepted by openssl verify -x509_strict under the pinned root', (context) => {
    if (needsHsm(profile) && softHsmMissing !== undefined) context.skip(softHsmMissing);
    if (!isThere('openssl', 'version')) context.skip('openssl is not installed');
    const root = join(folder, 'root.pem');
    const files = chainFiles(profile);
    expect(files).toHaveLength(perProfile);
    for (const file of files) {
      const { status, output } = run('openssl', ['verify', '-x509_strict', '-CAfile', root, '-untrusted', file, file]);
      expect(output).toContain(`${file}: OK`);
      expect(status).toBe(0);
    }
  });

  it('are accepted by GnuTLS under the pinned root', (context) => {
    if (needsHsm(profile) && softHsmMissing !== undefined) context.skip(softHsmMissing);
    if (!isThere('certtool', '--version')) context.skip('certtool (GnuTLS) is not installed');
    for (const file of chainFiles(profile)) {
      const { status, output } = run('certtool', [
        '--verify',
        '--load-ca-certificate',
        join(folder, 'root.pem'),
        '--infile',
        file,
      ]);
      expect(output).toContain('Chain verification output: Verified');
      expect(status).toBe(0);
    }
  });

  it('are read by node:crypto, each signed by the next up to the root', (context) => {
    if (needsHsm(profile) && softHsmMissing !== undefined) context.skip(softHsmMissing);
    for (const chain of chains[profile]) {
      const certificates = chain
        .match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----/g)!
        .map((pem) => new X509Certificate(pem));
      certificates.forEach((certificate, index) => {
        const issuer = certificates[index + 1] ?? certificate;
        expect(certificate.checkIssued(issuer)).toBe(true);
        expect(certificate.verify(issuer.publicKey)).toBe(true);
      });
      expect(certificates.at(-1)!.fingerprint256).toBe(new X509Certificate(stack.rootPem).fingerprint256);
    }
  });
});
