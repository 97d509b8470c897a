/** What one move writes, from the version of the record that was read. Pure: nothing is read or written here. */
import type { PolicyViolation } from '../../hierarchy/policy.ts';
import { assertNever } from '../../issuance/errors.ts';
import type { IssuanceError } from '../../issuance/issuance-record.ts';
import type { Transition } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import type { Counted } from '../ledger/counted.ts';
import { encodeIntent } from '../ledger/intent-document.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { type Action, actionsMax } from './calls.ts';
import { type Count, cellKeyOf } from './counters.ts';
import { bytes, document, flag, type Item, number, numberOf, text, textOf, texts, textsOf } from './items.ts';
import { issuanceIdOfItem } from './record-items.ts';
import { type RecordChange, recordUpdate } from './record-update.ts';
import { indexKeys, issuerShards, type Key, keyItem, keys, keyText, ownerShards, shardOf, timeText } from './table.ts';

type Move<To extends Transition['to']> = Extract<Transition, { to: To }>;

/** One move as actions, all of which pass or none. */
export interface Plan {
  readonly rec: Item;
  readonly transition: Transition;
  /** The first moves the record. */
  readonly actions: readonly Action[];
  /**
   * Holds of the names that find no place in the transaction: taken in one before it, and given back when the move
   * is not made. A transaction takes 98 names beside the record and its key; a certificate has up to 100.
   */
  readonly earlier?: readonly Action[];
  /** The CA whose fence the transaction checks: once for all its moves. */
  readonly fenceOf?: string;
  /** What the transaction counts: its moves of one cell together. */
  readonly counts?: Count;
  /** Entries that point to the issuance, written before: without the move they point to nothing that is issued. */
  readonly entries?: readonly Item[];
}

/** RFC 5280 5.3.1. The reason after which a key is refused for ever. */
const compromise = 'keyCompromise';

/** Longest error message kept, in UTF-16 units. */
const messageMax = 2_000;
const violationsBytesMax = 256 * 1024;
const certificateBytesMax = 128 * 1024;
const intentBytesMax = 128 * 1024;

/** The plan of a move of a record that is where the caller saw it. Throws `LedgerFault` for what may never be. */
export function planMove(rec: Item, transition: Transition, write: string): Plan {
  const { at } = transition;
  const update = (change: Omit<RecordChange, 'to' | 'at' | 'write'>) =>
    recordUpdate(rec, { to: transition.to, at, write, ...change });
  const alone = (change: Omit<RecordChange, 'to' | 'at' | 'write'>): Plan => ({
    rec,
    transition,
    actions: [update(change)],
  });
  switch (transition.to) {
    case 'approved':
      return planApproval(rec, transition, update, write);
    case 'rejected':
      return alone({ set: { pv: text(transition.policyVersion), vi: violationsDocument(transition.violations) } });
    case 'lapsed':
      return alone({});
    case 'intended':
      return planIntent(rec, transition, update);
    case 'submitted':
      return {
        rec,
        transition,
        actions: [
          update({ set: { tic: text(transition.ticket) } }),
          { kind: 'put', item: { ...keyItem(keys.ticket(transition.ticket)), id: text(issuanceIdOfItem(rec)) } },
        ],
      };
    case 'issued':
      return planIssue(rec, transition, update);
    case 'misissued': {
      const der = transition.certificateDer;
      invariant(der.length <= certificateBytesMax, 'out-of-bounds', `a certificate of ${der.length} bytes`);
      const withheld = { ...keyItem(keys.withheld(issuanceIdOfItem(rec))!), der: bytes(der) };
      return {
        rec,
        transition,
        actions: [update({ set: { le: errorDocument(transition.error) } }), { kind: 'put', item: withheld }],
      };
    }
    case 'failed':
    case 'orphan-suspected':
      return alone({ set: { le: errorDocument(transition.error) } });
    case 'revoked':
      return planRevocation(rec, transition, update);
    default:
      return assertNever(transition);
  }
}

export function errorDocument(error: IssuanceError) {
  return document({ ...error, message: error.message.slice(0, messageMax) });
}

/**
 * As many of the violations as an item has room for: a refusal with hundreds of them is a refusal still, and is not to fail for
 * their length. Policy itself lists no more than twenty of a code.
 */
function violationsDocument(violations: readonly PolicyViolation[]) {
  let bytes = 0;
  const kept = violations.filter((violation) => {
    bytes += Buffer.byteLength(JSON.stringify(violation)) + 1;
    return bytes <= violationsBytesMax;
  });
  return document(kept);
}

type Update = (change: Omit<RecordChange, 'to' | 'at' | 'write'>) => Action;

function planApproval(rec: Item, transition: Move<'approved'>, update: Update, write: string): Plan {
  const { at, policyVersion, caId, generation, droppedExtensions } = transition;
  const move = update({
    set: {
      pv: text(policyVersion),
      ca: text(caId),
      gen: number(generation),
      ...(droppedExtensions.length === 0 ? {} : { dx: texts(droppedExtensions) }),
    },
    // The intent that left no certificate is not to be taken up again; its serial stays taken.
    remove: ['cs', 'ser', 'tic', 'ik', ...(droppedExtensions.length === 0 ? ['dx'] : [])],
    detail: { policyVersion, caId, generation },
  });
  const [owner, spki] = [text(textOf(rec, 'own')), text(textOf(rec, 'spki'))];
  // `wr` is the write that took the hold, `lw` the last that stood on it: who took one and is alone with it may give it back.
  const holds = textsOf(rec, 'nm').map(
    (name): Action => ({
      kind: 'update',
      key: keys.holder(name),
      set: {
        expression:
          'SET nam = :name, own = :own, spki = :spki, heldAt = if_not_exists(heldAt, :at), wr = if_not_exists(wr, :by), lw = :by',
        values: { ':name': text(name), ':own': owner, ':spki': spki, ':at': number(at), ':by': text(write) },
      },
      condition: 'attribute_not_exists(PK) OR (own = :own AND spki = :spki)',
    }),
  );
  const [together, earlier] = [holds.slice(0, actionsMax - 2), holds.slice(actionsMax - 2)];
  const key: Action = {
    kind: 'update',
    key: keys.publicKey(textOf(rec, 'spki')),
    set: {
      expression: 'SET own = :own, heldAt = if_not_exists(heldAt, :at)',
      values: { ':own': owner, ':at': number(at) },
    },
    condition: 'attribute_not_exists(PK) OR (own = :own AND attribute_not_exists(compromisedAt))',
  };
  return {
    rec,
    transition,
    actions: [move, ...together, key],
    ...(earlier.length === 0 ? {} : { earlier }),
  };
}

function planIntent(rec: Item, transition: Move<'intended'>, update: Update): Plan {
  const { prepared, crlShard } = transition;
  const { intent } = prepared;
  const [issuanceId, caId] = [issuanceIdOfItem(rec), textOf(rec, 'ca')];
  invariant(prepared.caId === caId, 'prepared-for-another-ca', `prepared for ${prepared.caId}, approved for ${caId}`);
  const round = numberOf(rec, 'rd') + 1;
  const stored = encodeIntent(intent);
  const size = stored.document.length + (stored.tbs?.length ?? 0);
  invariant(size <= intentBytesMax, 'out-of-bounds', `an intent of ${size} bytes`);
  const move = update({
    set: {
      ik: text(intent.kind),
      rd: number(round),
      ...(intent.kind === 'tbs' ? { ser: text(intent.serial) } : {}),
      ...(crlShard === undefined ? {} : { cs: number(crlShard) }),
    },
  });
  const content = { id: text(issuanceId), gen: numberItem(rec), intent: text(stored.document) };
  const kept: Action =
    intent.kind === 'tbs'
      ? takeSerial(caId, intent.serial, { ...content, tbs: bytes(stored.tbs!) })
      : { kind: 'put', item: { ...keyItem(keys.templateIntent(issuanceId, round)!), ...content } };
  return { rec, transition, actions: [move, kept], fenceOf: caId };
}

function numberItem(rec: Item) {
  return number(numberOf(rec, 'gen'));
}

/** One item says that the serial is taken and holds the intent that took it: both are written once and never again. */
function takeSerial(caId: string, serial: string, content: Item): Action {
  return {
    kind: 'put',
    item: { ...keyItem(keys.serial(caId, serial)), ...content },
    condition: { expression: 'attribute_not_exists(PK)' },
  };
}

function planIssue(rec: Item, transition: Move<'issued'>, update: Update): Plan {
  const { at, certificate, ticket, adopted } = transition;
  const { der, serial, notBefore, notAfter, fingerprint } = certificate;
  invariant(der.length <= certificateBytesMax, 'out-of-bounds', `a certificate of ${der.length} bytes`);
  const issuanceId = issuanceIdOfItem(rec);
  const [caId, owner, fleet] = [textOf(rec, 'ca'), textOf(rec, 'own'), textOf(rec, 'flt')];
  const intended = rec.ser?.S;
  invariant(
    intended === undefined || intended === serial,
    'serial-not-the-intended',
    'the certificate has another serial than its intent',
  );
  const move = update({
    set: {
      ser: text(serial),
      nb: number(notBefore),
      na: number(notAfter),
      fp: text(fingerprint),
      ...(ticket === undefined ? {} : { tic: text(ticket) }),
      ...(adopted === undefined ? {} : { ad: flag(adopted) }),
      iPk: text(indexKeys.byIssuer(caId, shardOf(issuanceId, issuerShards))),
      iSk: text(timeText(notAfter)),
      oPk: text(indexKeys.byOwner(owner, shardOf(issuanceId, ownerShards))),
      oSk: text(indexKeys.fleetAndTime(fleet, notAfter)),
    },
  });
  const kept: Action = {
    kind: 'put',
    item: { ...keyItem(keys.certificate(fingerprint, issuanceId)), der: bytes(der), at: number(at) },
  };
  const taken =
    intended === undefined ? [takeSerial(caId, serial, { id: text(issuanceId), gen: numberItem(rec) })] : [];
  const entries = [
    keys.certificateOfKey(textOf(rec, 'spki'), issuanceId),
    ...textsOf(rec, 'nm').map((name) => keys.certificateOfName(name, issuanceId)),
  ];
  return {
    rec,
    transition,
    actions: [move, kept, ...taken],
    counts: { change: 'issued', certificate: countedOf(rec, notBefore, notAfter), at },
    entries: entries.map(keyItem),
  };
}

function countedOf(rec: Item, notBefore: number, notAfter: number): Counted {
  return {
    caId: textOf(rec, 'ca'),
    owner: textOf(rec, 'own'),
    fleet: textOf(rec, 'flt'),
    profile: textOf(rec, 'prf'),
    keyType: textOf(rec, 'kty'),
    credentialId: textOf(rec, 'crd'),
    notBefore,
    notAfter,
  };
}

/** Marks a key as compromised; the first time stays. */
export function compromiseOf(spkiSha256: string, owner: string, at: EpochMs): Extract<Action, { kind: 'update' }> {
  return {
    kind: 'update',
    key: keys.publicKey(spkiSha256),
    set: {
      expression:
        'SET own = if_not_exists(own, :own), heldAt = if_not_exists(heldAt, :at), compromisedAt = if_not_exists(compromisedAt, :at)',
      values: { ':own': text(owner), ':at': number(at) },
    },
  };
}

function planRevocation(rec: Item, transition: Move<'revoked'>, update: Update): Plan {
  const { at, reason } = transition;
  const compromised = compromiseOf(textOf(rec, 'spki'), textOf(rec, 'own'), at);
  return {
    rec,
    transition,
    actions: [
      update({ set: { rv: number(at), rr: text(reason) } }),
      ...(reason === compromise ? [compromised] : []),
      ...listedOnCrl(rec, at, reason),
    ],
    counts: { change: 'revoked', certificate: countedOf(rec, numberOf(rec, 'nb'), numberOf(rec, 'na')), at },
  };
}

/** What its CRL is made from, where the CRL is ours: the entry of its shard, and that it is new there. */
function listedOnCrl(rec: Item, at: EpochMs, reason: string): readonly Action[] {
  if (rec.cs === undefined) return [];
  const [caId, generation] = [textOf(rec, 'ca'), numberOf(rec, 'gen')];
  const [shard, serial] = [numberOf(rec, 'cs'), textOf(rec, 'ser')];
  const entry = { rv: number(at), rr: text(reason), na: number(numberOf(rec, 'na')) };
  return [
    { kind: 'put', item: { ...keyItem(keys.revokedSerial(caId, generation, shard, serial)), ...entry } },
    { kind: 'put', item: keyItem(keys.crlChange(caId, generation, shard, serial)) },
  ];
}

/** The items that a plan has to itself: two plans that share one are not for one transaction, nor for the same moment. */
export function ownKeys(plan: Plan): readonly string[] {
  return [...plan.actions, ...(plan.earlier ?? [])].map((action) => keyText(keyOf(action)));
}

export function keyOf(action: Action): Key {
  if (action.kind !== 'put') return action.key;
  return { PK: textOf(action.item, 'PK'), SK: textOf(action.item, 'SK') };
}

/** The cell that a plan counts in, with its CA; undefined for one that counts nothing. */
export function cellOf(plan: Plan): string | undefined {
  return plan.counts === undefined ? undefined : cellKeyOf(plan.counts);
}
