/** What each version changed since the first, in order. Never edited once released; a new one is appended. */

/** A certificate whose serial the ledger does not have is found by its ticket: the ARN that ACM PCA answered. */
const auditTables = `
CREATE INDEX tickets_without_serial ON issuances (ticket) WHERE ticket IS NOT NULL AND serial IS NULL;
CREATE TABLE audit_reports (
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  report_id TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  status TEXT NOT NULL,
  considered_through INTEGER NOT NULL,
  PRIMARY KEY (ca_id, generation)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_deferrals (
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  begin_after INTEGER NOT NULL,
  PRIMARY KEY (ca_id, generation)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_comparisons (
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (ca_id, generation)
) STRICT;
`;

/** Dead letters are few among many messages, and found by their place, or by their body when it is given up again. */
const deadLetterIndexes = `
CREATE INDEX dead_letters ON messages (queue, message) WHERE dead_letter IS NOT NULL;
CREATE INDEX dead_letters_by_body ON messages (queue, body) WHERE dead_letter IS NOT NULL;
`;

const permitTables = `
CREATE TABLE permit_budgets (
  budget TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

/** Each certificate once in each dimension: the counters by their definition, from the records. */
const countedRecords = `
  SELECT i.ca_id, d.dimension, CASE d.dimension WHEN 'total' THEN '' WHEN 'owner' THEN r.owner WHEN 'fleet' THEN r.fleet
      WHEN 'profile' THEN r.profile WHEN 'keyType' THEN r.key_type ELSE r.credential_id END AS value,
    CASE WHEN c.not_after - c.not_before <= 604800000 THEN 3600000 ELSE 86400000 END AS bucket_ms, c.not_after,
    i.state = 'revoked' AS is_revoked
  FROM issuances i JOIN requests r ON r.issuance = i.issuance JOIN certificates c ON c.issuance = i.issuance
    CROSS JOIN (SELECT 'total' AS dimension UNION ALL SELECT 'owner' UNION ALL SELECT 'fleet' UNION ALL SELECT 'profile'
      UNION ALL SELECT 'keyType' UNION ALL SELECT 'credential') d
  WHERE i.state IN ('issued', 'revoked')`;

/**
 * Counters by credential too, with the bounds of notAfter in each. `counted_values` has the sums of each value, so that the
 * blast radius never reads a past bucket: `standing` is issued less revoked, less what expired up to the mark of its bucket
 * size in `counter_marks`, the last counter that was taken off. `contact_samples` has the contacts of some devices of each fleet.
 */
const inventoryTables = `
DROP TABLE counters;
CREATE TABLE counters (
  ca_id TEXT NOT NULL,
  dimension TEXT NOT NULL,
  value TEXT NOT NULL,
  bucket_ms INTEGER NOT NULL,
  bucket_start INTEGER NOT NULL,
  issued INTEGER NOT NULL,
  revoked INTEGER NOT NULL,
  not_after_first INTEGER NOT NULL,
  not_after_last INTEGER NOT NULL,
  PRIMARY KEY (ca_id, dimension, value, bucket_ms, bucket_start)
) STRICT, WITHOUT ROWID;
INSERT INTO counters SELECT ca_id, dimension, value, bucket_ms, not_after - not_after % bucket_ms, count(*),
    sum(is_revoked), min(not_after), max(not_after) FROM (${countedRecords}) GROUP BY 1, 2, 3, 4, 5;
CREATE INDEX counters_by_bucket ON counters (ca_id, bucket_ms, bucket_start, dimension, value);
CREATE TABLE counted_values (
  ca_id TEXT NOT NULL,
  dimension TEXT NOT NULL,
  value TEXT NOT NULL,
  issued INTEGER NOT NULL,
  revoked INTEGER NOT NULL,
  standing INTEGER NOT NULL,
  PRIMARY KEY (ca_id, dimension, value)
) STRICT, WITHOUT ROWID;
INSERT INTO counted_values SELECT ca_id, dimension, value, sum(issued), sum(revoked), sum(issued - revoked)
  FROM counters GROUP BY 1, 2, 3;
CREATE INDEX counted_values_by_standing ON counted_values (ca_id, dimension, standing DESC, value);
CREATE TABLE counter_marks (
  ca_id TEXT NOT NULL,
  bucket_ms INTEGER NOT NULL,
  bucket_start INTEGER NOT NULL,
  dimension TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (ca_id, bucket_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE contact_fleets (
  fleet_row INTEGER PRIMARY KEY,
  ca_id TEXT NOT NULL,
  fleet TEXT NOT NULL,
  one_in INTEGER NOT NULL,
  devices INTEGER NOT NULL,
  UNIQUE (ca_id, fleet)
) STRICT;
CREATE TABLE contact_samples (
  fleet_row INTEGER NOT NULL,
  place INTEGER NOT NULL,
  owner TEXT NOT NULL,
  credential_id TEXT NOT NULL,
  not_after INTEGER NOT NULL,
  contacts BLOB NOT NULL,
  PRIMARY KEY (fleet_row, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_samples_by_owner ON contact_samples (owner, place);
CREATE INDEX contact_samples_by_credential ON contact_samples (credential_id, place);
`;

/** Certificates to be revoked at their CA; numbers of CRLs; revoked certificates by the shard of their CRL. */
const revocationTables = `
CREATE TABLE revocation_intents (
  issuance_id TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  by_operator TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE crl_numbers (
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (ca_id, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_by_shard ON issuances (ca_id, generation, crl_shard) WHERE state = 'revoked';
`;

/** Until when the CRL of a shard is good that was published last, and how many revoked certificates it had to list. */
const crlPublications = `
CREATE TABLE crl_publications (
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  shard INTEGER NOT NULL,
  next_update INTEGER NOT NULL,
  revoked INTEGER NOT NULL,
  PRIMARY KEY (ca_id, generation, shard)
) STRICT, WITHOUT ROWID;
`;

/**
 * Revoked certificates that no CRL had to list yet, in the place of how many it had. The statement that revokes is the one that
 * writes `revoked_at`: no other move pays for the trigger.
 */
const crlChanges = `
DROP TABLE crl_publications;
CREATE TABLE crl_publications (
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  shard INTEGER NOT NULL,
  next_update INTEGER NOT NULL,
  PRIMARY KEY (ca_id, generation, shard)
) STRICT, WITHOUT ROWID;
CREATE TABLE crl_changes (
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  shard INTEGER NOT NULL,
  issuance INTEGER NOT NULL,
  PRIMARY KEY (ca_id, generation, shard, issuance)
) STRICT, WITHOUT ROWID;
INSERT INTO crl_changes SELECT ca_id, generation, crl_shard, issuance FROM issuances
  WHERE state = 'revoked' AND crl_shard IS NOT NULL;
CREATE TRIGGER revoked_is_new AFTER UPDATE OF revoked_at ON issuances
  WHEN NEW.state = 'revoked' AND NEW.crl_shard IS NOT NULL
BEGIN
  INSERT INTO crl_changes VALUES (NEW.ca_id, NEW.generation, NEW.crl_shard, NEW.issuance) ON CONFLICT DO NOTHING;
END;
`;

/**
 * Indexes that are filled late (`late-indexes.ts`), as tables: up to the change of the history that `index_mark` says. `unindexed`
 * are the certificates that came after it.
 */
const lateIndexes = `
CREATE TABLE certificate_fingerprints (
  fingerprint TEXT NOT NULL,
  issuance INTEGER NOT NULL,
  PRIMARY KEY (fingerprint, issuance)
) STRICT, WITHOUT ROWID;
CREATE TABLE certificate_keys (
  spki_sha256 TEXT NOT NULL,
  issuance INTEGER NOT NULL,
  PRIMARY KEY (spki_sha256, issuance)
) STRICT, WITHOUT ROWID;
INSERT INTO certificate_fingerprints SELECT fingerprint, issuance FROM certificates WHERE fingerprint IS NOT NULL ORDER BY 1;
INSERT INTO certificate_keys SELECT spki_sha256, issuance FROM certificates WHERE spki_sha256 IS NOT NULL ORDER BY 1;
DROP INDEX certificates_by_fingerprint;
DROP INDEX certificates_by_key;
CREATE TABLE index_mark (mark INTEGER PRIMARY KEY CHECK (mark = 1), change INTEGER NOT NULL) STRICT;
INSERT INTO index_mark SELECT 1, coalesce(max(change), 0) FROM history;
CREATE VIEW unindexed AS SELECT issuance FROM history
  WHERE change > (SELECT coalesce(max(change), 0) FROM index_mark) AND to_state = 'issued';
`;

/**
 * One table for what was looked up by the same key in two: who holds a name, and which certificates have it; whose a key is, and its
 * certificates. They have a row of every issuance that was approved, so that what it leads to has to be looked at; `held_at` is the
 * holder's. A digest is there with its first 8 bytes, which makes an entry a quarter as long: who looks for one holds the whole against
 * the record. In the order of their keys, as an index is that is made at once; CROSS JOIN, so that no planner goes by owners.
 */
const sharedIndexes = `
CREATE TABLE issuances_by_name (
  name TEXT NOT NULL,
  issuance INTEGER NOT NULL,
  held_at INTEGER,
  PRIMARY KEY (name, issuance)
) STRICT, WITHOUT ROWID;
INSERT INTO issuances_by_name SELECT name, issuance, max(held_at) FROM (
    SELECT name, issuance, NULL AS held_at FROM certificate_names
    UNION ALL SELECT h.name, r.issuance, CASE row_number() OVER (PARTITION BY h.name ORDER BY r.issuance) WHEN 1 THEN h.held_at END
      FROM requests r CROSS JOIN json_each(r.names) n
      CROSS JOIN name_holds h ON h.name = n.value AND h.owner = r.owner AND h.spki_sha256 = r.spki_sha256)
  GROUP BY name, issuance ORDER BY name, issuance;
CREATE TABLE issuances_by_key (
  spki_sha256_start BLOB NOT NULL,
  issuance INTEGER NOT NULL,
  PRIMARY KEY (spki_sha256_start, issuance)
) STRICT, WITHOUT ROWID;
INSERT INTO issuances_by_key SELECT unhex(substr(spki_sha256, 1, 16)) AS start, issuance FROM (
    SELECT spki_sha256, issuance FROM certificate_keys
    UNION SELECT r.spki_sha256, r.issuance FROM requests r
      CROSS JOIN public_keys k ON k.spki_sha256 = r.spki_sha256 AND k.owner = r.owner)
  ORDER BY start, issuance;
CREATE TABLE compromised_keys (
  spki_sha256 TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  compromised_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO compromised_keys SELECT spki_sha256, owner, compromised_at FROM public_keys WHERE compromised_at IS NOT NULL;
CREATE TABLE issuances_by_fingerprint (
  fingerprint_start BLOB NOT NULL,
  issuance INTEGER NOT NULL,
  PRIMARY KEY (fingerprint_start, issuance)
) STRICT, WITHOUT ROWID;
INSERT INTO issuances_by_fingerprint SELECT unhex(substr(fingerprint, 1, 16)) AS start, issuance
  FROM certificate_fingerprints ORDER BY start, issuance;
DROP TABLE certificate_names;
DROP TABLE name_holds;
DROP TABLE certificate_keys;
DROP TABLE public_keys;
DROP TABLE certificate_fingerprints;
`;

/**
 * That a request has each ordinal once is seen to by the only writer there is (`ledger.ts`): an index that SQLite keeps for it takes
 * each entry at once. With an index in its place that is filled late, the table is what it was.
 */
const requestIndex = `
CREATE TABLE issuances_by_request (
  request_id_start TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  issuance INTEGER NOT NULL,
  PRIMARY KEY (request_id_start, ordinal, issuance)
) STRICT, WITHOUT ROWID;
INSERT INTO issuances_by_request SELECT substr(request_id, 1, 11) AS start, ordinal, issuance FROM issuances
  ORDER BY start, ordinal;
CREATE TABLE issuances_next (
  issuance INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  state TEXT NOT NULL,
  state_at INTEGER NOT NULL,
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  policy_version TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  dropped_extensions TEXT,
  crl_shard INTEGER,
  ticket TEXT,
  serial TEXT,
  violations TEXT,
  last_error TEXT,
  adopted INTEGER,
  revoked_at INTEGER,
  revocation_reason TEXT
) STRICT;
INSERT INTO issuances_next SELECT * FROM issuances ORDER BY issuance;
DROP TABLE issuances;
ALTER TABLE issuances_next RENAME TO issuances;
CREATE INDEX unsettled_issuances ON issuances (state, state_at, ca_id)
  WHERE state IN ('received', 'approved', 'intended', 'submitted', 'orphan-suspected', 'misissued');
CREATE INDEX tickets_without_serial ON issuances (ticket) WHERE ticket IS NOT NULL AND serial IS NULL;
CREATE INDEX revoked_by_shard ON issuances (ca_id, generation, crl_shard) WHERE state = 'revoked';
CREATE TRIGGER revoked_is_new AFTER UPDATE OF revoked_at ON issuances
  WHEN NEW.state = 'revoked' AND NEW.crl_shard IS NOT NULL
BEGIN
  INSERT INTO crl_changes VALUES (NEW.ca_id, NEW.generation, NEW.crl_shard, NEW.issuance) ON CONFLICT DO NOTHING;
END;
`;

/**
 * SQLite looks a state up in a list by making a table of the list, each time a row is written; of these comparisons the first says it of
 * nearly every row.
 */
const unsettledIndex = `
DROP INDEX unsettled_issuances;
CREATE INDEX unsettled_issuances ON issuances (state, state_at, ca_id)
  WHERE state <> 'issued' AND state <> 'revoked' AND state <> 'rejected' AND state <> 'failed' AND state <> 'lapsed';
`;

export const laterChanges: readonly string[] = [
  auditTables,
  deadLetterIndexes,
  permitTables,
  inventoryTables,
  revocationTables,
  'CREATE INDEX requests_by_predecessor ON requests (predecessor) WHERE predecessor IS NOT NULL;',
  crlPublications,
  'CREATE INDEX requests_by_owner ON requests (owner, fleet);',
  crlChanges,
  lateIndexes,
  sharedIndexes,
  requestIndex,
  unsettledIndex,
];
