/**
 * The hosts that CloudHSM's PKCS #11 library connects to, from its own configuration (Client SDK 5,
 * /opt/cloudhsm/etc/cloudhsm-pkcs11.cfg): `{"clusters":[{"type":"hsm1","cluster":{"servers":[{"hostname","port","enable"}]}}]}`.
 * They are held against the network interfaces of the cluster's HSMs, so that what the provider says of a cluster is
 * said of the one that signs.
 */
import { readFileSync } from 'node:fs';

export const libraryConfigurationDefault = '/opt/cloudhsm/etc/cloudhsm-pkcs11.cfg';

const serversMax = 64;

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.slice(0, serversMax).filter(isObject) : [];
}

/** Undefined when there is no such file, or it is of another form: then nothing is known of the servers. */
export function configuredServers(path: string): readonly string[] | undefined {
  let configuration: unknown;
  try {
    configuration = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
  if (!isObject(configuration)) return undefined;
  const servers = list(configuration.clusters)
    .flatMap(({ cluster }) => (isObject(cluster) ? list(cluster.servers) : []))
    .filter(({ enable }) => enable !== false)
    .map(({ hostname }) => hostname)
    .filter((hostname) => typeof hostname === 'string');
  return servers.length === 0 ? undefined : servers;
}
