import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { createContactNotes } from '../../shared/adapters/sqlite/contact-samples.ts';
import { createCounters } from '../../shared/adapters/sqlite/counters.ts';

/**
 * Certificates in a ledger that is closed, many a second: rows without a history, but counters and contacts by the very code that
 * the ledger counts with. A recount and a count of the rows say whether they are what they should be.
 */
export interface CertificatesSought {
  readonly rows: number;
  readonly owners: number;
  /** The instant that most of them are still valid at. */
  readonly at: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const fleets = 40;
const batch = 25_000;
const keyTypes = ['P-256', 'P-384', 'RSA-2048', 'Ed25519'];

/** Lifetimes, how often each, the CA and the profile. */
const kinds = [
  { share: 0.35, lifetimeMs: 365 * dayMs, caId: 'devices', profile: 'device' },
  { share: 0.25, lifetimeMs: 90 * dayMs, caId: 'devices', profile: 'device' },
  { share: 0.15, lifetimeMs: 90 * dayMs, caId: 'workloads', profile: 'service' },
  { share: 0.1, lifetimeMs: 7 * dayMs, caId: 'edge', profile: 'edge' },
  { share: 0.1, lifetimeMs: dayMs, caId: 'edge', profile: 'edge' },
  { share: 0.05, lifetimeMs: hourMs, caId: 'workloads', profile: 'svid' },
];

/** Uniform in [0, 1), the same for the same two numbers. */
function draw(n: number, what: number): number {
  let x = Math.imul(n + 1, 0x9e3779b1) ^ Math.imul(what + 1, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

export interface SeededCertificate {
  readonly caId: string;
  readonly owner: string;
  readonly fleet: string;
  readonly profile: string;
  readonly keyType: string;
  readonly credentialId: string;
  readonly name: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly revoked: boolean;
}

export function certificateAt(n: number, { owners, at }: CertificatesSought): SeededCertificate {
  const kind = kindOf(draw(n, 1));
  // Some owners have many, most have few; the first ones make sure that each is there.
  const owner = n < owners ? n : Math.floor(owners * draw(n, 2) ** 2);
  // Two thirds are valid at `at`; the others ended in the lifetime before, and lately enough to be looked at.
  const notBefore = Math.floor((at - kind.lifetimeMs * 1.5 * draw(n, 3)) / 1_000) * 1_000;
  return {
    caId: kind.caId,
    owner: `plant-${String(owner).padStart(6, '0')}`,
    fleet: `fleet-${Math.floor(fleets * draw(n, 4) ** 1.5)}`,
    profile: kind.profile,
    keyType: keyTypes[Math.floor(draw(n, 5) * keyTypes.length)]!,
    credentialId: `credential-${owner % 500}`,
    name: `dns:d${n >> 1}.fleet.example`,
    notBefore,
    notAfter: notBefore + kind.lifetimeMs,
    revoked: draw(n, 6) < 0.01,
  };
}

function kindOf(share: number) {
  let below = 0;
  for (const kind of kinds) {
    below += kind.share;
    if (share < below) return kind;
  }
  return kinds[0]!;
}

export async function seedCertificates(
  path: string,
  sought: CertificatesSought,
  onProgress: (done: number) => void,
): Promise<void> {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -200000');
  const write = createRowWriter(database);
  const counters = createCounters(database);
  const note = createContactNotes((sql) => database.prepare(sql));
  try {
    for (let from = 0; from < sought.rows; from += batch) {
      database.exec('BEGIN');
      const end = Math.min(sought.rows, from + batch);
      for (let n = from; n < end; n++) {
        const certificate = certificateAt(n, sought);
        write(n, certificate);
        counters.count('issued', certificate);
        if (certificate.revoked) counters.count('revoked', certificate);
        counters.keep();
        note({ ...certificate, at: certificate.notBefore });
      }
      counters.write();
      counters.committed();
      database.exec('COMMIT');
      onProgress(end);
      await setImmediate();
    }
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}

function createRowWriter(database: DatabaseSync): (n: number, certificate: SeededCertificate) => void {
  const addIssuance = database.prepare(`INSERT INTO issuances
    (issuance, request_id, ordinal, state, state_at, ca_id, generation, policy_version, serial, revoked_at)
    VALUES (?, ?, 1, ?, ?, ?, 1, 'seeded', ?, ?)`);
  const addRequest = database.prepare(`INSERT INTO requests (issuance, principal, credential_id, owner, fleet, profile,
    key_type, scope, names, csr, csr_sha256, spki_sha256, received_at) VALUES (?, 'p', ?, ?, ?, ?, ?, '{}', ?, ?, ?, ?, ?)`);
  const addCertificate = database.prepare(`INSERT INTO certificates
    (issuance, der, not_before, not_after, fingerprint, spki_sha256) VALUES (?, ?, ?, ?, ?, ?)`);
  const none = new Uint8Array(1);
  return (n, one) => {
    const id = String(n + 1).padStart(43, '0');
    const state = one.revoked ? 'revoked' : 'issued';
    addIssuance.run(n + 1, id, state, one.notBefore, one.caId, id, one.revoked ? one.notBefore : null);
    const { credentialId, owner, fleet, profile, keyType, name, notBefore, notAfter } = one;
    addRequest.run(n + 1, credentialId, owner, fleet, profile, keyType, `["${name}"]`, none, id, id, notBefore);
    addCertificate.run(n + 1, none, notBefore, notAfter, id, id);
  };
}
