import { issuanceIdOf, parseIssuanceId } from '../../issuance/ids.ts';
import type { NewIssuance } from '../../issuance/issuance-record.ts';
import type { IssuanceLedger, ReceiveOutcome } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { receivedRecord } from '../ledger/record-after.ts';
import { csrBytesMax, issuanceNamesBytesMax, issuanceNamesMax, scopeBytesMax } from './bounds.ts';
import { type Action, exhausted, type Table } from './calls.ts';
import { takeShare } from './credential-shares.ts';
import { numberOf, numberOr, text, textOf } from './items.ts';
import { hasMade, newItems } from './record-items.ts';
import { pauseBefore } from './retry.ts';
import { keys, shardOf } from './table.ts';

/** Credentials whose number of shares is remembered: it never changes. */
const credentialsKnownMax = 10_000;

/**
 * One transaction: the record and the request if the ordinal is free, a check that the ordinal before it is taken, and one of
 * a share of the credential's count. What failed is read, not guessed from the reasons of the cancellation.
 */
export function createReceive(table: Table): IssuanceLedger['receive'] {
  const shareCounts = new Map<string, number>();

  async function shareCount(credentialId: string): Promise<number> {
    const known = shareCounts.get(credentialId);
    if (known !== undefined) return known;
    const credential = await table.get(keys.credential(credentialId), { attributes: 'PK, SK, shares' });
    invariant(credential !== undefined, 'credential-unknown', `no credential ${credentialId}`);
    if (shareCounts.size >= credentialsKnownMax) shareCounts.clear();
    const shares = numberOf(credential, 'shares');
    shareCounts.set(credentialId, shares);
    return shares;
  }

  return async (issuance) => {
    checkBounds(issuance);
    const issuanceId = issuanceIdOf(issuance.requestId, issuance.ordinal);
    const write = table.newWriteId();
    const shares = await shareCount(issuance.credentialId);
    let share = shardOf(issuanceId, shares);
    for (let attempt = 1; attempt <= table.patience.attemptsMax; attempt++) {
      const outcome = await table.transact(receiveActions(issuance, write, share));
      if (outcome.kind === 'written') return { kind: 'received', record: receivedRecord(issuance) };
      const taken = await ordinalRefusal(table, issuance, write);
      if (taken !== undefined) return taken;
      const next = await shareWithRoom(table, issuance.credentialId, share);
      if (typeof next !== 'number') return next;
      share = next;
      await pauseBefore(attempt, table.patience);
    }
    throw exhausted({ kind: 'conflict' });
  };
}

function checkBounds(issuance: NewIssuance): void {
  const { names, csrDer, scope } = issuance;
  const isId = parseIssuanceId(issuanceIdOf(issuance.requestId, issuance.ordinal)) !== undefined;
  invariant(isId, 'out-of-bounds', 'the request id or ordinal is malformed');
  invariant(names.length <= issuanceNamesMax, 'out-of-bounds', `${names.length} names`);
  const namesBytes = names.reduce((sum, name) => sum + Buffer.byteLength(name), 0);
  invariant(namesBytes <= issuanceNamesBytesMax, 'out-of-bounds', `names of ${namesBytes} bytes`);
  invariant(csrDer.length <= csrBytesMax, 'out-of-bounds', `a certification request of ${csrDer.length} bytes`);
  const scopeBytes = Buffer.byteLength(JSON.stringify(scope));
  invariant(scopeBytes <= scopeBytesMax, 'out-of-bounds', `a scope of ${scopeBytes} bytes`);
}

function receiveActions(issuance: NewIssuance, write: string, share: number): readonly Action[] {
  const { record, request } = newItems(issuance, write);
  const { requestId, ordinal, credentialId } = issuance;
  const isFree = { expression: 'attribute_not_exists(PK)' };
  const before = keys.record(issuanceIdOf(requestId, ordinal - 1));
  const follows: Action[] =
    before === undefined ? [] : [{ kind: 'check', key: before, condition: { expression: 'attribute_exists(PK)' } }];
  return [
    { kind: 'put', item: record, condition: isFree },
    { kind: 'put', item: request, condition: isFree },
    ...follows,
    takeShare(credentialId, share),
  ];
}

/** Whether the ordinal is what stood in the way; `received` when it is this very call that took it. */
async function ordinalRefusal(table: Table, issuance: NewIssuance, write: string): Promise<ReceiveOutcome | undefined> {
  const { requestId, ordinal } = issuance;
  const before = keys.record(issuanceIdOf(requestId, ordinal - 1));
  const [rec, previous] = await table.getMany([
    keys.record(issuanceIdOf(requestId, ordinal))!,
    ...(before === undefined ? [] : [before]),
  ]);
  if (rec !== undefined) {
    return hasMade(rec, write) ? { kind: 'received', record: receivedRecord(issuance) } : { kind: 'conflict' };
  }
  return before !== undefined && previous === undefined ? { kind: 'conflict' } : undefined;
}

/** A share that has some left, the one after `from` first; or why there is none. */
async function shareWithRoom(table: Table, credentialId: string, from: number): Promise<number | ReceiveOutcome> {
  const { items } = await table.query({
    KeyConditionExpression: 'PK = :pk',
    ExpressionAttributeValues: { ':pk': text(keys.credential(credentialId).PK) },
    ConsistentRead: true,
  });
  const credential = items.find((item) => textOf(item, 'SK') === 'CRED');
  invariant(credential !== undefined, 'credential-unknown', `no credential ${credentialId}`);
  if (items.some((item) => item.revokedAt !== undefined)) return { kind: 'credential-revoked' };
  const shares = items.filter((item) => textOf(item, 'SK').startsWith('USE#'));
  const order = shares.map((_, index) => (from + 1 + index) % shares.length);
  const next = order.find((index) => numberOr(shares[index]!, 'used', 0) < numberOf(shares[index]!, 'max'));
  return next ?? { kind: 'credential-count-used-up' };
}
