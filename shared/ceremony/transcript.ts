/**
 * The canonical form of a transcript: UTF-8, one JSON value a line, each line ended by LF. A line is the one JSON text of
 * its value (keys sorted by code unit, no white space, whole numbers only), and names the SHA-256 of the line before, so
 * that the digest of the last line, which witnesses sign, stands for every byte.
 */
import { canonicalJson } from '../hierarchy/canonical-json.ts';
import { sha256Hex } from '../pki/hash.ts';
import type { Refusal, RefusalCode } from './reason.ts';
import { asRecord, type BodyOf, type CeremonyRecord, type RecordType } from './record.ts';

export const transcriptBytesMax = 4 * 1024 * 1024;
export const recordsMax = 256;
export const firstPrevious = '0'.repeat(64);

export interface Transcript {
  readonly records: readonly CeremonyRecord[];
  /** Digest of the last line: what witnesses sign. */
  readonly head: string;
}

export type TranscriptReading =
  | { readonly ok: true; readonly transcript: Transcript }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const newline = 0x0a;

/**
 * Bytes → records whose form and chain are sound, or the first fault: what follows a broken link means nothing. Total.
 */
export function readTranscript(bytes: Uint8Array): TranscriptReading {
  if (bytes.length > transcriptBytesMax) {
    return refuse('transcript-too-large', `${bytes.length} bytes; at most ${transcriptBytesMax} are read`);
  }
  if (bytes.length === 0) return refuse('transcript-empty', 'the transcript is empty');
  const records: CeremonyRecord[] = [];
  let previous = firstPrevious;
  let start = 0;
  while (start < bytes.length) {
    const index = records.length;
    const end = bytes.indexOf(newline, start);
    if (end < 0) return refuse('trailing-bytes', 'bytes follow the last whole line', index);
    if (index >= recordsMax) return refuse('transcript-too-large', `more than ${recordsMax} records`, index);
    const line = bytes.subarray(start, end);
    const read = readLine(line, index, previous, records.at(-1));
    if ('code' in read) return { ok: false, refusals: [read] };
    records.push(read);
    previous = sha256Hex(line);
    start = end + 1;
  }
  return { ok: true, transcript: { records, head: previous } };
}

function readLine(
  line: Uint8Array,
  index: number,
  previous: string,
  before: CeremonyRecord | undefined,
): CeremonyRecord | Refusal {
  let text: string;
  try {
    text = utf8.decode(line);
  } catch {
    return refusal('not-utf8', 'the line is not UTF-8', index);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refusal('not-canonical', 'the line is not JSON', index);
  }
  if (canonicalJson(value) !== text) {
    return refusal('not-canonical', 'the line is not the canonical form of what it says', index);
  }
  const record = asRecord(value);
  if (record === undefined) return refusal('record-malformed', 'the line is not a record of a ceremony', index);
  if (record.index !== index || record.previous !== previous) {
    return refusal('chain-broken', 'the record does not follow the one before it', index);
  }
  if (before !== undefined && record.at < before.at) {
    return refusal('time-runs-backwards', `${record.at} is before ${before.at}`, index);
  }
  return record;
}

function refusal(code: RefusalCode, message: string, record?: number): Refusal {
  return { code, message, ...(record === undefined ? {} : { record }) };
}

function refuse(code: RefusalCode, message: string, record?: number): TranscriptReading {
  return { ok: false, refusals: [refusal(code, message, record)] };
}

/**
 * The line, with its line end, of the next record, and its digest. Throws RangeError for a body that is no record's: a
 * transcript that cannot be read back is not begun.
 */
export function nextLine<T extends RecordType>(
  transcript: Pick<Transcript, 'records' | 'head'> | undefined,
  type: T,
  place: { readonly step: number; readonly at: string },
  body: BodyOf<T>,
): { readonly line: string; readonly transcript: Transcript } {
  const [kind, act] = type.split('/') as [string, string];
  const records = transcript?.records ?? [];
  const before = records.at(-1);
  const value = {
    act,
    // A clock that was set back must not make the transcript unreadable; the witnesses see the time that is recorded.
    at: before !== undefined && before.at > place.at ? before.at : place.at,
    body,
    index: records.length,
    kind,
    previous: transcript?.head ?? firstPrevious,
    step: place.step,
  };
  const text = canonicalJson(value);
  const record = asRecord(JSON.parse(text));
  if (record === undefined) throw new RangeError(`what ${type} has to record does not fit a record`);
  return { line: `${text}\n`, transcript: { records: [...records, record], head: sha256Hex(Buffer.from(text)) } };
}

/**
 * What a witness signs: readable, and made again from the transcript by whoever verifies. `head` is the digest of the last
 * line. One space after each colon, LF at each end.
 */
export function statementOf(facts: {
  readonly title: string;
  readonly mode: string;
  readonly scriptSha256: string;
  readonly head: string;
}): string {
  return [
    'Sealwright key ceremony, version 1',
    `title: ${facts.title}`,
    `mode: ${facts.mode}`,
    `script: sha256:${facts.scriptSha256}`,
    `transcript: sha256:${facts.head}`,
    '',
  ].join('\n');
}
