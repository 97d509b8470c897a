import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { commands } from '../../cli/commands/index.ts';
import { textWidth } from '../../cli/terminal/text.ts';
import { type CliMaterial, type CliWorld, makeMaterial, openCliWorld, operatorToken } from '../support/cli-world.ts';
import { json, pem, problem } from '../support/fake-service.ts';

let material: CliMaterial;
let world: CliWorld;
beforeAll(async () => {
  material = await makeMaterial();
});
beforeEach(async () => {
  world = await openCliWorld(material.csrPem);
});
afterEach(() => world.end());

describe('the command line', () => {
  it('lists every command in its help, and each command has help of its own within 100 columns', async () => {
    const { status, stdout } = await world.run(['--help']);
    expect(status).toBe(0);
    for (const command of commands) {
      expect(stdout).toContain(`  ${command.name}`);
      const help = await world.run([...command.name.split(' '), '--help']);
      expect(help.status).toBe(0);
      expect(help.stdout).toContain(`usage: npx sealwright ${command.name}`);
      for (const name of Object.keys(command.options)) expect(help.stdout).toContain(`--${name}`);
      for (const line of `${stdout}${help.stdout}`.split('\n')) expect(textWidth(line), line).toBeLessThanOrEqual(100);
    }
    expect(world.service!.seen).toHaveLength(0);
  });

  it.each([
    [[], /usage/],
    [['mint'], /there is no command mint/],
    [['--frob'], /there is no option --frob/],
    [['credential'], /credential is followed by create, list, revoke/],
    [['enroll'], /enroll needs FILE/],
    [['enroll', 'a.csr', 'b.csr'], /enroll takes 1/],
    [['enroll', 'a.csr', '--frob'], /Unknown option '--frob'; npx sealwright enroll --help/],
    [['enroll', 'a.csr', '--wait', 'soon'], /--wait takes a whole number from 0 to 3600/],
    [['enroll', 'a.csr', '--out', './a.csr'], /--out would overwrite the request itself/],
    [['credential', 'create', '--owner', 'o'], /--profile is required/],
    [['authorities', '--url', 'nonsense'], /--url nonsense is no address/],
    [['enroll', 'a.csr', '--url', 'http://192.0.2.1:3000'], /plain http to this machine only/],
  ] as const)('is refused with status 2 for %j', async (argv, message) => {
    const { status, stderr, stdout } = await world.run(argv);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(world.service!.seen).toHaveLength(0);
  });

  it('takes global options before the command', async () => {
    const { status, stdout } = await world.run([
      '--json',
      '--state=.sealwright',
      '--url',
      'http://127.0.0.1:9',
      'authorities',
    ]);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'service-unreachable' } });
  });

  it('says its version', async () => {
    expect(await world.run(['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^sealwright \d+\.\d+\.\d+\n$/),
    });
  });
});

describe('authorities and hierarchy show', () => {
  const ca = (id: string, parent: string | null, more: object = {}) => ({
    ...{ id, parent, tier: 'issuance', generation: 1, backend: 'acm-pca', custodyModel: 'managed-ca', status: 'ready' },
    ...{ notBefore: '2026-11-23T00:00:00.000Z', notAfter: '2046-11-23T00:00:00.000Z', outstanding: 2, ...more },
  });
  const authorities = [
    ca('root', null),
    ca('sub', 'root'),
    ca('devices', 'sub'),
    ca('workloads', 'sub', { status: 'absent', notAfter: null }),
  ];

  it('show a tree of the CAs, and need no token', async () => {
    const { status, stdout, seen } = await world.run(['hierarchy', 'show'], [json(200, { authorities })]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^root +issuance +acm-pca +managed-ca +2046-11-23 +2 +ready$/m);
    expect(stdout).toMatch(/^ {4}devices /m);
    expect(stdout).toContain('absent: not brought up');
    expect(seen[0]!.headers.authorization).toBeUndefined();
    expect(await world.run(['authorities'])).toMatchObject({ status: 0, stdout });
    expect(JSON.parse((await world.run(['authorities', '--json'])).stdout)).toEqual({ authorities });
  });

  it('survives a hierarchy that is a circle', async () => {
    const circle = [ca('a', 'b'), ca('b', 'a'), ca('root', null), ca('self', 'self')];
    expect((await world.run(['authorities'], [json(200, { authorities: circle })])).stdout).toContain('root');
  });

  it('print one, and its certificate written anew', async () => {
    expect(
      (await world.run(['authorities', 'root'], [json(200, authorities[0]), pem(`noise\u001b${material.chainPem}`)]))
        .stdout,
    ).toMatch(/^custodyModel +managed-ca$/m);
    expect((await world.run(['authorities', 'root', '--pem'])).stdout).toBe(material.chainPem);
    expect(world.service!.seen[1]!.path).toBe('/v1/authorities/root/certificate');
  });
});

describe('credential and name', () => {
  const credential = {
    ...{
      id: 'cred-1',
      owner: 'plant-8',
      fleet: 'pumps',
      profiles: ['device'],
      names: { dns: ['*.fleet.example'], spiffe: [], ip: [] },
    },
    ...{ countMax: 500, used: 3, expiresAt: '2026-12-23T00:00:00.000Z', revokedAt: null },
  };

  it('create sends what was asked for with the operator token and shows the secret once', async () => {
    const argv = [
      'credential',
      'create',
      '--owner',
      'plant-8',
      '--fleet',
      'pumps',
      '--profile',
      'device',
      '--profile',
      'service',
      '--dns',
      '*.fleet.example',
      '--count',
      '500',
    ];
    const { status, stdout, seen } = await world.run(argv, [json(201, { credential, secret: 'sw_e_shown' })]);
    expect(status).toBe(0);
    expect(stdout).toContain('secret      sw_e_shown');
    expect(seen[0]).toMatchObject({
      method: 'POST',
      path: '/v1/credentials',
      headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
    });
    expect(JSON.parse(seen[0]!.body.toString())).toEqual({
      owner: 'plant-8',
      fleet: 'pumps',
      profiles: ['device', 'service'],
      names: { dns: ['*.fleet.example'], spiffe: [], ip: [] },
      countMax: 500,
      expiresInDays: 30,
    });
  });

  it('create shows what the service finds wrong', async () => {
    const argv = [
      'credential',
      'create',
      '--owner',
      '?',
      '--fleet',
      'f',
      '--profile',
      'device',
      '--dns',
      'a.example',
      '--count',
      '1',
    ];
    expect(await world.run(argv, [problem(400, 'request-malformed', { detail: 'owner: letters' })])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('400 request-malformed. A title: owner: letters'),
    });
  });

  it('list shows all pages, and what is revoked or expired', async () => {
    const pages = [
      json(200, { credentials: [credential], nextCursor: 'cred-1' }),
      json(200, {
        credentials: [
          { ...credential, id: 'cred-2', revokedAt: '2026-11-23T00:00:00Z' },
          { ...credential, id: 'cred-3', expiresAt: '2026-11-22T00:00:00Z' },
        ],
        nextCursor: null,
      }),
    ];
    const { stdout, seen } = await world.run(['credential', 'list'], pages);
    expect(stdout).toMatch(/^cred-1 +plant-8 \/ pumps +device +\*\.fleet\.example +3 +500 +2026-12-23$/m);
    expect(stdout).toMatch(/^cred-2 .*revoked$/m);
    expect(stdout).toMatch(/^cred-3 .*expired$/m);
    expect(seen.map(({ path }) => path)).toEqual(['/v1/credentials', '/v1/credentials?cursor=cred-1']);
  });

  it('revoke and release name what they did, or that there is no such thing', async () => {
    const answers = [{ status: 204 }, { status: 204 }, problem(404, 'not-found', { detail: 'nobody holds this name' })];
    expect(await world.run(['credential', 'revoke', 'cred-1'], answers)).toMatchObject({
      status: 0,
      stdout: 'revoked cred-1\n',
    });
    expect(await world.run(['name', 'release', 'spiffe://fleet.example/a'])).toMatchObject({
      status: 0,
      stdout: 'released spiffe://fleet.example/a\n',
    });
    expect(await world.run(['name', 'release', 'x'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('nobody holds this name'),
    });
    expect(world.service!.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'DELETE /v1/credentials/cred-1',
      'DELETE /v1/names/spiffe%3A%2F%2Ffleet.example%2Fa',
      'DELETE /v1/names/x',
    ]);
  });

  it('says which token was used when its role does not reach', async () => {
    const { stderr } = await world.run(
      ['credential', 'list'],
      [problem(403, 'role-missing', { detail: 'the call needs the role credential:write' })],
    );
    expect(stderr).toMatch(/credential:write[\s\S]*tokens\.json \(operator\)/);
  });

  it('says that another program answers', async () => {
    expect(
      (
        await world.run(
          ['credential', 'list'],
          [{ status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }],
        )
      ).stderr,
    ).toContain("the answer is not Sealwright's");
    await world.service!.close();
    world.service = undefined;
    expect((await world.run(['credential', 'list'], [{ status: 404, body: 'no' }])).stderr).toContain(
      "an answer of status 404 that is not Sealwright's",
    );
  });
});
