import { type RevocationIntent, type RevocationStore, unfinishedCountMax } from '../../issuance/revocation-ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import type { Table } from './calls.ts';
import { document, documentOf, text, textOf } from './items.ts';
import { listPartition } from './lists.ts';
import { compromiseOf } from './moves.ts';
import { keyItem, keyPart, keys, listPartitions } from './table.ts';

/** Intents to revoke: one partition, since RevokeCertificate goes at 20 a second and what is finished leaves. */
export function createDynamoRevocations(table: Table): RevocationStore {
  return {
    async issuanceOfFingerprint(fingerprint) {
      const { PK } = keys.certificate(fingerprint, '');
      const { items } = await table.query({
        KeyConditionExpression: 'PK = :pk AND begins_with(SK, :i)',
        ExpressionAttributeValues: { ':pk': text(PK), ':i': text('I#') },
        ConsistentRead: true,
        Limit: 1,
      });
      const [item] = items;
      return item === undefined ? undefined : textOf(item, 'SK').slice(2);
    },
    async begin(intent) {
      const outcome = await table.transact([
        {
          kind: 'put',
          item: { ...keyItem(keys.revocation(intent.issuanceId)), doc: document(intent) },
          condition: { expression: 'attribute_not_exists(PK)' },
        },
      ]);
      if (outcome.kind === 'written') return intent;
      const standing = await table.get(keys.revocation(intent.issuanceId));
      return standing === undefined ? intent : documentOf<RevocationIntent>(standing, 'doc');
    },
    async unfinished(countMax, after) {
      invariant(countMax >= 1 && countMax <= unfinishedCountMax, 'out-of-bounds', `countMax ${countMax}`);
      const range = after === undefined ? {} : { after: keyPart(after) };
      const items = await listPartition(table, listPartitions.revocations, countMax, range);
      return items.map((item) => documentOf<RevocationIntent>(item, 'doc'));
    },
    async finish(issuanceId) {
      await table.transact([{ kind: 'delete', key: keys.revocation(issuanceId) }]);
    },
    async markCompromised(spkiSha256, owner, at) {
      await table.update(compromiseOf(spkiSha256, owner, at));
    },
  };
}
