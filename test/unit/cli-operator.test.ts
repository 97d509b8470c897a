import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliWorld, makeMaterial, openCliWorld } from '../support/cli-world.ts';

let world: CliWorld;
beforeAll(async () => {
  world = await openCliWorld((await makeMaterial()).csrPem);
});
afterAll(() => world.end());

describe('sealwright operator create', () => {
  const given = ['--table', 'sealwright-prod', '--name', 'Ada', '--role', 'all'];
  const without = (option: string) =>
    given.filter((_, index) => given[index] !== option && given[index - 1] !== option);

  it.each([
    ['--table', without('--table')],
    ['--name', without('--name')],
    ['--role', without('--role')],
    ['--role', [...without('--role'), '--role', 'root']],
    ['--expires-in-days', [...given, '--expires-in-days', '0']],
  ])('asks nobody before its options are sound: %s (operator-create)', async (option, options) => {
    const { status, stderr, stdout } = await world.run(['operator', 'create', ...options]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(option);
  });
});
