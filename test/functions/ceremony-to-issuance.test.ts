import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openCeremonyWorld, sealwright } from '../support/ceremony-world.ts';
import { softHsmLibrary, softHsmMissing } from '../support/softhsm.ts';

const project = join(import.meta.dirname, '..', '..');
const without = softHsmMissing === undefined ? '' : ` (left out: ${softHsmMissing})`;

/** `npm start -- --once --devices 20 --json`; its report. */
function startOnce(hierarchy: string, stateDir: string): Readonly<Record<string, unknown>> {
  const main = join(project, 'localstack', 'embedded', 'main.ts');
  const options = ['--once', '--devices', '20', '--json', '--port', '0'];
  const { SOFTHSM2_CONF: _, ...environment } = process.env;
  const started = spawnSync(process.execPath, [main, '--hierarchy', hierarchy, '--state', stateDir, ...options], {
    encoding: 'utf8',
    env: { ...environment, SEALWRIGHT_PKCS11_MODULE: softHsmLibrary },
    timeout: 100_000,
  });
  expect(started.status, started.stderr).toBe(0);
  return JSON.parse(started.stdout.trimEnd().split('\n').at(-1)!);
}

describe.skipIf(softHsmMissing !== undefined)(`from a ceremony to certificates${without}`, () => {
  const world = openCeremonyWorld();
  afterAll(() => world.end());

  it('issues under the root of a rehearsal with two of three witnesses, and under no other', async () => {
    const held = world.rehearse({ witnesses: ['alice', 'carol'], privateKeys: { alice: 'alice', carol: 'carol' } });
    expect(held.status, held.stderr).toBe(0);
    const roster = join(world.dir, 'roster');
    writeFileSync(roster, sealwright(['ceremony', 'roster', world.scriptFile]).stdout);
    const verify = ['ceremony', 'verify', world.ceremonyDir, '--roster', roster, '--mode', 'rehearsal', '--json'];
    const verified = sealwright(verify);
    expect(JSON.parse(verified.stdout)).toMatchObject({ verified: true, quorum: 2, signers: ['alice', 'carol'] });

    const hierarchy = join(world.dir, 'hierarchy.yaml');
    const apply = [
      'hierarchy',
      'apply',
      '--hierarchy',
      hierarchy,
      '--state',
      world.stateDir,
      '--adopt',
      world.ceremonyDir,
    ];
    const applied = sealwright([...apply, '--roster', roster, '--json']);
    expect(applied.status, applied.stdout + applied.stderr).toBe(0);
    expect(JSON.parse(applied.stdout).ceremony).toMatchObject({ verified: true, signers: ['alice', 'carol'] });

    const report = startOnce(hierarchy, world.stateDir);
    expect(report).toMatchObject({ submitted: 20, issued: 20, verified: 20, failed: 0, unexpected: 0 });

    // What the clients were given to trust is the certificate that the ceremony made, byte for byte.
    const pemOf = (path: string) => new X509Certificate(readFileSync(path)).raw;
    const made = pemOf(join(world.ceremonyDir, 'authorities', 'root-g1.pem'));
    expect(pemOf(join(world.stateDir, 'root.pem'))).toEqual(made);
    expect(sealwright(verify).status).toBe(0);
  }, 180_000);

  it('issues under a root whose key never was on the machine that issues: requests in, certificates out, as files', () => {
    const vault = openCeremonyWorld();
    try {
      expect(vault.rehearse().status).toBe(0);
      const hierarchy = join(vault.dir, 'hierarchy.yaml');
      const online = join(vault.dir, 'online');
      const at = ['--hierarchy', hierarchy, '--state', online, '--json'];
      const apply = (dir: string) => sealwright(['hierarchy', 'apply', ...at, '--adopt', dir, '--air-gapped']);
      const before = sealwright(['hierarchy', 'plan', ...at, '--adopt', vault.ceremonyDir, '--air-gapped']);
      expect(JSON.parse(before.stdout).authorities).toMatchObject([
        { caId: 'root', action: 'adopt' },
        { caId: 'subordinate', action: 'wait', waitsForCeremony: true },
        { caId: 'devices', action: 'wait', waitsForCeremony: true },
        { caId: 'workloads', action: 'wait', waitsForCeremony: true },
      ]);
      // The subordinate waits for a signature that cannot be made here: nothing failed, and people are told what to do.
      const waiting = apply(vault.ceremonyDir);
      expect(waiting.status, waiting.stdout + waiting.stderr).toBe(0);
      expect(JSON.parse(waiting.stdout)).toMatchObject({
        ceremony: { verified: false, because: 'no-roster' },
        outcome: { built: ['root'], skipped: ['subordinate', 'devices', 'workloads'], failed: [], refused: [] },
      });
      const planned = sealwright(['hierarchy', 'plan', ...at.slice(0, 4)]);
      expect([planned.status, planned.stdout.replace(/\s+/g, ' ')]).toEqual([
        0,
        expect.stringContaining(
          'subordinate: waits for a ceremony: type `npx sealwright hierarchy request subordinate`',
        ),
      ]);
      const csr = join(vault.dir, 'subordinate.csr');
      const taken = sealwright(['hierarchy', 'request', 'subordinate', ...at, '--out', csr]);
      expect(taken.status, taken.stderr).toBe(0);

      const script = join(vault.dir, 'second.yaml');
      const second = readFileSync(vault.scriptFile, 'utf8')
        .replace('generate-key', 'present-key')
        .replace('- act: self-sign', '- act: certify-subordinate\n    authority: subordinate');
      writeFileSync(script, second);
      const out = join(vault.dir, 'second');
      const root = join(vault.ceremonyDir, 'authorities', 'root-g1.pem');
      const answers = vault.answers({ certificates: { root }, requests: { subordinate: csr } });
      const options = ['--state', vault.stateDir, '--out', out, '--answers', answers];
      expect(sealwright(['ceremony', 'rehearse', script, ...options]).status).toBe(0);
      const transcript = readFileSync(join(out, 'transcript.jsonl'), 'utf8');
      expect(transcript).toContain(JSON.parse(taken.stdout).sha256);

      const applied = apply(out);
      expect(applied.status, applied.stdout + applied.stderr).toBe(0);
      const report = startOnce(hierarchy, online);
      expect(report).toMatchObject({ submitted: 20, issued: 20, verified: 20, failed: 0, unexpected: 0 });
      expect(readFileSync(join(online, 'root.pem'), 'utf8')).toBe(readFileSync(root, 'utf8'));
    } finally {
      vault.end();
    }
  }, 180_000);
});
