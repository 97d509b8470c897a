import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CliWorld, openCliWorld, operatorToken } from '../support/cli-world.ts';
import { json, problem } from '../support/fake-service.ts';

let world: CliWorld;
beforeEach(async () => {
  world = await openCliWorld('not used');
});
afterEach(() => world.end());

const letter = (id: string, more: object = {}) => ({
  id,
  queue: 'signing-pkcs11',
  issuanceId: 'req.1',
  body: 'req.1',
  receiveCount: 10,
  lastError: 'CKR_DEVICE_ERROR',
  sentAt: '2026-11-23T11:00:00.000Z',
  deadAt: '2026-11-23T11:50:00.000Z',
  issuance: {
    state: 'approved',
    stateAt: '2026-11-23T11:00:00.000Z',
    attempts: 10,
    lastError: { code: 'CKR_DEVICE_ERROR', message: 'the PKCS #11 library answered', at: '2026-11-23T11:49:00.000Z' },
  },
  ...more,
});
const page = (deadLetters: readonly object[], nextCursor: string | null = null) =>
  json(200, { deadLetters, nextCursor });

describe('dlq', () => {
  it('lists every page, and what came from outside is printable', async () => {
    const poison = letter('2-3', { issuanceId: null, body: '\u001b[2Jx', lastError: 'body-invalid', issuance: null });
    const { status, stdout, seen } = await world.run(
      ['dlq', 'list', '--queue', 'signing-pkcs11'],
      [page([letter('2-1')], '2-1'), page([poison])],
    );
    expect(status).toBe(0);
    expect(stdout).toContain('2-1');
    expect(stdout).toContain('CKR_DEVICE_ERROR');
    expect(stdout).toContain('approved');
    expect(stdout).not.toContain('\u001b[2J');
    expect(seen.map(({ path }) => path)).toEqual([
      '/v1/dead-letters?limit=1000&queue=signing-pkcs11',
      '/v1/dead-letters?limit=999&queue=signing-pkcs11&cursor=2-1',
    ]);
    expect(seen[0]!.headers.authorization).toBe(`Bearer ${operatorToken}`);
  });

  it('says when there are none', async () => {
    expect(await world.run(['dlq', 'list'], [page([])])).toMatchObject({ status: 0, stdout: 'no dead letters\n' });
  });

  it('prints what the service says with --json', async () => {
    const { stdout } = await world.run(['dlq', 'list', '--json'], [page([letter('2-1')])]);
    expect(JSON.parse(stdout)).toEqual({ deadLetters: [letter('2-1')] });
  });

  it('shows one', async () => {
    const { status, stdout, seen } = await world.run(['dlq', 'show', '2-1'], [json(200, letter('2-1'))]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/deliveries +10\n/);
    expect(stdout).toContain('CKR_DEVICE_ERROR: the PKCS #11 library answered');
    expect(seen[0]!.path).toBe('/v1/dead-letters/2-1');
  });

  it('sends one back', async () => {
    const answers = [json(200, { id: '2-1', queue: 'signing-pkcs11' })];
    const { status, stdout, seen } = await world.run(['dlq', 'redrive', '2-1'], answers);
    expect([status, stdout]).toEqual([0, 'redriven 2-1\n']);
    expect([seen[0]!.method, seen[0]!.path]).toEqual(['POST', '/v1/dead-letters/2-1/redrive']);
  });

  it('says that one is not there any more', async () => {
    const { status, stderr } = await world.run(['dlq', 'redrive', '2-1'], [problem(404, 'not-found')]);
    expect(status).toBe(1);
    expect(stderr).toContain('not-found');
  });

  it('sends all back that waited when it was asked, though somebody else has sent one of them', async () => {
    const redriven = json(200, { id: '2-1', queue: 'signing-pkcs11' });
    const { status, stdout } = await world.run(
      ['dlq', 'redrive', '--all'],
      [page([letter('2-1'), letter('2-2'), letter('2-3')]), redriven, problem(404, 'not-found'), redriven],
    );
    expect([status, stdout]).toEqual([0, 'redriven 2 of 3\n']);
  });

  it.each([
    [['dlq'], /dlq is followed by list, show, redrive/],
    [['dlq', 'redrive'], /takes an ID, or --all/],
    [['dlq', 'redrive', '2-1', '--all'], /takes an ID, or --all/],
    [['dlq', 'redrive', '2-1', '--queue', 'q'], /--queue goes with --all/],
    [['dlq', 'list', '--queue', 'a b'], /--queue takes the name of a queue/],
    [['dlq', 'list', '--limit', '0'], /--limit takes a whole number/],
    [['dlq', 'show', '..'], /a dead letter has an id/],
  ] as const)('is refused with status 2 for %j', async (argv, message) => {
    const { status, stderr } = await world.run(argv);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });
});
