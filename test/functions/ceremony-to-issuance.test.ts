import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openCeremonyWorld, sealwright } from '../support/ceremony-world.ts';
import { softHsmLibrary, softHsmMissing } from '../support/softhsm.ts';

const project = join(import.meta.dirname, '..', '..');
const without = softHsmMissing === undefined ? '' : ` (left out: ${softHsmMissing})`;

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
    const applied = sealwright([...apply, '--json']);
    expect(applied.status, applied.stdout + applied.stderr).toBe(0);

    const main = join(project, 'localstack', 'embedded', 'main.ts');
    const options = ['--once', '--devices', '20', '--json', '--port', '0'];
    const { SOFTHSM2_CONF: _, ...environment } = process.env;
    const started = spawnSync(
      process.execPath,
      [main, '--hierarchy', hierarchy, '--state', world.stateDir, ...options],
      { encoding: 'utf8', env: { ...environment, SEALWRIGHT_PKCS11_MODULE: softHsmLibrary }, timeout: 100_000 },
    );
    expect(started.status, started.stderr).toBe(0);
    const report = JSON.parse(started.stdout.trimEnd().split('\n').at(-1)!);
    expect(report).toMatchObject({ submitted: 20, issued: 20, verified: 20, failed: 0, unexpected: 0 });

    // What the clients were given to trust is the certificate that the ceremony made, byte for byte.
    const pemOf = (path: string) => new X509Certificate(readFileSync(path)).raw;
    const made = pemOf(join(world.ceremonyDir, 'authorities', 'root-g1.pem'));
    expect(pemOf(join(world.stateDir, 'root.pem'))).toEqual(made);
    expect(sealwright(verify).status).toBe(0);
  }, 180_000);
});
