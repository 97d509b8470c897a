import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isOfType } from '../../shared/ceremony/ceremony.ts';
import {
  type CeremonyWorld,
  makeSubordinateRequest,
  openCeremonyWorld,
  sealwright,
} from '../support/ceremony-world.ts';
import { softHsmMissing } from '../support/softhsm.ts';

const without = softHsmMissing === undefined ? '' : ` (left out: ${softHsmMissing})`;

describe.skipIf(softHsmMissing !== undefined)(`holding a ceremony${without}`, { timeout: 90_000 }, () => {
  let world: CeremonyWorld;
  afterEach(() => world?.end());

  const keysOf = () =>
    world.records().flatMap((record) => (isOfType(record, 'done/generate-key') ? [record.body.spkiSha256] : []));
  /** The transcript as it was when the process died after `count` records. */
  const cutTo = (count: number, tail = '') => {
    const lines = readFileSync(world.transcriptFile, 'utf8').split('\n').slice(0, count);
    writeFileSync(world.transcriptFile, `${lines.join('\n')}\n${tail}`);
  };
  const placeOf = (kind: string, act: string) =>
    world.records().findIndex((record) => record.kind === kind && record.act === act);

  it('goes on where it was stopped, with the same key, and says so in the transcript', async () => {
    world = openCeremonyWorld();
    const stopped = world.rehearse({ stopBefore: 'self-sign' });
    expect(stopped.status).toBe(1);
    expect(JSON.parse(stopped.stdout).error.code).toBe('ceremony-stopped');
    const [key] = keysOf();
    expect(world.rehearse().status).toBe(0);
    expect(keysOf()).toEqual([key]);
    const verification = await world.verify();
    expect(verification).toMatchObject({ ok: true, summary: { resumed: 1, keySha256: key } });
  });

  it('signs the certificate that it had set out to sign, after it died in between', async () => {
    world = openCeremonyWorld();
    expect(world.rehearse().status).toBe(0);
    const tbs = world.records().find((record) => isOfType(record, 'begun/self-sign'))?.body;
    cutTo(placeOf('begun', 'self-sign') + 1, '{"act":"self-s');
    expect(world.rehearse().status).toBe(0);
    const again = world.records().filter((record) => isOfType(record, 'begun/self-sign'));
    expect(again.map(({ body }) => body)).toEqual([tbs]);
    expect(await world.verify()).toMatchObject({ ok: true });
  });

  it('takes a key that it had set out to make only when the people in the room say so', async () => {
    world = openCeremonyWorld();
    expect(world.rehearse().status).toBe(0);
    const [key] = keysOf();
    cutTo(placeOf('begun', 'generate-key') + 1);
    expect(JSON.parse(world.rehearse().stdout).error.code).toBe('ceremony-stopped');
    expect(world.rehearse({ takeFoundKey: true }).status).toBe(0);
    expect(keysOf()).toEqual([key]);
    const done = world.records().find((record) => isOfType(record, 'done/generate-key'));
    expect(done?.body).toMatchObject({ foundAgain: true });
    expect(await world.verify()).toMatchObject({ ok: true });
  });

  it('neither makes a second key nor takes one that it has not set out to make', () => {
    world = openCeremonyWorld();
    expect(world.rehearse().status).toBe(0);
    cutTo(placeOf('begun', 'generate-key'));
    const refused = JSON.parse(world.rehearse({ takeFoundKey: true }).stdout).error;
    expect(refused.code).toBe('key-exists');
    expect(keysOf()).toEqual([]);
  });

  it('does not go on with a transcript that was changed, nor with another script', () => {
    world = openCeremonyWorld();
    expect(world.rehearse({ stopBefore: 'close' }).status).toBe(1);
    const original = readFileSync(world.transcriptFile);
    writeFileSync(world.transcriptFile, original.toString('utf8').replace('"Ben"', '"Eve"'));
    expect(JSON.parse(world.rehearse().stdout).error.code).toBe('transcript-unsound');
    writeFileSync(world.transcriptFile, original);
    writeFileSync(world.scriptFile, `${readFileSync(world.scriptFile, 'utf8')}# another\n`);
    expect(JSON.parse(world.rehearse().stdout).error.code).toBe('another-ceremony');
    expect(readFileSync(world.transcriptFile)).toEqual(original);
  });

  it('collects signatures that are missing when it is called again, and nothing else then', async () => {
    world = openCeremonyWorld();
    const one = world.rehearse({ privateKeys: { alice: 'alice' } });
    expect(one.status).toBe(1);
    expect(JSON.parse(one.stdout).error).toMatchObject({ code: 'ceremony-not-verified' });
    const before = readFileSync(world.transcriptFile);
    expect(world.rehearse({ privateKeys: { bob: 'bob' } }).status).toBe(0);
    expect(readFileSync(world.transcriptFile)).toEqual(before);
    const verification = await world.verify();
    expect(verification).toMatchObject({ ok: true, summary: { signers: ['alice', 'bob'] } });
  });

  it('does not begin without the quorum of witnesses or with a role that nobody has', () => {
    world = openCeremonyWorld();
    expect(JSON.parse(world.rehearse({ witnesses: ['alice'] }).stdout).error.message).toContain('quorum');
    expect(JSON.parse(world.rehearse({ people: { operator: 'Ben' } }).stdout).error.message).toContain('role');
    expect(existsSync(join(world.ceremonyDir, 'authorities', 'root-g1.pem'))).toBe(false);
  });

  it('lets a person go through it at the terminal, who types yes, names and nothing by accident', async () => {
    world = openCeremonyWorld();
    const typed = [
      'yes',
      'Ada',
      'Ben',
      'Cem',
      'yes',
      'yes',
      'no',
      '',
      'y',
      'yes',
      'yes',
      'yes',
      'yes',
      'yes',
      'skip',
      'skip',
    ];
    const args = ['ceremony', 'rehearse', world.scriptFile, '--state', world.stateDir];
    const held = sealwright(args, `${typed.join('\n')}\n`);
    expect(held.status).toBe(1);
    expect(held.stdout).toContain("type 'yes' or 'no'");
    expect(held.stdout).toContain('ssh-keygen -Y sign -n sealwright-ceremony -f YOUR_KEY');
    expect(held.stderr).toContain('quorum-not-met');
    // Paths are as long as they are.
    const lines = held.stdout.split('\n').filter((line) => !line.includes(world.dir));
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(100);
    const identified = world.records().find((record) => isOfType(record, 'done/identify-participants'));
    expect(identified?.body.witnesses.map(({ name }) => name)).toEqual(['alice', 'bob']);
    // The end of the input is a no.
    expect(sealwright(args, '').status).toBe(1);
  });

  it('certifies a subordinate with the key of an earlier ceremony, whose certificate is presented', async () => {
    world = openCeremonyWorld();
    expect(world.rehearse().status).toBe(0);
    makeSubordinateRequest(world.dir);
    const second = readFileSync(world.scriptFile, 'utf8')
      .replace('generate-key', 'present-key')
      .replace('- act: self-sign', '- act: certify-subordinate\n    authority: subordinate');
    const scriptFile = join(world.dir, 'second.yaml');
    writeFileSync(scriptFile, second);
    const out = join(world.dir, 'second');
    const answers = world.answers({ certificates: { root: join(world.ceremonyDir, 'authorities', 'root-g1.pem') } });
    const args = ['ceremony', 'rehearse', scriptFile, '--state', world.stateDir, '--out', out, '--answers', answers];
    const held = sealwright([...args, '--json']);
    expect(held.status, held.stderr).toBe(0);
    expect(JSON.parse(held.stdout).certificates).toMatchObject([{ file: 'subordinate-g1.pem' }]);
    const roster = sealwright(['ceremony', 'roster', scriptFile]).stdout;
    writeFileSync(join(world.dir, 'roster'), roster);
    expect(sealwright(['ceremony', 'verify', out, '--roster', join(world.dir, 'roster')]).status).toBe(0);
  });

  it('runs on the configured module with a PIN from a file, and refuses SoftHSM for prod', () => {
    world = openCeremonyWorld();
    // Makes the token, and its PIN file; the run then finds both as it would find those of an HSM.
    expect(world.rehearse({ stopBefore: 'generate-key' }).status).toBe(1);
    const pin = join(world.stateDir, 'pkcs11', 'sealwright-root.pin');
    const environment = { SOFTHSM2_CONF: join(world.stateDir, 'pkcs11', 'softhsm2.conf') };
    const run = (out: string, more: readonly string[]) =>
      sealwright(
        ['ceremony', 'run', world.scriptFile, '--out', join(world.dir, out), '--json', ...more],
        '',
        environment,
      );
    const withKeys = run('a', ['--pin', `file:${pin}`, '--answers', world.answers()]);
    expect(JSON.parse(withKeys.stdout).error.code).toBe('answers-refused');
    const answers = world.answers({ privateKeys: undefined });
    const held = run('b', ['--pin', `file:${pin}`, '--answers', answers]);
    expect(JSON.parse(held.stdout).error.next[0]).toContain('quorum-not-met');
    const transcript = readFileSync(join(world.dir, 'b', 'transcript.jsonl'), 'utf8');
    expect(transcript).toContain('"mode":"run"');
    expect(transcript).not.toContain(readFileSync(pin, 'utf8').trim());
    const hierarchyFile = join(world.dir, 'hierarchy.yaml');
    writeFileSync(hierarchyFile, readFileSync(hierarchyFile, 'utf8').replace('stage: dev', 'stage: prod'));
    const prod = sealwright(
      ['ceremony', 'run', world.scriptFile, '--out', join(world.dir, 'c'), '--pin', `file:${pin}`],
      ['yes', 'Ada', 'Ben', 'Cem', 'yes', 'yes', 'yes', 'yes', ''].join('\n'),
      environment,
    );
    expect(prod.status).toBe(1);
    expect(prod.stderr).toContain('SoftHSM');
  });
});
