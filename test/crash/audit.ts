/** Holds a state folder, after whatever happened to it, against itself, against the CA and against what clients were told. */
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { readIssuedCertificates } from '../../localstack/acm-pca/store.ts';
import { openSqliteReader, type SqliteReader } from '../../shared/adapters/sqlite/reader.ts';
import { openRecountView } from '../../shared/adapters/sqlite/recount-view.ts';
import type { IssuanceRecord } from '../../shared/issuance/issuance-record.ts';
import { isEdge, isPending } from '../../shared/issuance/issuance-state.ts';
import { recount } from '../../shared/issuance/recount.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import type { Told } from './kill-rounds.ts';

export interface Audit {
  readonly told: number;
  readonly issuances: number;
  readonly states: Readonly<Record<string, number>>;
  /** Leaves that the CA behind ACM PCA has signed, and those of the ledger under it. */
  readonly atAcmPca: number;
  readonly issuedByAcmPca: number;
  readonly issuedByHsm: number;
  /** Signed at the CA and not in the ledger as issued. */
  readonly onlyAtAcmPca: number;
  /** Changes to `issued`, beyond one an issuance. */
  readonly issuedTwice: number;
  readonly serialsTwice: number;
  readonly queued: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

const faultsMax = 50;

/** Issuances that the pipeline still owes an outcome. */
export function unsettledOf(ledgerPath: string): number {
  const reader = openSqliteReader(ledgerPath);
  try {
    let count = 0;
    for (const { state } of reader.issuances()) if (isPending(state)) count += 1;
    return count;
  } finally {
    reader.close();
  }
}

export async function auditState(stateDir: string, told: ReadonlyMap<string, Told>): Promise<Audit> {
  const faults: string[] = [];
  const fault = (text: string) => {
    if (faults.length < faultsMax) faults.push(text);
  };
  const ledgerPath = join(stateDir, 'ledger.sqlite');
  const reader = openSqliteReader(ledgerPath);
  try {
    const records = [...reader.issuances()];
    const states: Record<string, number> = {};
    for (const { state } of records) states[state] = (states[state] ?? 0) + 1;
    toldFaults(records, told, fault);
    requestFaults(records, fault);
    const serialsTwice = certificateFaults(records, stateDir, fault);
    const issuedTwice = historyFaults(reader, fault);
    const acmPca = acmPcaFaults(records, stateDir, fault);
    countFaults(records, ledgerPath, fault);
    await recountFaults(ledgerPath, records, fault);
    const queued = reader.queueCounts();
    // A delivery that died with its process comes back when its visibility ends, and finds its issuance settled.
    for (const [queue, count] of Object.entries(queued))
      if (count > 0 && queue.endsWith('-dead')) fault(`${count} messages are on ${queue}`);
    return { told: told.size, issuances: records.length, states, ...acmPca, issuedTwice, serialsTwice, queued, faults };
  } finally {
    reader.close();
  }
}

type Fault = (text: string) => void;

/** None lost: whatever a client was told of has an outcome, for the key that it sent. */
function toldFaults(records: readonly IssuanceRecord[], told: ReadonlyMap<string, Told>, fault: Fault): void {
  const byId = new Map(records.map((record) => [record.issuanceId, record]));
  for (const [issuanceId, { spkiSha256, profile, expectRefusal }] of told) {
    const record = byId.get(issuanceId);
    if (record === undefined) {
      fault(`${issuanceId} was answered 202 and is not in the ledger`);
      continue;
    }
    const wanted = expectRefusal ? 'rejected' : 'issued';
    if (record.state !== wanted)
      fault(
        `${issuanceId} (${profile}) is ${record.state}, not ${wanted}: ${JSON.stringify(record.lastError ?? null)}`,
      );
    if (record.spkiSha256 !== spkiSha256) fault(`${issuanceId} has another key than was sent`);
  }
}

/** No request was taken in twice. */
function requestFaults(records: readonly IssuanceRecord[], fault: Fault): void {
  const ordinals = Map.groupBy(records, ({ requestId }) => requestId);
  for (const [requestId, same] of ordinals)
    if (same.length > 1) fault(`request ${requestId} has ${same.length} issuances`);
  for (const [csr, same] of Map.groupBy(records, ({ csrSha256 }) => csrSha256))
    if (same.length > 1) fault(`the request of digest ${csr} was received ${same.length} times`);
}

/** What was issued is a certificate for the key that was sent, signed by its CA, with a serial and bytes of its own. */
function certificateFaults(records: readonly IssuanceRecord[], stateDir: string, fault: Fault): number {
  const serials = new Set<string>();
  const fingerprints = new Set<string>();
  const issuers = issuersOf(stateDir);
  let twice = 0;
  for (const record of records) {
    if (record.state !== 'issued') continue;
    const { issuanceId, caId, certificateDer, serial, fingerprint, spkiSha256, notAfter } = record;
    if (certificateDer === undefined || serial === undefined || fingerprint === undefined || notAfter === undefined) {
      fault(`${issuanceId} is issued without its certificate`);
      continue;
    }
    if (serials.has(`${caId}#${serial}`)) {
      twice += 1;
      fault(`serial ${serial} of ${caId} is in two certificates`);
    }
    serials.add(`${caId}#${serial}`);
    if (fingerprints.has(fingerprint)) fault(`fingerprint ${fingerprint} is of two issuances`);
    fingerprints.add(fingerprint);
    const certificate = new X509Certificate(certificateDer);
    if (sha256Hex(certificateDer) !== fingerprint) fault(`${issuanceId}: the fingerprint is not the certificate's`);
    if (
      createHash('sha256')
        .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
        .digest('hex') !== spkiSha256
    )
      fault(`${issuanceId}: the certificate has another key`);
    if (BigInt(`0x${certificate.serialNumber}`) !== BigInt(`0x${serial}`)) fault(`${issuanceId}: another serial`);
    if (!issuers.get(caId)!.some((issuer) => certificate.verify(issuer.publicKey)))
      fault(`${issuanceId}: the signature does not verify under ${caId}`);
  }
  return twice;
}

function issuersOf(stateDir: string): ReadonlyMap<string, readonly X509Certificate[]> {
  const rows = readRows(join(stateDir, 'ledger.sqlite'), 'SELECT ca_id, certificate FROM authorities');
  const issuers = new Map<string, X509Certificate[]>();
  for (const row of rows)
    issuers.set(String(row.ca_id), [
      ...(issuers.get(String(row.ca_id)) ?? []),
      new X509Certificate(row.certificate as Uint8Array),
    ]);
  return issuers;
}

function readRows(path: string, sql: string): readonly Readonly<Record<string, unknown>>[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}

/** Every change is an edge of the table, begins where the last one ended, and only one of them issued. */
function historyFaults(reader: SqliteReader, fault: Fault): number {
  let twice = 0;
  for (const { issuanceId, changes } of reader.histories()) {
    let before: (typeof changes)[number]['from'];
    for (const { from, to } of changes) {
      if (from !== before) fault(`${issuanceId}: a change from ${from} where it was ${before}`);
      if (from !== undefined && !isEdge(from, to)) fault(`${issuanceId}: ${from} to ${to} is no edge`);
      before = to;
    }
    const issued = changes.filter(({ to }) => to === 'issued').length;
    if (issued > 1) fault(`${issuanceId} was issued ${issued} times`);
    twice += Math.max(0, issued - 1);
    if (changes.filter(({ to }) => to === 'intended').length > 1) fault(`${issuanceId} was intended more than once`);
  }
  return twice;
}

/** None twice: the CA behind ACM PCA has signed what the ledger says, and nothing else. */
function acmPcaFaults(records: readonly IssuanceRecord[], stateDir: string, fault: Fault) {
  const issued = records.filter(({ state }) => state === 'issued');
  const devices = new Map(
    issued.filter(({ caId }) => caId === 'devices').map((record) => [record.fingerprint!, record]),
  );
  const leaves = [...readIssuedCertificates(join(stateDir, 'acm-pca'))].filter(({ templateName }) =>
    templateName.includes('EndEntity'),
  );
  const keys = new Map<string, number>();
  let onlyAtAcmPca = 0;
  for (const { der, failure, csrSha256, serialHex } of leaves) {
    if (der === undefined) {
      fault(`the CA failed an issuance: ${failure}`);
      continue;
    }
    keys.set(csrSha256, (keys.get(csrSha256) ?? 0) + 1);
    if (devices.delete(sha256Hex(der))) continue;
    onlyAtAcmPca += 1;
    fault(`certificate ${serialHex} is at the CA and not issued in the ledger`);
  }
  for (const [csr, count] of keys) if (count > 1) fault(`the CA signed the request of digest ${csr} ${count} times`);
  for (const { issuanceId } of devices.values()) fault(`${issuanceId} is issued in the ledger and not at the CA`);
  const issuedByAcmPca = issued.filter(({ caId }) => caId === 'devices').length;
  return { atAcmPca: leaves.length, issuedByAcmPca, issuedByHsm: issued.length - issuedByAcmPca, onlyAtAcmPca };
}

/** Credentials have counted each issuance once. */
function countFaults(records: readonly IssuanceRecord[], ledgerPath: string, fault: Fault): void {
  const used = readRows(ledgerPath, 'SELECT sum(used) AS used FROM credentials')[0]?.used;
  if (used !== records.length) fault(`credentials count ${String(used)} issuances; the ledger has ${records.length}`);
}

/** Every counter and every sum is what the records make it. */
async function recountFaults(ledgerPath: string, records: readonly IssuanceRecord[], fault: Fault): Promise<void> {
  const source = { open: async () => ({ consistent: true, view: openRecountView(ledgerPath) }) };
  const random = (bytes: number): Uint8Array => randomBytes(bytes);
  const found = await recount({ source, random, pause: async () => undefined });
  for (const { caId, dimension, value, bucketStart, counted, recounted } of found.differences)
    fault(
      `the counter of ${caId} ${dimension} ${value} at ${bucketStart} says ${JSON.stringify(counted)}; ${JSON.stringify(recounted)} are there`,
    );
  for (const { caId, dimension, value } of found.sumDifferences)
    fault(`the sums of ${caId} ${dimension} ${value} are not those of its counters`);
  const issued = records.filter(({ state }) => state === 'issued' || state === 'revoked').length;
  if (found.certificates !== issued)
    fault(`a recount finds ${found.certificates} certificates, the ledger has ${issued}`);
}
