import { printable } from '../hierarchy/printable.ts';
import type { EpochMs } from '../pki/epoch.ts';
import { SealwrightError } from './errors.ts';
import { parseIssuanceId } from './ids.ts';
import type { IssuanceError } from './issuance-record.ts';
import type { IssuanceState } from './issuance-state.ts';
import type { Clock, DeadLetter, DeadLetterStore, IssuanceLedger, OperatorLog } from './ports.ts';

export interface DeadLetterPorts {
  readonly deadLetters: DeadLetterStore;
  readonly ledger: Pick<IssuanceLedger, 'getMany'>;
  readonly operatorLog: OperatorLog;
  readonly clock: Clock;
}

/** A dead letter for the eyes of an operator. */
export interface DeadLetterDescription {
  readonly id: string;
  readonly queue: string;
  /** Undefined for a poison message: its body is no issuance id. */
  readonly issuanceId: string | undefined;
  /** Escaped, at most 160 characters. */
  readonly body: string;
  readonly receiveCount: number;
  /** Code of the last error: as the queue kept it, else as the ledger did. */
  readonly lastError: string | undefined;
  readonly sentAt: EpochMs;
  /** Undefined where the queue does not tell. */
  readonly deadAt: EpochMs | undefined;
  /** What the ledger, the truth, says of the issuance; undefined when it has none of this id. */
  readonly issuance:
    | {
        readonly state: IssuanceState;
        readonly stateAt: EpochMs;
        readonly attempts: number;
        readonly lastError: IssuanceError | undefined;
      }
    | undefined;
}

const bodyCharactersMax = 160;

async function describeAll(
  ledger: DeadLetterPorts['ledger'],
  letters: readonly DeadLetter[],
): Promise<readonly DeadLetterDescription[]> {
  const ids = letters.map(({ body }) => (parseIssuanceId(body) === undefined ? undefined : body));
  const known = ids.filter((id) => id !== undefined);
  const records = known.length === 0 ? [] : await ledger.getMany(known);
  const recordOf = new Map(known.map((id, index) => [id, records[index]]));
  return letters.map(({ id, queue, body, receiveCount, lastError, sentAt, deadAt }, index) => {
    const issuanceId = ids[index];
    const record = issuanceId === undefined ? undefined : recordOf.get(issuanceId);
    return {
      id,
      queue,
      issuanceId,
      body: printable(body, bodyCharactersMax),
      receiveCount,
      lastError: lastError === undefined ? record?.lastError?.code : printable(lastError, bodyCharactersMax),
      sentAt,
      deadAt,
      issuance:
        record === undefined
          ? undefined
          : {
              state: record.state,
              stateAt: record.stateAt,
              attempts: record.attempts,
              lastError: record.lastError,
            },
    };
  });
}

/** A page of dead letters, each with what the ledger says of its issuance. */
export async function listDeadLetters(
  ports: Pick<DeadLetterPorts, 'deadLetters' | 'ledger'>,
  options: Parameters<DeadLetterStore['list']>[0],
): Promise<{ readonly letters: readonly DeadLetterDescription[]; readonly nextCursor: string | undefined }> {
  const { letters, nextCursor } = await ports.deadLetters.list(options);
  return { letters: await describeAll(ports.ledger, letters), nextCursor };
}

/** Throws `not-found`. */
export async function describeDeadLetter(
  ports: Pick<DeadLetterPorts, 'deadLetters' | 'ledger'>,
  id: string,
): Promise<DeadLetterDescription> {
  const letter = await ports.deadLetters.get(id);
  if (letter === undefined) throw notThere();
  return (await describeAll(ports.ledger, [letter]))[0]!;
}

/**
 * Sends a dead letter back to its queue. As idempotent as a delivery: the message carries an id only, and what becomes of
 * it is decided by where the ledger has the issuance then; one that is settled is acknowledged and nothing else happens.
 * Throws `not-found` when it is not there, or not any more.
 */
export async function redriveDeadLetter(ports: DeadLetterPorts, operatorId: string, id: string): Promise<DeadLetter> {
  const letter = await ports.deadLetters.get(id);
  const redriven = letter !== undefined && (await ports.deadLetters.redrive(id));
  const what = letter === undefined ? printable(id) : `${letter.queue} ${letter.id} ${printable(letter.body)}`;
  await ports.operatorLog.append({
    at: ports.clock(),
    operatorId,
    action: 'dlq:redrive',
    subject: what,
    outcome: redriven ? 'done' : 'refused',
  });
  if (letter === undefined || !redriven) throw notThere();
  return letter;
}

function notThere(): SealwrightError {
  return new SealwrightError('not-found', { clientDetail: 'no dead letter has this id, or none has it any more' });
}
