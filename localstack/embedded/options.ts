import { isIP } from 'node:net';
import { parseArgs } from 'node:util';

/** `npm start -- OPTIONS`. */
export interface StartOptions {
  readonly devices: number;
  readonly csrDir: string | undefined;
  /** Of every sample device, and of files that a manifest does not name; undefined: a mix, and `device`. */
  readonly profile: string | undefined;
  readonly port: number;
  readonly listen: string;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsClientCa: string | undefined;
  readonly stateDir: string;
  readonly fresh: boolean;
  readonly hierarchyFile: string;
  readonly once: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

export const stateDirDefault = '.sealwright';

export const startUsage = `Usage: npm start -- [OPTIONS]

Starts the embedded stack, builds the sample hierarchy on the first run, enrols a sample fleet over HTTP, and serves
until Ctrl-C.

  --devices N         devices of the sample fleet (200; 0 for none)
  --csr-dir DIR       enrol these files instead, PEM or DER; a manifest.json in it may say what to expect
  --profile P         one profile for the whole fleet (a mix), or for files that no manifest names (device)
  --port P            port (3000; 0 for any free one)
  --listen ADDRESS    address (127.0.0.1); off loopback only with TLS
  --tls-cert FILE     certificate chain of the server, PEM, with --tls-key FILE
  --tls-client-ca F   ask for client certificates that chain to these
  --state DIR         folder for everything that outlives a restart (.sealwright)
  --fresh             begin with an empty state folder
  --hierarchy FILE    CAs and profiles (hierarchy.yaml)
  --once              exit when the fleet is done
  --json              one JSON object as the last line of standard output
  --quiet             no progress, no table
  --help              this text
`;

export type ParsedOptions =
  | { readonly kind: 'options'; readonly options: StartOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly faults: readonly string[] };

const devicesMax = 1_000_000;

/** Reads the command line; every fault at once. */
export function parseStartOptions(args: readonly string[]): ParsedOptions {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (cause) {
    return { kind: 'usage', faults: [(cause as Error).message] };
  }
  if (values.help === true) return { kind: 'help' };
  const faults: string[] = [];
  const count = (name: 'devices' | 'port', text: string, max: number): number => {
    const value = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= 0 && value <= max) return value;
    faults.push(`--${name}: a whole number from 0 to ${max}`);
    return 0;
  };
  const loopback = values.listen === 'localhost' || values.listen === '::1' || /^127\./.test(values.listen);
  if (values.listen !== 'localhost' && isIP(values.listen) === 0) faults.push('--listen: an IP address');
  if ((values['tls-cert'] === undefined) !== (values['tls-key'] === undefined))
    faults.push('--tls-cert and --tls-key go together');
  if (values['tls-client-ca'] !== undefined && values['tls-cert'] === undefined)
    faults.push('--tls-client-ca needs --tls-cert and --tls-key');
  if (!loopback && values['tls-cert'] === undefined)
    faults.push('--listen: off loopback only with TLS: add --tls-cert FILE --tls-key FILE');
  const options: StartOptions = {
    devices: count('devices', values.devices, devicesMax),
    csrDir: values['csr-dir'],
    profile: values.profile,
    port: count('port', values.port, 65_535),
    listen: values.listen,
    tlsCert: values['tls-cert'],
    tlsKey: values['tls-key'],
    tlsClientCa: values['tls-client-ca'],
    stateDir: values.state,
    fresh: values.fresh,
    hierarchyFile: values.hierarchy,
    once: values.once,
    json: values.json,
    quiet: values.quiet,
  };
  return faults.length > 0 ? { kind: 'usage', faults } : { kind: 'options', options };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      devices: { type: 'string', default: '200' },
      'csr-dir': { type: 'string' },
      profile: { type: 'string' },
      port: { type: 'string', default: '3000' },
      listen: { type: 'string', default: '127.0.0.1' },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
      'tls-client-ca': { type: 'string' },
      state: { type: 'string', default: stateDirDefault },
      fresh: { type: 'boolean', default: false },
      hierarchy: { type: 'string', default: 'hierarchy.yaml' },
      once: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      quiet: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}
