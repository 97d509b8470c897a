import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makePeerAuthority, writeServerTls } from '../certificates.ts';
import { openConnection, type Target } from '../client/connection.ts';
import { type Dialect, successStatus, wholeRequests } from '../client/dialect.ts';
import { prepareRequest } from '../client/requests.ts';
import { freePort, startServerProcess } from './server-process.ts';
import type { Durability, RunningSide, Side } from './side.ts';
import type { BuiltPeer } from './toolchain.ts';

const host = '127.0.0.1';
const signPath = '/api/v1/cfssl/authsign';

/** The schema of cfssl's `certdb/sqlite/migrations`, both applied. */
const schema = `
CREATE TABLE certificates (
  serial_number            blob NOT NULL,
  authority_key_identifier blob NOT NULL,
  ca_label                 blob,
  status                   blob NOT NULL,
  reason                   int,
  expiry                   timestamp,
  revoked_at               timestamp,
  pem                      blob NOT NULL,
  issued_at                timestamp,
  not_before               timestamp,
  metadata                 text,
  sans                     text,
  common_name              text,
  PRIMARY KEY(serial_number, authority_key_identifier)
);
CREATE TABLE ocsp_responses (
  serial_number            blob NOT NULL,
  authority_key_identifier blob NOT NULL,
  body                     blob NOT NULL,
  expiry                   timestamp,
  PRIMARY KEY(serial_number, authority_key_identifier),
  FOREIGN KEY(serial_number, authority_key_identifier) REFERENCES certificates(serial_number, authority_key_identifier)
);`;

/** `cfssl serve` with its certificate database in SQLite, as durable as ours; its key in a file. */
export function cfsslSide(peer: BuiltPeer): Side {
  const sqlite = peer.info.dependencies.get('github.com/mattn/go-sqlite3') ?? 'unknown';
  return {
    name: 'cfsslSqlite',
    description: `cfssl ${peer.info.version} (${peer.info.go}), go-sqlite3 ${sqlite}, TLS, authsign with an HMAC key, P-256 key in a file`,
    counted: 'rows of the table certificates with the status good',
    start: (dir) => start(peer, dir),
    countRecorded,
  };
}

const databaseFile = (dir: string) => join(dir, 'certificates.sqlite');

async function start(peer: BuiltPeer, dir: string): Promise<RunningSide> {
  const authority = await makePeerAuthority();
  const tls = await writeServerTls(dir);
  const authKeyHex = randomBytes(16).toString('hex');
  const files = { issuer: join(dir, 'issuer.crt'), key: join(dir, 'issuer.key'), config: join(dir, 'config.json') };
  writeFileSync(files.issuer, authority.issuerPem);
  writeFileSync(files.key, authority.issuerKeyPem!, { mode: 0o600 });
  writeFileSync(files.config, JSON.stringify(cfsslConfig(authKeyHex)), { mode: 0o600 });
  createDatabase(databaseFile(dir));
  const anchors = readFileSync(tls.certificateFile, 'utf8');

  const serve = async (synchronous: string) => {
    const port = await freePort();
    const target = { host, port, tlsAnchorsPem: anchors };
    const databaseConfig = join(dir, `database-${synchronous}.json`);
    writeFileSync(databaseConfig, JSON.stringify(cfsslDatabase(databaseFile(dir), synchronous)));
    const args = ['serve', '-address', host, '-port', String(port), '-loglevel', errorsOnly];
    args.push('-ca', files.issuer, '-ca-key', files.key, '-config', files.config, '-db-config', databaseConfig);
    args.push('-tls-cert', tls.certificateFile, '-tls-key', tls.privateKeyFile);
    const server = await startServerProcess({ path: peer.path, args, cwd: dir, target });
    return { target, server, dialect: { kind: 'cfssl', head: signHead(port), authKeyHex } as const };
  };

  const isHonoured = await refusesUnknownSetting(await serve('unheard-of'));
  const { dialect, server, target } = await serve('FULL');
  return {
    target,
    dialect,
    processes: [{ name: 'cfssl', pid: server.pid }],
    issuerPem: authority.issuerPem,
    durability: () => durabilityOf(databaseFile(dir), isHonoured),
    stop: server.stop,
  };
}

/** `-loglevel` of cfssl: 3 is errors; at its default of 1 it writes three lines a request. */
const errorsOnly = '3';

function signHead(port: number): string {
  return [`POST ${signPath} HTTP/1.1`, `host: ${host}:${port}`, 'content-type: application/json', ''].join('\r\n');
}

/** The signing policy: one profile, whose requests carry a token made with the key. */
export function cfsslConfig(authKeyHex: string): object {
  return {
    signing: {
      default: { auth_key: 'bench', expiry: '2160h', usages: ['digital signature', 'server auth', 'client auth'] },
    },
    auth_keys: { bench: { type: 'standard', key: authKeyHex } },
  };
}

const busyMsMax = 30_000;

/** The parameters are those of go-sqlite3, which sets them on each of its connections. */
export function cfsslDatabase(file: string, synchronous: string): object {
  const parameters = `_journal_mode=WAL&_synchronous=${synchronous}&_busy_timeout=${busyMsMax}`;
  return { driver: 'sqlite3', data_source: `file:${file}?${parameters}` };
}

function createDatabase(file: string): void {
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA journal_mode = WAL; ${schema}`);
  database.close();
}

/**
 * `synchronous` is a connection's own and cannot be asked for from outside. A server that refuses to open its database
 * with a value that does not exist has read the parameter, and does not fall back to the NORMAL it has without it.
 */
async function refusesUnknownSetting(probe: {
  readonly target: Target;
  readonly dialect: Dialect;
  readonly server: { stop(): Promise<void> };
}): Promise<boolean> {
  try {
    const connection = await openConnection(probe.target);
    const [request] = wholeRequests(probe.dialect, [prepareRequest('probe', 0)]);
    const { body, status } = await connection.send(request!);
    connection.close();
    return status !== successStatus.cfssl && body.includes('Invalid _synchronous');
  } finally {
    await probe.server.stop();
  }
}

function durabilityOf(file: string, isHonoured: boolean): Durability {
  const mode = withDatabase(file, (database) => Object.values(database.prepare('PRAGMA journal_mode').get() ?? {})[0]);
  const synchronous = isHonoured
    ? 'FULL (a value that does not exist is refused)'
    : 'UNKNOWN: the parameter is ignored';
  return { isSynced: isHonoured, settings: `journal ${mode}, synchronous ${synchronous}` };
}

function countRecorded(dir: string): number {
  const statement = "SELECT count(*) AS count FROM certificates WHERE status = 'good'";
  return withDatabase(databaseFile(dir), (database) => Number(database.prepare(statement).get()?.count));
}

function withDatabase<T>(file: string, read: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(file);
  try {
    return read(database);
  } finally {
    database.close();
  }
}
