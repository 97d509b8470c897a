/**
 * The tables of the first version, by what they are of. Released, and so never edited: what has changed since is in `later.ts`.
 *
 * An issuance's row is kept short, since every move rewrites it: what is written once (the request, the intent, the
 * certificate) has tables of its own under the same key, whose rows are appended and not touched again.
 */

const issuanceTables = `
CREATE TABLE issuances (
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
  revocation_reason TEXT,
  UNIQUE (request_id, ordinal)
) STRICT;
CREATE INDEX unsettled_issuances ON issuances (state, state_at, ca_id)
  WHERE state IN ('received', 'approved', 'intended', 'submitted', 'orphan-suspected', 'misissued');

CREATE TABLE requests (
  issuance INTEGER PRIMARY KEY,
  principal TEXT NOT NULL,
  credential_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  fleet TEXT NOT NULL,
  profile TEXT NOT NULL,
  key_type TEXT NOT NULL,
  scope TEXT NOT NULL,
  names TEXT NOT NULL,
  csr BLOB NOT NULL,
  csr_sha256 TEXT NOT NULL,
  spki_sha256 TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  predecessor TEXT
) STRICT;

CREATE TABLE intents (
  issuance INTEGER PRIMARY KEY,
  document TEXT NOT NULL,
  tbs BLOB
) STRICT;

CREATE TABLE certificates (
  issuance INTEGER PRIMARY KEY,
  der BLOB NOT NULL,
  not_before INTEGER,
  not_after INTEGER,
  fingerprint TEXT,
  spki_sha256 TEXT
) STRICT;
CREATE INDEX certificates_by_fingerprint ON certificates (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX certificates_by_key ON certificates (spki_sha256) WHERE spki_sha256 IS NOT NULL;

CREATE TABLE certificate_names (
  name TEXT NOT NULL,
  issuance INTEGER NOT NULL,
  PRIMARY KEY (name, issuance)
) STRICT, WITHOUT ROWID;

CREATE TABLE serials (
  ca_id TEXT NOT NULL,
  serial TEXT NOT NULL,
  issuance INTEGER NOT NULL,
  PRIMARY KEY (ca_id, serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
  change INTEGER PRIMARY KEY,
  issuance INTEGER NOT NULL,
  at INTEGER NOT NULL,
  from_state TEXT,
  to_state TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX history_by_issuance ON history (issuance);
CREATE TRIGGER history_is_not_changed BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER history_is_not_deleted BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
`;

const holdAndCounterTables = `
CREATE TABLE name_holds (
  name TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  spki_sha256 TEXT NOT NULL,
  held_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE name_releases (
  release INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  owner TEXT NOT NULL,
  spki_sha256 TEXT NOT NULL,
  held_at INTEGER NOT NULL,
  released_at INTEGER NOT NULL
) STRICT;
CREATE TABLE public_keys (
  spki_sha256 TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  held_at INTEGER NOT NULL,
  compromised_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE crl_slots (
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  slot_next INTEGER NOT NULL,
  PRIMARY KEY (ca_id, generation)
) STRICT, WITHOUT ROWID;
CREATE TABLE counters (
  ca_id TEXT NOT NULL,
  dimension TEXT NOT NULL,
  value TEXT NOT NULL,
  bucket_ms INTEGER NOT NULL,
  bucket_start INTEGER NOT NULL,
  issued INTEGER NOT NULL,
  revoked INTEGER NOT NULL,
  PRIMARY KEY (ca_id, dimension, value, bucket_ms, bucket_start)
) STRICT, WITHOUT ROWID;
`;

const callerAndAuthorityTables = `
CREATE TABLE credentials (
  id TEXT PRIMARY KEY,
  principal TEXT NOT NULL,
  owner TEXT NOT NULL,
  fleet TEXT NOT NULL,
  profiles TEXT NOT NULL,
  names TEXT NOT NULL,
  count_max INTEGER NOT NULL,
  used INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  sha256 TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE operators (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  roles TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  sha256 TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE operator_log (
  entry INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  operator_id TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  outcome TEXT NOT NULL
) STRICT;
CREATE TRIGGER operator_log_is_not_changed BEFORE UPDATE ON operator_log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER operator_log_is_not_deleted BEFORE DELETE ON operator_log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TABLE authorities (
  ca_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  tier TEXT NOT NULL,
  parent TEXT,
  backend TEXT NOT NULL,
  backend_ref TEXT NOT NULL,
  certificate BLOB NOT NULL,
  chain TEXT NOT NULL,
  spki_sha256 TEXT NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  installed_at INTEGER NOT NULL,
  PRIMARY KEY (ca_id, generation)
) STRICT;
CREATE TABLE authority_controls (
  ca_id TEXT PRIMARY KEY,
  frozen INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  changed_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

const queueTables = `
CREATE TABLE queues (
  queue INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  message_next INTEGER NOT NULL
) STRICT;
CREATE TABLE messages (
  queue INTEGER NOT NULL,
  message INTEGER NOT NULL,
  body TEXT NOT NULL,
  sent_at INTEGER NOT NULL,
  visible_at INTEGER NOT NULL,
  receive_count INTEGER NOT NULL DEFAULT 0,
  delivery INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  dead_letter TEXT,
  PRIMARY KEY (queue, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_by_visibility ON messages (queue, visible_at);
`;

export const firstTables = issuanceTables + holdAndCounterTables + callerAndAuthorityTables + queueTables;
