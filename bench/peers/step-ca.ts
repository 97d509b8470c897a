import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makePeerAuthority } from '../certificates.ts';
import type { TokenProvisioner } from '../client/dialect.ts';
import { countBadgerKeys } from './badger-log.ts';
import { freePort, startServerProcess } from './server-process.ts';
import type { Durability, RunningSide, Side } from './side.ts';
import type { TokenKey } from './token-key.ts';
import type { BuiltPeer } from './toolchain.ts';

const host = '127.0.0.1';
const provisionerName = 'bench';
const signPath = '/1.0/sign';
/** Where step-ca keeps the certificates it has issued (`db/db.go` of smallstep/certificates). */
const certificatesBucket = 'x509_certs';

/** step-ca as `step ca init` sets it up, without a log of requests; its issuer's key in a file, or on a token. */
export function stepCaSide(peer: BuiltPeer, tokenKey?: TokenKey): Side {
  const badger = peer.info.dependencies.get('github.com/dgraph-io/badger/v2') ?? 'unknown';
  const key = tokenKey === undefined ? 'P-256 key in a file' : 'P-256 key in SoftHSM (kms pkcs11)';
  return {
    name: tokenKey === undefined ? 'stepca' : 'stepcaPkcs11',
    description: `step-ca ${peer.info.version} (${peer.info.go}), Badger ${badger}, TLS, a one-time token (JWK) each, ${key}`,
    counted: `keys of the bucket ${certificatesBucket} in Badger's value log, each entry's CRC-32C checked`,
    start: (dir) => start(peer, dir, tokenKey),
    countRecorded: (dir) => countBadgerKeys(databaseDir(dir), certificatesBucket),
  };
}

const databaseDir = (dir: string) => join(dir, 'db');

async function start(peer: BuiltPeer, dir: string, tokenKey: TokenKey | undefined): Promise<RunningSide> {
  const port = await freePort();
  const authority = await makePeerAuthority(tokenKey?.spki);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const files = { root: join(dir, 'root.crt'), issuer: join(dir, 'issuer.crt'), key: join(dir, 'issuer.key') };
  writeFileSync(files.root, authority.rootPem);
  writeFileSync(files.issuer, authority.issuerPem);
  if (authority.issuerKeyPem !== undefined) writeFileSync(files.key, authority.issuerKeyPem, { mode: 0o600 });
  mkdirSync(databaseDir(dir));
  const configFile = join(dir, 'ca.json');
  const config = stepCaConfig({ dir, port, files, provisionerKey: publicKey, tokenKey });
  writeFileSync(configFile, JSON.stringify(config, null, 2));
  const target = { host, port, tlsAnchorsPem: authority.rootPem };
  const server = await startServerProcess({
    path: peer.path,
    args: [configFile],
    cwd: dir,
    env: { STEPPATH: dir, ...(tokenKey === undefined ? {} : { SOFTHSM2_CONF: tokenKey.softhsmConf }) },
    target,
  });
  const provisioner: TokenProvisioner = {
    name: provisionerName,
    keyId: provisionerName,
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    audience: `https://${host}:${port}${signPath}`,
  };
  return {
    target,
    dialect: { kind: 'step-ca', head: signHead(port), provisioner },
    processes: [{ name: 'step-ca', pid: server.pid }],
    issuerPem: authority.issuerPem,
    durability: () => valueLogDurability(server.pid),
    stop: server.stop,
  };
}

function signHead(port: number): string {
  const lines = [`POST ${signPath} HTTP/1.1`, `host: ${host}:${port}`, 'content-type: application/json', ''];
  return lines.join('\r\n');
}

/** `ca.json`. With a token the key is found by its label; the PIN is in a file. */
export function stepCaConfig(wish: {
  readonly dir: string;
  readonly port: number;
  readonly files: { readonly root: string; readonly issuer: string; readonly key: string };
  readonly provisionerKey: KeyObject;
  readonly tokenKey: TokenKey | undefined;
}): object {
  const { dir, files, port, provisionerKey, tokenKey } = wish;
  const jwk = createPublicKey(provisionerKey.export({ format: 'pem', type: 'spki' })).export({ format: 'jwk' });
  const key =
    tokenKey === undefined
      ? { key: files.key }
      : {
          key: `pkcs11:object=${tokenKey.keyLabel}`,
          kms: {
            type: 'pkcs11',
            uri: `pkcs11:module-path=${tokenKey.modulePath};token=${tokenKey.tokenLabel}?pin-source=${tokenKey.pinFile}`,
          },
        };
  return {
    root: files.root,
    crt: files.issuer,
    ...key,
    address: `${host}:${port}`,
    dnsNames: [host, 'localhost'],
    db: { type: 'badgerv2', dataSource: databaseDir(dir) },
    authority: {
      provisioners: [
        {
          type: 'JWK',
          name: provisionerName,
          key: { ...jwk, use: 'sig', kid: provisionerName, alg: 'ES256' },
        },
      ],
    },
  };
}

/** `O_DSYNC` of open(2) on Linux: a write returns when its data are on the disk. */
const dataSync = 0o10000;

/** With what the server has its value log open, as the kernel says: `SyncWrites` of Badger is O_DSYNC there. */
function valueLogDurability(pid: number): Durability {
  try {
    const folder = `/proc/${pid}/fd`;
    for (const descriptor of readdirSync(folder)) {
      if (!readlinkSync(join(folder, descriptor)).endsWith('.vlog')) continue;
      const info = readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'latin1');
      const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? '0', 8);
      const isSynced = (flags & dataSync) !== 0;
      return { isSynced, settings: `value log open ${isSynced ? 'with' : 'WITHOUT'} O_DSYNC (Badger's SyncWrites)` };
    }
  } catch {
    return { isSynced: false, settings: 'UNKNOWN: there is no /proc to see how the value log is open' };
  }
  return { isSynced: false, settings: 'UNKNOWN: no value log is open' };
}
