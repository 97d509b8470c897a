/**
 * The count of a credential, in shares. One counter in the transaction of every POST of a fleet would let one POST through at
 * a time; so `countMax` is dealt out over shares, each with its own part of it, and a POST takes from one share. The sum of
 * the parts is countMax: no more is ever taken, and none is refused while any share has some left.
 *
 * The items: `keys.credential(id)` (`CRED`, the credential as created, with `shares`, and `revokedAt` once revoked), and
 * `keys.credentialShare(id, n)` (`USE#nn`: `max`, `used`, and `revokedAt` once revoked), written together when the credential
 * is created. Revoking writes `CRED` first, then every share: when it answers, no POST passes any more.
 */
import type { Action } from './calls.ts';
import { type Item, number, numberOr } from './items.ts';
import { keyItem, keys } from './table.ts';

const sharesMax = 16;
/** Below this many a share is not worth its item. */
const perShareMin = 64;

export function shareCountOf(countMax: number): number {
  return Math.max(1, Math.min(sharesMax, Math.floor(countMax / perShareMin)));
}

/** The items of the shares of a new credential; `used` of an existing one goes into the shares from the first on. */
export function shareItems(id: string, countMax: number, used = 0): readonly Item[] {
  const shares = shareCountOf(countMax);
  let toUse = used;
  return Array.from({ length: shares }, (_, share) => {
    const max = Math.floor(countMax / shares) + (share < countMax % shares ? 1 : 0);
    // What was used beyond countMax stays visible in the last share.
    const usedHere = share === shares - 1 ? toUse : Math.min(max, toUse);
    toUse -= usedHere;
    return { ...keyItem(keys.credentialShare(id, share)), max: number(max), used: number(usedHere) };
  });
}

/** `used` of a credential, from the items of its partition. */
export function usedOf(items: readonly Item[]): number {
  return items.reduce((sum, item) => sum + numberOr(item, 'used', 0), 0);
}

/** Takes one from a share, in the transaction of `received`. */
export function takeShare(id: string, share: number): Extract<Action, { kind: 'update' }> {
  return {
    kind: 'update',
    key: keys.credentialShare(id, share),
    set: { expression: 'SET used = used + :one', values: { ':one': number(1) }, names: { '#max': 'max' } },
    condition: 'attribute_exists(PK) AND attribute_not_exists(revokedAt) AND used < #max',
  };
}
