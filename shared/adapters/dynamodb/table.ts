/**
 * The one table: its keys, its indexes, and the definition that serverless.yml's resource is held against. Every partition
 * that a busy issuer, day or state would make hot is split over shards (1,000 WCU a partition; a starved index throttles
 * the table). The number of shards is part of the data: fewer or more means rewriting what is there. docs/data-model.md
 * has each access with its key and its cost.
 */
import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import { parseIssuanceId } from '../../issuance/ids.ts';
import type { IssuanceState } from '../../issuance/issuance-state.ts';
import { sha256Hex } from '../../pki/hash.ts';
import type { Item } from './items.ts';
import { text } from './items.ts';

/** Shards of the index of unsettled issuances, for each state. */
export const unsettledShards = 8;
/** Shards of the index by issuer and notAfter, for each CA. */
export const issuerShards = 16;
/** Shards of the index by owner, fleet and notAfter, for each owner. */
export const ownerShards = 8;
/** Shards of the counters of one CA. A transaction that meets another on one item is cancelled: few meet among 16. */
export const counterShards = 16;
/** Shards of the freeze fence of one CA: a transaction's condition on an item conflicts like a write of it. */
export const fenceShards = 16;

/** Sort keys by shard, as two digits. */
export function shardText(shard: number): string {
  return String(shard).padStart(2, '0');
}

/** The shard of a text, always the same: FNV-1a, 32 bits (draft-eastlake-fnv). */
export function shardOf(key: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  // The low bits of FNV-1a are weak in the last characters: the high half is folded in.
  return ((hash ^ (hash >>> 15)) >>> 0) % shards;
}

const partMax = 512;

/**
 * A text as one part of a key: `#` ends a part, so it is escaped, and a text too long for a key (2,048 bytes of partition
 * key, 1,024 of sort key) is named by its digest. Two texts never have one part.
 */
export function keyPart(value: string): string {
  if (Buffer.byteLength(value) > partMax) return `%sha256:${sha256Hex(new TextEncoder().encode(value))}`;
  return value.replaceAll('%', '%25').replaceAll('#', '%23');
}

export function partOfKey(part: string): string {
  return part.replaceAll('%23', '#').replaceAll('%25', '%');
}

/** Sorts before every character that a `valueText` has. */
export const afterValue = '\u0001';

/**
 * A value as the beginning of a sort key, in the order of its octets, whatever follows it: the three least characters are
 * escaped. One too long is named by its digest.
 */
export function valueText(value: string): string {
  if (Buffer.byteLength(value) > partMax) return `V%sha256:${sha256Hex(new TextEncoder().encode(value))}`;
  return `V${value.replace(/[\u0000-\u0002]/g, (c) => `\u0002${String.fromCharCode(c.charCodeAt(0) + 3)}`)}`;
}

export interface Key {
  readonly PK: string;
  readonly SK: string;
}

export function keyItem({ PK, SK }: Key): Item {
  return { PK: text(PK), SK: text(SK) };
}

/** One text for a key, to look up by. No sort key of ours has a line feed. */
export function keyText({ PK, SK }: Key): string {
  return `${SK}\n${PK}`;
}

/** A time as text that sorts as it does: 15 digits hold every millisecond until the year 33658. */
export function timeText(at: number): string {
  return String(Math.max(0, Math.floor(at))).padStart(15, '0');
}

/** Partitions that hold a list. */
export const listPartitions = {
  credentials: 'L#CREDENTIAL',
  operatorLog: 'L#OPERATOR-LOG',
  authorities: 'L#AUTHORITY',
  comparisons: 'L#COMPARISON',
  revocations: 'L#REVOCATION',
} as const;

const ordinalText = (ordinal: number) => String(ordinal).padStart(9, '0');

/** `undefined` for a text that is no issuance id. All parts of all ordinals of a request are in one partition. */
export function issuanceKey(issuanceId: string, part: string): Key | undefined {
  const id = parseIssuanceId(issuanceId);
  return id === undefined ? undefined : { PK: `I#${id.requestId}`, SK: `${ordinalText(id.ordinal)}#${part}` };
}

export const keys = {
  /** What every move rewrites; kept under 1 KB. */
  record: (issuanceId: string) => issuanceKey(issuanceId, 'REC'),
  /** What was asked, written once at `received`. Sorts after `REC`, so that the two newest items are the current record. */
  request: (issuanceId: string) => issuanceKey(issuanceId, 'REQ'),
  /** A template intent, written once; `round` counts the intents of an issuance. */
  templateIntent: (issuanceId: string, round: number) => issuanceKey(issuanceId, `INT#${round}`),
  /** A certificate that is withheld (`misissued`). */
  withheld: (issuanceId: string) => issuanceKey(issuanceId, 'BAD'),
  /** The newest items of a request first are the parts of its highest ordinal. */
  requestPartition: (requestId: string) => `I#${requestId}`,

  holder: (name: string): Key => ({ PK: `N#${keyPart(name)}`, SK: 'HOLD' }),
  release: (name: string, at: number, write: string): Key => ({
    PK: `N#${keyPart(name)}`,
    SK: `REL#${timeText(at)}#${write}`,
  }),
  /** Whose a public key is, and whether it was compromised. */
  publicKey: (spkiSha256: string): Key => ({ PK: `K#${keyPart(spkiSha256)}`, SK: 'OWNER' }),
  certificateOfKey: (spkiSha256: string, issuanceId: string): Key => ({
    PK: `K#${keyPart(spkiSha256)}`,
    SK: `I#${issuanceId}`,
  }),
  certificateOfName: (name: string, issuanceId: string): Key => ({ PK: `M#${keyPart(name)}`, SK: `I#${issuanceId}` }),
  /** The certificate itself. */
  certificate: (fingerprint: string, issuanceId: string): Key => ({ PK: `F#${fingerprint}`, SK: `I#${issuanceId}` }),
  /** A serial taken, with the `tbs` intent that took it. Sharded by its first digit, so that all can be listed in order. */
  serial: (caId: string, serial: string): Key => ({ PK: serialPartition(caId, serial.slice(0, 1)), SK: serial }),
  ticket: (ticket: string): Key => ({ PK: `T#${keyPart(ticket)}`, SK: 'TIC' }),

  /** What was counted lately and is not folded yet (`counters.ts`). */
  counterPartition: (caId: string, shard: number) => `C#${keyPart(caId)}#${shardText(shard)}`,
  /** What folded counters of a CA go by: how often they were changed, and how many values stand in each dimension. */
  counterHead: (caId: string): Key => ({ PK: `C#${keyPart(caId)}`, SK: 'HEAD' }),
  countedSumsPartition: (caId: string, dimension: string) => `C#${keyPart(caId)}#sums#${dimension}`,
  countedSums: (caId: string, dimension: string, value: string): Key => ({
    PK: keys.countedSumsPartition(caId, dimension),
    SK: valueText(value),
  }),
  countedRowsPartition: (caId: string, dimension: string) => `C#${keyPart(caId)}#rows#${dimension}`,
  /** Buckets of a value by their end, an hour's before a day's. */
  countedRow: (caId: string, dimension: string, value: string, end: number, isDay: boolean): Key => ({
    PK: keys.countedRowsPartition(caId, dimension),
    SK: `${valueText(value)}${afterValue}${timeText(end)}#${isDay ? 'd' : 'h'}`,
  }),
  /** How many devices of a fleet have their contacts kept, and which part of all that is. */
  contactFleet: (caId: string, fleet: string): Key => ({
    PK: `C#${keyPart(caId)}#contacts#${keyPart(fleet)}`,
    SK: 'FLEET',
  }),
  /** Contacts of a device, by its place. */
  contact: (caId: string, fleet: string, place: number): Key => ({
    PK: keys.contactFleet(caId, fleet).PK,
    SK: `P#${place.toString(16).padStart(12, '0')}`,
  }),
  /** What is leased and remembered of a CA is not in the partition of its freeze: a signer writes the one, never the other. */
  crlSlots: (caId: string, generation: number): Key => ({ PK: `V#${keyPart(caId)}`, SK: `SLOT#${generation}` }),
  /** Who froze or unfroze the CA last; what `isFrozen` reads. */
  control: (caId: string): Key => ({ PK: `A#${keyPart(caId)}`, SK: 'CTL' }),
  /** One shard of the fence: what the transaction of `intended` reads. */
  fence: (caId: string, shard: number): Key => ({ PK: `A#${keyPart(caId)}#${shardText(shard)}`, SK: 'CTL' }),

  /** An enrolment credential, and beside it the shares of its count (`credential-shares.ts`). */
  credential: (id: string): Key => ({ PK: `E#${keyPart(id)}`, SK: 'CRED' }),
  credentialShare: (id: string, share: number): Key => ({ PK: `E#${keyPart(id)}`, SK: `USE#${shardText(share)}` }),
  /** Whose a digest of a secret is: the id of a credential; an operator as a whole. */
  credentialOfDigest: (sha256: string): Key => ({ PK: `D#${keyPart(sha256)}`, SK: 'CRED' }),
  operatorOfDigest: (sha256: string): Key => ({ PK: `D#${keyPart(sha256)}`, SK: 'OPER' }),
  /** That the id of an operator is taken. */
  operator: (id: string): Key => ({ PK: `O#${keyPart(id)}`, SK: 'OPER' }),

  /**
   * What is listed as a whole and written by people, not by devices: one partition each (1,000 WCU) is enough. A credential's
   * has the number of its shares; an authority's is the authority.
   */
  listedCredential: (id: string): Key => ({ PK: listPartitions.credentials, SK: keyPart(id) }),
  logEntry: (at: number, write: string): Key => ({ PK: listPartitions.operatorLog, SK: `${timeText(at)}#${write}` }),
  authority: (caId: string, generation: number): Key => ({
    PK: listPartitions.authorities,
    SK: `${keyPart(caId)}#${ordinalText(generation)}`,
  }),
  comparison: (caId: string, generation: number): Key => ({
    PK: listPartitions.comparisons,
    SK: `${keyPart(caId)}#${ordinalText(generation)}`,
  }),
  /** That a certificate is to be revoked at its CA. */
  revocation: (issuanceId: string): Key => ({ PK: listPartitions.revocations, SK: keyPart(issuanceId) }),
  /** What is revoked of a CRL's shard, by serial: written with the revocation, and read as a whole. */
  revokedPartition: (caId: string, generation: number, shard: number) => `X#${keyPart(caId)}#${generation}#${shard}`,
  revokedSerial: (caId: string, generation: number, shard: number, serial: string): Key => ({
    PK: keys.revokedPartition(caId, generation, shard),
    SK: serial,
  }),
  /** What the CRLs of a generation are known by: the number of the last one, until when each shard's is good, … */
  crlPartition: (caId: string, generation: number) => `X#${keyPart(caId)}#${generation}`,
  crlNumber: (caId: string, generation: number): Key => ({ PK: keys.crlPartition(caId, generation), SK: 'NUMBER' }),
  crlPublication: (caId: string, generation: number, shard: number): Key => ({
    PK: keys.crlPartition(caId, generation),
    SK: `PUB#${ordinalText(shard)}`,
  }),
  /** … and each revoked certificate that no CRL had to list yet. */
  crlChange: (caId: string, generation: number, shard: number, serial: string): Key => ({
    PK: keys.crlPartition(caId, generation),
    SK: `NEW#${ordinalText(shard)}#${serial}`,
  }),
  auditReport: (caId: string, generation: number): Key => ({ PK: `V#${keyPart(caId)}`, SK: `REPORT#${generation}` }),
  /** Until when no report is worth asking for. */
  auditDeferral: (caId: string, generation: number): Key => ({ PK: `V#${keyPart(caId)}`, SK: `DEFER#${generation}` }),
  permits: (budgetId: string): Key => ({ PK: `P#${keyPart(budgetId)}`, SK: 'PERMIT' }),
} as const;

export function serialPartition(caId: string, firstDigit: string): string {
  return `S#${keyPart(caId)}#${firstDigit}`;
}

export const serialFirstDigits = [...'0123456789abcdef'];

/** Names of the secondary indexes and their key attributes. Each is sparse: an item without the attributes is not in it. */
export const indexes = {
  /** Issuances that are not settled, by state: `<state>#<shard>`, then stateAt. */
  unsettled: { name: 'unsettled', hash: 'uPk', range: 'uSk' },
  /** Issued certificates by CA: `<caId>#<shard>`, then notAfter. */
  byIssuer: { name: 'by-issuer', hash: 'iPk', range: 'iSk' },
  /** Issued certificates by owner: `<owner>#<shard>`, then `<fleet>#<notAfter>`. */
  byOwner: { name: 'by-owner', hash: 'oPk', range: 'oSk' },
  /**
   * Counted values by what stands of them, the most first: `<caId>#<dimension>`, then standing and value. And buckets that are
   * still to be taken off it, by their end: `<caId>#ends`, then end, dimension and value.
   */
  byStanding: { name: 'by-standing', hash: 'sPk', range: 'sSk' },
} as const;

/** Standing is written as what is missing to this, so that the most comes first. */
const standingMax = 999_999_999_999_999;

export function standingOfText(range: string): number {
  return standingMax - Number(range.slice(0, 15));
}

export const indexKeys = {
  unsettled: (state: IssuanceState, shard: number) => `${state}#${shardText(shard)}`,
  byIssuer: (caId: string, shard: number) => `${keyPart(caId)}#${shardText(shard)}`,
  byOwner: (owner: string, shard: number) => `${keyPart(owner)}#${shardText(shard)}`,
  byStanding: (caId: string, dimension: string) => `${keyPart(caId)}#${dimension}`,
  standingAndValue: (standing: number, value: string) => `${timeText(standingMax - standing)}#${valueText(value)}`,
  /** No part of a key begins with `#`: no CA is called so. */
  contactsOfOwner: (owner: string) => `#contacts#${keyPart(owner)}`,
  ends: (caId: string) => `${keyPart(caId)}#ends`,
  endAndValue: (end: number, dimension: string, value: string) => `${timeText(end)}#${dimension}#${valueText(value)}`,
  fleetAndTime: (fleet: string, notAfter: number) => `${keyPart(fleet)}#${timeText(notAfter)}`,
} as const;

/** What a page of the inventory shows without reading the record. Beyond 20 attributes an index takes no more. */
const inventoryAttributes = [
  'st',
  'ca',
  'gen',
  'own',
  'flt',
  'prf',
  'kty',
  'crd',
  'spki',
  'ser',
  'fp',
  'nb',
  'na',
  'rv',
];

function indexOf(index: { readonly name: string; readonly hash: string; readonly range: string }, included: string[]) {
  return {
    IndexName: index.name,
    KeySchema: [
      { AttributeName: index.hash, KeyType: 'HASH' as const },
      { AttributeName: index.range, KeyType: 'RANGE' as const },
    ],
    Projection: { ProjectionType: 'INCLUDE' as const, NonKeyAttributes: included },
  };
}

/** The table as CreateTable and CloudFormation's AWS::DynamoDB::Table take it. All attributes of keys are text. */
export const tableDefinition = {
  KeySchema: [
    { AttributeName: 'PK', KeyType: 'HASH' },
    { AttributeName: 'SK', KeyType: 'RANGE' },
  ],
  AttributeDefinitions: ['PK', 'SK', 'uPk', 'uSk', 'iPk', 'iSk', 'oPk', 'oSk', 'sPk', 'sSk'].map((AttributeName) => ({
    AttributeName,
    AttributeType: 'S' as const,
  })),
  BillingMode: 'PAY_PER_REQUEST',
  GlobalSecondaryIndexes: [
    indexOf(indexes.unsettled, ['ca']),
    indexOf(indexes.byIssuer, inventoryAttributes),
    indexOf(indexes.byOwner, inventoryAttributes),
    indexOf(indexes.byStanding, ['val']),
  ],
} as const satisfies Omit<CreateTableCommandInput, 'TableName'>;
