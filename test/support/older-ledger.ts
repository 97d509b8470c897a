import { DatabaseSync } from 'node:sqlite';
import { applicationId, migrations } from '../../shared/adapters/sqlite/schema.ts';
import { dayMs, digestOf, ledgerTime } from './ledger-fixtures.ts';

/** The last version whose tables have nothing that is counted: what a certificate leaves behind is its rows alone. */
export const versionWithoutCounts = 4;

/** An issuance that was approved for names and a key of an earlier certificate, and had none yet. */
export const inFlight = 1_000_000_000;
export const renewedOf = 100;

/** A key that was reported as compromised, and that nothing was asked for with. */
export const keyOfNobody = digestOf('key of nobody');

export interface OlderCertificate {
  readonly n: number;
  readonly issuanceId: string;
  readonly fingerprint: string;
  readonly serial: string;
  readonly key: string;
  readonly name: string;
  readonly caId: string;
  readonly owner: string;
  readonly fleet: string;
  readonly profile: string;
  readonly credential: string;
  readonly notAfter: number;
  readonly isRevoked: boolean;
}

export function olderCertificate(n: number): OlderCertificate {
  const owner = `plant-${n % 7}`;
  const fleet = `fleet-${n % 5}`;
  return {
    n,
    issuanceId: `${String(n).padStart(43, '0')}.1`,
    fingerprint: digestOf(`certificate ${n}`),
    serial: digestOf(`serial ${n}`).slice(0, 32),
    key: digestOf(`key ${n >> 1}`),
    name: `dns:d${n >> 1}.fleet.example`,
    caId: n % 40 === 0 ? 'workloads' : 'devices',
    ...{ owner, fleet, credential: `of-${owner}-${fleet}` },
    profile: n % 3 === 0 ? 'service' : 'device',
    notAfter: ledgerTime + (n % 90) * dayMs,
    isRevoked: n % 50 === 0,
  };
}

/**
 * A ledger as programs up to `version` of the schema left it: rows are those that the first version wrote, and each later
 * program has made its own of them when it was first started.
 */
export function makeOlderLedger(path: string, version: number, rows: number): void {
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
    for (const migration of migrations.slice(0, versionWithoutCounts)) database.exec(migration);
    database.exec('BEGIN');
    const write = createWriter(database);
    for (let n = 1; n <= rows; n++) write(olderCertificate(n));
    database.exec('COMMIT');
    for (const migration of migrations.slice(versionWithoutCounts, version)) database.exec(migration);
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version}`);
  } finally {
    database.close();
  }
}

function createWriter(database: DatabaseSync): (certificate: OlderCertificate) => void {
  const addIssuance = database.prepare(`INSERT INTO issuances
    (issuance, request_id, ordinal, state, state_at, ca_id, generation, policy_version, serial, revoked_at, revocation_reason)
    VALUES (?, ?, 1, ?, ?, ?, 1, 'policy', ?, ?, ?)`);
  const addRequest = database.prepare(`INSERT INTO requests (issuance, principal, credential_id, owner, fleet, profile,
    key_type, scope, names, csr, csr_sha256, spki_sha256, received_at)
    VALUES (?, 'principal', ?, ?, ?, ?, 'P-256', '{}', ?, ?, ?, ?, ?)`);
  const addCertificate = database.prepare(`INSERT INTO certificates
    (issuance, der, not_before, not_after, fingerprint, spki_sha256) VALUES (?, ?, ?, ?, ?, ?)`);
  const addName = database.prepare('INSERT INTO certificate_names (name, issuance) VALUES (?, ?)');
  const addHold = database.prepare(
    'INSERT INTO name_holds (name, owner, spki_sha256, held_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const addKey = database.prepare(
    'INSERT INTO public_keys (spki_sha256, owner, held_at, compromised_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  addKey.run(keyOfNobody, 'plant-0', ledgerTime, ledgerTime);
  const addSerial = database.prepare('INSERT INTO serials (ca_id, serial, issuance) VALUES (?, ?, ?)');
  const addChange = database.prepare(
    'INSERT INTO history (issuance, at, from_state, to_state, detail) VALUES (?, ?, ?, ?, ?)',
  );
  const addCredential = database.prepare(`INSERT INTO credentials
    (id, principal, owner, fleet, profiles, names, count_max, used, created_at, expires_at, sha256)
    VALUES (?, 'principal', ?, ?, '[]', '{}', 1000, 1, 0, 0, ?) ON CONFLICT DO NOTHING`);
  const der = new Uint8Array(700);
  const renewed = olderCertificate(renewedOf);
  const renewal = [
    inFlight,
    'of-renewal'.padStart(43, '0'),
    'approved',
    ledgerTime,
    renewed.caId,
    null,
    null,
    null,
  ] as const;
  addIssuance.run(...renewal);
  const { credential: asked, fleet: renewedFleet, key: sameKey, name: sameName, owner: sameOwner } = renewed;
  addRequest.run(
    inFlight,
    asked,
    sameOwner,
    renewedFleet,
    renewed.profile,
    JSON.stringify([sameName]),
    der,
    sameKey,
    sameKey,
    ledgerTime,
  );
  addChange.run(inFlight, ledgerTime, null, 'received', '{}');
  addChange.run(inFlight, ledgerTime, 'received', 'approved', '{}');
  return (one) => {
    const { caId, credential, fleet, isRevoked, key, n, name, notAfter, owner, serial } = one;
    const revoked = isRevoked ? ([ledgerTime, 'superseded'] as const) : ([null, null] as const);
    const [requestId] = one.issuanceId.split('.') as [string, string];
    addIssuance.run(n, requestId, isRevoked ? 'revoked' : 'issued', ledgerTime, caId, serial, ...revoked);
    addRequest.run(n, credential, owner, fleet, one.profile, JSON.stringify([name]), der, key, key, ledgerTime);
    addCertificate.run(n, der, ledgerTime - 90 * dayMs, notAfter, one.fingerprint, key);
    addName.run(name, n);
    addHold.run(name, owner, key, ledgerTime - n);
    addKey.run(key, owner, ledgerTime - n, null);
    addSerial.run(caId, serial, n);
    addChange.run(n, ledgerTime, null, 'received', '{}');
    addChange.run(n, ledgerTime, 'received', 'issued', '{}');
    addCredential.run(credential, owner, fleet, credential);
  };
}
