/**
 * An issuance as items. `REC` is what every move rewrites and is kept under 1 KB, the unit of a write: a move costs the same
 * however large the request is. What is written once has items of its own, each found from `REC` alone, and never changes
 * under its key: whatever version of `REC` a reader has, it finds the parts of that version.
 *
 * `REC`: st state, sa stateAt, mv moves so far, ca caId, gen generation, pv policyVersion, own owner, flt fleet, prf profile,
 * kty keyType, spki, nm names, att attempts, aw write id of the last attempt noted, dx droppedExtensions, cs crlShard,
 * tic ticket, ik kind of the intent, rd intents so far, ser serial, nb notBefore, na notAfter, fp fingerprint, ad adopted,
 * rv revokedAt, rr revocationReason, vi violations, le lastError, h history.
 */
import type { EnrolmentScope, PolicyViolation } from '../../hierarchy/policy.ts';
import { issuanceIdOf } from '../../issuance/ids.ts';
import type { IssuanceError, IssuanceRecord, NewIssuance } from '../../issuance/issuance-record.ts';
import { type IssuanceState, isPending } from '../../issuance/issuance-state.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import { decodeIntent } from '../ledger/intent-document.ts';
import {
  bytes,
  bytesOf,
  document,
  documentOf,
  flagOf,
  type Item,
  ItemError,
  number,
  numberOf,
  optional,
  text,
  textOf,
  texts,
  textsOf,
} from './items.ts';
import { indexKeys, type Key, keyItem, keys, shardOf, timeText, unsettledShards } from './table.ts';

/** The issuance id in the key of one of its own items. */
export function issuanceIdOfItem(item: Item): string {
  return issuanceIdOf(textOf(item, 'PK').slice(2), Number(textOf(item, 'SK').slice(0, 9)));
}

/** One change of state: which write made it, when, to what, and what it carried that no other item has. */
export function historyEntry(write: string, at: EpochMs, to: IssuanceState, detail?: object): string {
  return JSON.stringify(detail === undefined ? [write, at, to] : [write, at, to, detail]);
}

export interface HistoryEntry {
  readonly at: EpochMs;
  readonly from: IssuanceState | undefined;
  readonly to: IssuanceState;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** The changes of state of a record, in the order they were made. */
export function historyOf(rec: Item): readonly HistoryEntry[] {
  const entries = textsOf(rec, 'h').map((entry) => JSON.parse(entry) as [string, number, IssuanceState, object?]);
  return entries.map(([, at, to, detail], index) => ({
    at,
    from: entries[index - 1]?.[2],
    to,
    detail: { ...detail },
  }));
}

/** True when this very write made one of the moves of the record: its answer was lost, or came from an earlier attempt. */
export function hasMade(rec: Item, write: string): boolean {
  return textsOf(rec, 'h').some((entry) => entry.startsWith(`["${write}",`));
}

/** Attributes of the index of unsettled issuances, undefined for a state that is settled. */
export function unsettledAttributes(issuanceId: string, state: IssuanceState, at: EpochMs): Item | undefined {
  if (!isPending(state) && state !== 'misissued') return undefined;
  const hash = indexKeys.unsettled(state, shardOf(issuanceId, unsettledShards));
  return { uPk: text(hash), uSk: text(timeText(at)) };
}

export interface NewItems {
  readonly record: Item;
  readonly request: Item;
}

/** The two items of a new issuance. */
export function newItems(n: NewIssuance, write: string): NewItems {
  const issuanceId = issuanceIdOf(n.requestId, n.ordinal);
  return {
    record: {
      ...keyItem(keys.record(issuanceId)!),
      st: text('received'),
      sa: number(n.receivedAt),
      mv: number(0),
      ca: text(n.caId),
      gen: number(n.generation),
      pv: text(n.policyVersion),
      own: text(n.owner),
      flt: text(n.fleet),
      prf: text(n.profile),
      kty: text(n.keyType),
      crd: text(n.credentialId),
      spki: text(n.spkiSha256),
      nm: texts(n.names),
      att: number(0),
      rd: number(0),
      h: texts([historyEntry(write, n.receivedAt, 'received')]),
      ...unsettledAttributes(issuanceId, 'received', n.receivedAt),
    },
    request: {
      ...keyItem(keys.request(issuanceId)!),
      principal: text(n.principal),
      credential: text(n.credentialId),
      scopes: document(n.scope),
      csr: bytes(n.csrDer),
      csrSha256: text(n.csrSha256),
      receivedAt: number(n.receivedAt),
      ...(n.predecessor === undefined ? {} : { predecessor: text(n.predecessor) }),
      // What the record said when it was received, which moves may change.
      pv: text(n.policyVersion),
      ca: text(n.caId),
      gen: number(n.generation),
    },
  };
}

/** The items that a version of `REC` refers to, beside the request. */
export interface RecordParts {
  readonly intent?: Key;
  readonly certificate?: Key;
}

export function partsOf(rec: Item): RecordParts {
  const issuanceId = issuanceIdOfItem(rec);
  const kind = rec.ik?.S;
  const intent =
    kind === 'tbs'
      ? keys.serial(textOf(rec, 'ca'), textOf(rec, 'ser'))
      : kind === 'template'
        ? keys.templateIntent(issuanceId, numberOf(rec, 'rd'))
        : undefined;
  const certificate =
    textOf(rec, 'st') === 'misissued'
      ? keys.withheld(issuanceId)
      : rec.fp === undefined
        ? undefined
        : keys.certificate(textOf(rec, 'fp'), issuanceId);
  return { ...(intent === undefined ? {} : { intent }), ...(certificate === undefined ? {} : { certificate }) };
}

/** The record of its items. An absent field is absent, not undefined. ItemError when a part is not what it should be. */
export function recordOf(rec: Item, request: Item, intent: Item | undefined, certificate: Item | undefined) {
  const issuanceId = issuanceIdOfItem(rec);
  const record: IssuanceRecord = {
    issuanceId,
    requestId: issuanceId.slice(0, issuanceId.indexOf('.')),
    ordinal: Number(issuanceId.slice(issuanceId.indexOf('.') + 1)),
    principal: textOf(request, 'principal'),
    credentialId: textOf(request, 'credential'),
    owner: textOf(rec, 'own'),
    fleet: textOf(rec, 'flt'),
    scope: documentOf<EnrolmentScope>(request, 'scopes'),
    profile: textOf(rec, 'prf'),
    policyVersion: textOf(rec, 'pv'),
    caId: textOf(rec, 'ca'),
    generation: numberOf(rec, 'gen'),
    csrDer: bytesOf(request, 'csr'),
    csrSha256: textOf(request, 'csrSha256'),
    spkiSha256: textOf(rec, 'spki'),
    keyType: textOf(rec, 'kty'),
    names: textsOf(rec, 'nm'),
    receivedAt: numberOf(request, 'receivedAt'),
    state: textOf(rec, 'st') as IssuanceState,
    stateAt: numberOf(rec, 'sa'),
    attempts: numberOf(rec, 'att'),
    droppedExtensions: rec.dx === undefined ? [] : textsOf(rec, 'dx'),
    ...(intent === undefined ? {} : { intent: intentOf(intent) }),
    ...optional(rec, 'ticket', 'tic', textOf),
    ...optional(rec, 'serial', 'ser', textOf),
    ...optional(rec, 'notBefore', 'nb', numberOf),
    ...optional(rec, 'notAfter', 'na', numberOf),
    ...optional(rec, 'fingerprint', 'fp', textOf),
    ...(certificate === undefined ? {} : { certificateDer: bytesOf(certificate, 'der') }),
    ...optional(rec, 'crlShard', 'cs', numberOf),
    ...optional(request, 'predecessor', 'predecessor', textOf),
    ...optional(rec, 'violations', 'vi', (item, name) => documentOf<readonly PolicyViolation[]>(item, name)),
    ...optional(rec, 'lastError', 'le', (item, name) => documentOf<IssuanceError>(item, name)),
    ...optional(rec, 'adopted', 'ad', flagOf),
    ...optional(rec, 'revokedAt', 'rv', numberOf),
    ...optional(rec, 'revocationReason', 'rr', textOf),
  };
  return record;
}

function intentOf(item: Item) {
  const tbs = item.tbs === undefined ? null : bytesOf(item, 'tbs');
  const intent = decodeIntent(textOf(item, 'intent'), tbs);
  if (intent.kind === 'tbs' && tbs === null) throw new ItemError(`the intent of ${item.PK?.S} has no bytes`);
  return intent;
}
