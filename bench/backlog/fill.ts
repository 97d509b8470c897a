import { openSqliteReader } from '../../shared/adapters/sqlite/reader.ts';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { enrolmentQueueName } from '../../shared/adapters/stack/base.ts';
import { issuanceIdOf, requestIdOf } from '../../shared/issuance/ids.ts';
import type { IssuanceRecord, NewIssuance } from '../../shared/issuance/issuance-record.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import type { BenchState } from '../bench-state.ts';
import { prepareRequest } from '../client/requests.ts';

const batch = 1_000;

/**
 * Takes requests into the ledger of a stopped service, `received`, and sends their ids to the enrolment queue: through the
 * ledger's and the queue's own code, each with a key and a name of its own, as the one issued before them.
 */
export async function fillQueue(state: BenchState, queued: number, onProgress: (done: number) => void): Promise<void> {
  const template = issuedRecord(state);
  const store = openSqliteStore({ path: state.ledgerPath, clock: Date.now });
  try {
    const queue = store.queue(enrolmentQueueName);
    for (let from = 0; from < queued; from += batch) {
      const count = Math.min(batch, queued - from);
      const issuances = Array.from({ length: count }, (_, index) => received(template, from + index));
      const outcomes = await Promise.all(issuances.map((one) => store.ledger.receive(one)));
      if (outcomes.some(({ kind }) => kind !== 'received')) throw new Error('the ledger did not take a request');
      await queue.send(issuances.map(({ ordinal, requestId }) => issuanceIdOf(requestId, ordinal)));
      onProgress(from + count);
    }
  } finally {
    store.close();
  }
}

function issuedRecord({ ledgerPath }: BenchState): IssuanceRecord {
  const reader = openSqliteReader(ledgerPath);
  try {
    for (const record of reader.issuances()) if (record.state === 'issued') return record;
  } finally {
    reader.close();
  }
  throw new Error('there is nothing issued to go by');
}

function received(template: IssuanceRecord, number: number): NewIssuance {
  const { csrDer, name, spki } = prepareRequest('queued', number);
  const { caId, credentialId, fleet, generation, keyType, owner, policyVersion, principal, profile, scope } = template;
  const csrSha256 = sha256Hex(csrDer);
  return {
    requestId: requestIdOf(principal, profile, csrSha256),
    ordinal: 1,
    principal,
    credentialId,
    owner,
    fleet,
    scope,
    profile,
    policyVersion,
    caId,
    generation,
    csrDer,
    csrSha256,
    spkiSha256: sha256Hex(spki),
    keyType,
    names: [`dns:${name}`],
    receivedAt: Date.now(),
  };
}
