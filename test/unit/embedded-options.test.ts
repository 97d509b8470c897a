import { describe, expect, it } from 'vitest';
import { parseStartOptions } from '../../localstack/embedded/options.ts';

function optionsOf(...args: string[]) {
  const parsed = parseStartOptions(args);
  if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

function faultsOf(...args: string[]): readonly string[] {
  const parsed = parseStartOptions(args);
  return parsed.kind === 'usage' ? parsed.faults : [];
}

describe('npm start -- OPTIONS', () => {
  it('has the defaults of interface.md', () => {
    expect(optionsOf()).toMatchObject({
      devices: 200,
      csrDir: undefined,
      port: 3000,
      listen: '127.0.0.1',
      stateDir: '.sealwright',
      fresh: false,
      hierarchyFile: 'hierarchy.yaml',
      once: false,
      json: false,
      quiet: false,
    });
  });

  it('takes every option', () => {
    const given = optionsOf(
      '--devices',
      '0',
      '--csr-dir',
      'd',
      '--profile',
      'p',
      '--port=0',
      '--listen',
      '::1',
      '--state',
      's',
      '--fresh',
      '--hierarchy',
      'h',
      '--once',
      '--json',
      '--quiet',
    );
    expect(given).toMatchObject({
      devices: 0,
      csrDir: 'd',
      profile: 'p',
      port: 0,
      listen: '::1',
      stateDir: 's',
      fresh: true,
      hierarchyFile: 'h',
      once: true,
      json: true,
      quiet: true,
    });
  });

  it('names every fault at once', () => {
    const faults = faultsOf(
      '--devices',
      'many',
      '--port',
      '70000',
      '--listen',
      'example.org',
      '--tls-key',
      'k',
      '--tls-client-ca',
      'c',
    );
    for (const option of ['--devices', '--port', '--listen', '--tls-cert', '--tls-client-ca'])
      expect(
        faults.some((fault) => fault.startsWith(option)),
        option,
      ).toBe(true);
  });

  it.each(['-1', '1.5', '1e3', '0x10', '', ' 1', '1000001', '99999999'])('refuses --devices=%s', (value) => {
    expect(faultsOf(`--devices=${value}`)).toHaveLength(1);
  });

  it.each(['-1', '65536', '3000a', ''])('refuses --port=%s', (value) => {
    expect(faultsOf(`--port=${value}`)).toHaveLength(1);
  });

  it.each([
    '0.0.0.0',
    '::',
    '192.0.2.1',
    '::ffff:192.0.2.1',
    '127.0.0.1.example.org',
    '127.1',
    'localhost.example.org',
  ])('refuses --listen %s without TLS [interface.md: off loopback only with TLS]', (address) => {
    expect(faultsOf('--listen', address).length).toBeGreaterThan(0);
  });

  it.each(['127.0.0.1', '127.0.0.2', '::1', 'localhost'])('takes --listen %s without TLS', (address) => {
    expect(optionsOf('--listen', address).listen).toBe(address);
  });

  it('takes another address with a certificate and its key', () => {
    expect(optionsOf('--listen', '0.0.0.0', '--tls-cert', 'c', '--tls-key', 'k')).toMatchObject({
      tlsCert: 'c',
      tlsKey: 'k',
    });
  });

  it.each([[['--unknown']], [['word']], [['--devices']], [['--json=1']]])('refuses %j', (args) => {
    expect(faultsOf(...args).length).toBeGreaterThan(0);
  });

  it('answers --help', () => {
    expect(parseStartOptions(['--help']).kind).toBe('help');
    expect(parseStartOptions(['-h']).kind).toBe('help');
  });
});
