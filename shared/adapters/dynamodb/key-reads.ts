import type { CertificateOfKey, InventoryReads } from '../../issuance/inventory-ports.ts';
import type { IssuanceLedger } from '../../issuance/ports.ts';
import type { Table } from './calls.ts';
import { text, textOf } from './items.ts';
import { keys } from './table.ts';

/** Certificates of one key: the entries under the key, in pages, then their records. */
export function createDynamoKeyReads(
  table: Table,
  ledger: Pick<IssuanceLedger, 'getMany'>,
): InventoryReads['certificatesOfKey'] {
  return async (spkiSha256, countMax) => {
    const { PK } = keys.certificateOfKey(spkiSha256, '');
    const { items } = await table.query({
      KeyConditionExpression: 'PK = :pk AND begins_with(SK, :i)',
      ExpressionAttributeValues: { ':pk': text(PK), ':i': text('I#') },
      Limit: countMax,
    });
    const records = await ledger.getMany(items.map((item) => textOf(item, 'SK').slice(2)));
    return records.flatMap((record): readonly CertificateOfKey[] => {
      if (record?.notBefore === undefined || record.notAfter === undefined) return [];
      const { issuanceId, caId, owner, fleet, profile, keyType, credentialId, state, notBefore, notAfter } = record;
      return [{ issuanceId, caId, owner, fleet, profile, keyType, credentialId, state, notBefore, notAfter }];
    });
  };
}
