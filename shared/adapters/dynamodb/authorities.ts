import type { InstalledAuthority } from '../../issuance/issuance-record.ts';
import type { AuthorityRegistry } from '../../issuance/ports.ts';
import { invariant } from '../ledger/ledger-fault.ts';
import { readCountMax } from './bounds.ts';
import type { Table } from './calls.ts';
import { fenceOf, isFrozen, setFrozen } from './fence.ts';
import { bytes, bytesOf, document, documentOf, type Item } from './items.ts';
import { listPartition } from './lists.ts';
import { keyItem, keys, listPartitions } from './table.ts';

type Described = Omit<InstalledAuthority, 'certificateDer' | 'chain'>;

/** Listed by CA, then generation. One item each: certificate and chain are some kilobytes. */
export function createDynamoAuthorities(table: Table): AuthorityRegistry {
  return {
    async list() {
      return (await listPartition(table, listPartitions.authorities, readCountMax)).map(authorityOf);
    },
    async install({ certificateDer, chain, ...described }) {
      const { caId, generation } = described;
      const item = {
        ...keyItem(keys.authority(caId, generation)),
        doc: document(described satisfies Described),
        cert: bytes(certificateDer),
        chain: { L: chain.map(bytes) },
      };
      const condition = { expression: 'attribute_not_exists(PK)' };
      const outcome = await table.transact([{ kind: 'put', item, condition }]);
      if (outcome.kind === 'written') return;
      const installed = outcome.reasons[0]?.item;
      const isSame = installed !== undefined && Buffer.compare(bytesOf(installed, 'cert'), certificateDer) === 0;
      invariant(isSame, 'authority-differs', `${caId} generation ${generation} is installed with another certificate`);
    },
    setFrozen: (caId, frozen, at, by) => setFrozen(table, caId, frozen, at, by),
    isFrozen: (caId) => isFrozen(table, caId),
    fenceOf: (caId) => fenceOf(table, caId),
  };
}

function authorityOf(item: Item): InstalledAuthority {
  return {
    ...documentOf<Described>(item, 'doc'),
    certificateDer: bytesOf(item, 'cert'),
    chain: (item.chain?.L ?? []).map((value) => bytesOf({ ...item, value }, 'value')),
  };
}
