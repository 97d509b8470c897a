import type { CeremonyToken } from '../../shared/adapters/pkcs11/ceremony-token.ts';
import type {
  BodyOf,
  CeremonyMode,
  CeremonyRecord,
  CeremonyScript,
  RecordOf,
  RecordType,
  Transcript,
} from '../../shared/ceremony/ceremony.ts';
import { isOfType, nextLine } from '../../shared/ceremony/ceremony.ts';
import type { Authority, Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { CommandFailure } from '../command.ts';
import type { CeremonyFolder, TranscriptFile } from './files.ts';
import type { Operator } from './operator.ts';

/** One ceremony while it is held. */
export interface CeremonySession {
  readonly mode: CeremonyMode;
  readonly script: CeremonyScript;
  readonly hierarchy: Hierarchy;
  /** The CA whose key it is about, with the subject that is certified. */
  readonly authority: Authority;
  readonly folder: CeremonyFolder;
  readonly token: CeremonyToken;
  readonly operator: Operator;
  readonly now: () => number;
  /** A paragraph for the people in the room. */
  readonly say: (text: string) => void;
  readonly file: TranscriptFile;
  transcript: Transcript | undefined;
}

/** Records an act; it is on the disk when this returns. */
export function record<T extends RecordType>(session: CeremonySession, type: T, step: number, body: BodyOf<T>): void {
  const at = `${new Date(session.now()).toISOString().slice(0, 19)}Z`;
  const { line, transcript } = nextLine(session.transcript, type, { step, at }, body);
  session.file.append(line);
  session.transcript = transcript;
}

/** The record of a step, from this run or an earlier one. */
export function recorded<T extends RecordType>(
  session: CeremonySession,
  type: T,
  step?: number,
): (RecordOf<T> & CeremonyRecord) | undefined {
  return session.transcript?.records.find(
    (one): one is RecordOf<T> & CeremonyRecord => isOfType(one, type) && (step === undefined || one.step === step),
  );
}

/** The operator or the room stopped: what is recorded stays, and the same command goes on from there. */
export function stopped(why: string): CommandFailure {
  return new CommandFailure('ceremony-stopped', `the ceremony stops here: ${why}`, [
    'the same command goes on with the next act: what was done is in the transcript, and is not done again',
  ]);
}
