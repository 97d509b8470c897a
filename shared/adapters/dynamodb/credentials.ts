/**
 * Enrolment credentials. `CRED` has what never changes and when it was revoked; the count is in shares beside it
 * (`credential-shares.ts`), from which the transaction of `received` takes. Created and revoked by people; found by the
 * digest of its secret at every POST, which costs one GetItem and one Query of its partition, strongly consistent, so that a
 * revocation holds from the moment it is answered.
 */
import type { EnrolmentCredential } from '../../issuance/issuance-record.ts';
import type { CredentialStore } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { readCountMax, scopeBytesMax } from './bounds.ts';
import type { Action, Table } from './calls.ts';
import { shareItems, usedOf } from './credential-shares.ts';
import { document, documentOf, type Item, number, numberOf, optional, text, textOf } from './items.ts';
import { listPartition } from './lists.ts';
import { type Key, keyItem, keyPart, keys, listPartitions } from './table.ts';

type Constant = Omit<EnrolmentCredential, 'used' | 'revokedAt'>;

/** An item of credential and shares is none that is longer than 17: what one Query answers. */
const partitionItemsMax = 100;
/** Credentials whose items are read at once: 100 keys a BatchGetItem, 17 items a credential. */
const readAtOnce = 500;

/** Listed in the order of their ids. An id or a digest that exists already throws `already-exists`. */
export function createDynamoCredentials(table: Table): CredentialStore {
  async function get(id: string): Promise<EnrolmentCredential | undefined> {
    return credentialOf(await listPartition(table, keys.credential(id).PK, partitionItemsMax));
  }

  return {
    async create(credential) {
      const { used, revokedAt, ...constant } = credential;
      const doc = document(constant satisfies Constant);
      invariant(Buffer.byteLength(doc.S!) <= scopeBytesMax, 'out-of-bounds', 'the credential is too large to keep');
      const shares = shareItems(credential.id, credential.countMax, used);
      const revoked = revokedAt === undefined ? {} : { revokedAt: number(revokedAt) };
      const count = { shares: number(shares.length) };
      const outcome = await table.transact([
        putOnce({ ...keyItem(keys.credential(credential.id)), ...count, ...revoked, doc }),
        putOnce({ ...keyItem(keys.credentialOfDigest(credential.sha256)), id: text(credential.id) }),
        putOnce({ ...keyItem(keys.listedCredential(credential.id)), ...count, id: text(credential.id) }),
        ...shares.map((share) => putOnce({ ...share, ...revoked })),
      ]);
      const isNew = outcome.kind === 'written';
      invariant(isNew, 'already-exists', `the credential ${credential.id}, or its digest, exists already`);
    },
    get,
    async findBySha256(sha256) {
      const found = await table.get(keys.credentialOfDigest(sha256));
      return found === undefined ? undefined : get(textOf(found, 'id'));
    },
    async list(countMax, after) {
      const isCount = Number.isInteger(countMax) && countMax >= 1 && countMax <= readCountMax;
      invariant(isCount, 'out-of-bounds', `countMax ${countMax}`);
      const listed = await listPartition(
        table,
        listPartitions.credentials,
        countMax,
        after === undefined ? {} : { after: keyPart(after) },
      );
      const credentials: EnrolmentCredential[] = [];
      for (let start = 0; start < listed.length; start += readAtOnce) {
        credentials.push(...(await readAll(table, listed.slice(start, start + readAtOnce))));
      }
      return credentials;
    },
    async revoke(id, at) {
      const credential = await table.get(keys.credential(id));
      if (credential === undefined) return false;
      await table.update(revokeAction(keys.credential(id), at));
      const shares = Array.from({ length: numberOf(credential, 'shares') }, (_, share) => share);
      await Promise.all(shares.map((share) => table.update(revokeAction(keys.credentialShare(id, share), at))));
      return true;
    },
  };
}

function putOnce(item: Item): Action {
  return { kind: 'put', item, condition: { expression: 'attribute_not_exists(PK)' } };
}

/** The first time stays. */
function revokeAction(key: Key, at: number): Extract<Action, { kind: 'update' }> {
  return {
    kind: 'update',
    key,
    set: { expression: 'SET revokedAt = if_not_exists(revokedAt, :at)', values: { ':at': number(at) } },
    condition: 'attribute_exists(PK)',
  };
}

async function readAll(table: Table, listed: readonly Item[]): Promise<readonly EnrolmentCredential[]> {
  const wanted = listed.map((item) => {
    const id = textOf(item, 'id');
    const shares = Array.from({ length: numberOf(item, 'shares') }, (_, share) => keys.credentialShare(id, share));
    return [keys.credential(id), ...shares];
  });
  const found = await table.getMany(wanted.flat());
  let next = 0;
  return wanted.flatMap((group) => {
    const items = found.slice(next, next + group.length).filter((item) => item !== undefined);
    next += group.length;
    return credentialOf(items) ?? [];
  });
}

/** From `CRED` and its shares. */
function credentialOf(items: readonly Item[]): EnrolmentCredential | undefined {
  const credential = items.find((item) => textOf(item, 'SK') === 'CRED');
  if (credential === undefined) return undefined;
  return {
    ...documentOf<Constant>(credential, 'doc'),
    used: usedOf(items),
    ...optional(credential, 'revokedAt', 'revokedAt', numberOf),
  };
}
