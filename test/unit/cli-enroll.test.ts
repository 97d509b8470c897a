import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CliMaterial, type CliWorld, deviceToken, makeMaterial, openCliWorld } from '../support/cli-world.ts';
import { json, pending, problem } from '../support/fake-service.ts';

let material: CliMaterial;
let world: CliWorld;
beforeAll(async () => {
  material = await makeMaterial();
});
beforeEach(async () => {
  world = await openCliWorld(material.csrPem);
});
afterEach(() => world.end());

describe('enroll', () => {
  it('posts the file with the device token and prints certificate and chain', async () => {
    const { status, stdout, stderr, seen } = await world.run(
      ['enroll', 'a.csr'],
      [pending('I.1'), json(200, material.issued)],
    );
    expect(status).toBe(0);
    expect(stdout).toBe(material.chainPem);
    expect(stderr).toContain('✓ issued');
    expect(stderr).toContain('DNS:a.fleet.example');
    expect(stderr).toContain('tlsFeature (asked for; the profile drops it)');
    expect(seen[0]).toMatchObject({
      path: '/v1/enrollments?profile=device',
      headers: { authorization: `Bearer ${deviceToken}`, prefer: 'wait=10' },
    });
    expect(seen[0]!.body.toString()).toBe(material.csrPem);
  });

  it('writes to --out, asks for the profile named, and reads standard input', async () => {
    const { status, stdout, seen } = await world.run(
      ['enroll', '-', '--profile', 'service', '--out', 'a.pem'],
      [json(200, material.issued)],
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(await readFile(join(world.dir, 'a.pem'), 'utf8')).toBe(material.chainPem);
    expect(seen[0]!.path).toBe('/v1/enrollments?profile=service');
  });

  it('prints the answer as one line of JSON with --json', async () => {
    const { status, stdout, stderr } = await world.run(['enroll', 'a.csr', '--json'], [json(200, material.issued)]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.trimEnd()).not.toContain('\n');
    expect(JSON.parse(stdout)).toEqual(material.issued);
  });

  it('shows every violation of a refusal, printably, and ends with 1', async () => {
    const violations = ['key-too-small', 'name-out-of-scope'].map((code) => ({
      code,
      field: 'names[0]',
      message: 'evil\u001b]0;x\u0007',
      reference: 'RFC 5280',
    }));
    const refusal = problem(422, 'policy-refused', { violations });
    const text = await world.run(['enroll', 'a.csr'], [refusal]);
    expect(text.status).toBe(1);
    expect(text.stderr).toContain('key-too-small');
    expect(text.stderr).toContain('name-out-of-scope');
    expect(text.stderr).toContain('\\x1b]0;x\\x07');
    expect(text.stderr).not.toContain('\u001b');
    const asJson = await world.run(['enroll', 'a.csr', '--json'], [refusal]);
    expect(asJson.status).toBe(1);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ error: { code: 'policy-refused', status: 422, violations } });
  });

  it('hands in and leaves with --wait 0; else ends with 1 when the time is up, naming the status command', async () => {
    const handed = await world.run(['enroll', 'a.csr', '--wait', '0'], [pending('I.1')]);
    expect(handed).toMatchObject({ status: 0, stdout: 'accepted: I.1\n  npx sealwright status I.1\n' });
    expect(handed.seen).toHaveLength(1);
    expect(handed.seen[0]!.headers.prefer).toBeUndefined();
    const late = await world.run(['enroll', 'a.csr', '--wait', '3']);
    expect(late.status).toBe(1);
    expect(late.stderr).toMatch(/no certificate within 3 s[\s\S]*npx sealwright status I\.1/);
  });

  it('names the token used on a 401, and never shows it', async () => {
    const { status, stderr, stdout } = await world.run(['enroll', 'a.csr'], [problem(401, 'credential-invalid')], {
      SEALWRIGHT_TOKEN: `sw_e_${'x'.repeat(43)}`,
    });
    expect(status).toBe(1);
    expect(stderr).toContain('SEALWRIGHT_TOKEN');
    const fromFile = await world.run(['enroll', 'a.csr'], []);
    expect(fromFile.stderr).toMatch(/tokens\.json \(device\)/);
    for (const text of [stderr, stdout, fromFile.stderr]) expect(text).not.toMatch(/sw_[eo]_[xdo]{5}/);
  });

  it('says what to type when the file, the token or the service is missing', async () => {
    expect((await world.run(['enroll', 'none.csr'])).stderr).toMatch(
      /there is no file none\.csr[\s\S]*npx sealwright enroll --help/,
    );
    expect((await world.run(['enroll', 'a.csr', '--state', 'elsewhere'])).stderr).toMatch(
      /no device token[\s\S]*npm start/,
    );
    const { url } = world.service!;
    await world.service!.close();
    const gone = await world.run(['enroll', 'a.csr', '--url', url]);
    expect(gone).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/no service answers at http:\/\/127[\s\S]*npm start/),
    });
    const asJson = await world.run(['enroll', 'a.csr', '--url', url, '--json']);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ error: { code: 'service-unreachable' } });
  });

  it('sends no token that is none', async () => {
    await writeFile(join(world.dir, '.sealwright', 'tokens.json'), '{"device":"a\\nb"}');
    expect((await world.run(['enroll', 'a.csr'])).stderr).toMatch(/is no token/);
    await writeFile(join(world.dir, '.sealwright', 'tokens.json'), 'no json');
    expect((await world.run(['enroll', 'a.csr'])).stderr).toMatch(/is not the JSON that npm start writes/);
    expect(world.service!.seen).toHaveLength(0);
  });
});

describe('status', () => {
  it('prints the certificate, the refusal, or that it is pending', async () => {
    const answers = [
      json(200, material.issued),
      problem(422, 'policy-refused'),
      pending('I.1'),
      problem(404, 'not-found'),
    ];
    const results = [];
    for (let n = 0; n < answers.length; n += 1) results.push(await world.run(['status', 'I/1'], answers));
    expect(results.map(({ status }) => status)).toEqual([0, 1, 0, 1]);
    expect(results[0]!.stdout).toBe(material.chainPem);
    expect(results[1]!.stderr).toContain('✗ refused (422 policy-refused)');
    expect(results[2]!.stdout).toContain('… pending: received');
    expect(results[3]!.stderr).toContain('404 not-found');
    expect(world.service!.seen[0]!.path).toBe('/v1/enrollments/I%2F1');
  });
});
