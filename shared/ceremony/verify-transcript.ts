/**
 * Whether a transcript is one of the ceremony that its script called for, as the witnesses on a roster saw it. Needs the
 * transcript, the signatures and the roster: no network, no module, no OpenSSH.
 */
import { findAuthority, type Hierarchy, parseHierarchy } from '../hierarchy/hierarchy.ts';
import { sha256Hex } from '../pki/hash.ts';
import { compareWithRehearsal } from './compare.ts';
import type { Refusal, RefusalCode } from './reason.ts';
import { type CeremonyMode, type CeremonyRecord, isOfType, type RecordOf } from './record.ts';
import { parseRoster, type Roster } from './roster.ts';
import { type CeremonyScript, parseScript } from './script.ts';
import { readTranscript, statementOf, type Transcript } from './transcript.ts';
import { type MadeCertificate, type MadeState, verifyMade } from './verify-made.ts';
import { verifyOrder } from './verify-order.ts';
import { type SignatureFile, verifySignatures } from './verify-signatures.ts';

export interface TranscriptToVerify {
  readonly transcript: Uint8Array;
  readonly roster: string;
  readonly signatures: readonly SignatureFile[];
  /** Bytes of the transcript of the rehearsal, whose own soundness is judged by verifying it. */
  readonly rehearsal?: Uint8Array;
  /** Refuse a transcript of the other mode. */
  readonly mode?: CeremonyMode;
}

/** What a transcript that was accepted shows. */
export interface CeremonySummary {
  readonly title: string;
  readonly mode: CeremonyMode;
  readonly scriptSha256: string;
  readonly head: string;
  readonly records: number;
  readonly openedAt: string;
  readonly closedAt: string;
  readonly resumed: number;
  readonly authority: string;
  readonly keySha256: string;
  /** Of the certificate of the CA itself, made or presented in the ceremony. */
  readonly authoritySha256: string;
  readonly emulator: boolean;
  readonly signers: readonly string[];
  readonly quorum: number;
  readonly certificates: readonly MadeCertificate[];
}

export type Verification =
  | { readonly ok: true; readonly summary: CeremonySummary }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

/**
 * Judges in stages: bytes and chain, then roster and script, then acts, documents, signatures together. A stage that fails
 * ends it, since the next would judge what is not established; within one, every reason is given. Total.
 */
export async function verifyTranscript(given: TranscriptToVerify): Promise<Verification> {
  const read = readTranscript(given.transcript);
  if (!read.ok) return read;
  const roster = parseRoster(given.roster);
  if (!roster.ok) {
    return refused(roster.faults.map(({ line, message }) => refusal('roster-malformed', `line ${line}: ${message}`)));
  }
  const basis = basisOf(read.transcript, roster.roster);
  if ('refusals' in basis) return refused(basis.refusals);
  const { opened, script } = basis;
  const { records, head } = read.transcript;
  const refusals = [...verifyOrder(records, script)];
  if (given.mode !== undefined && given.mode !== opened.body.mode)
    refusals.push(refusal('mode-unexpected', `the transcript is of a ${opened.body.mode}, not of a ${given.mode}`, 0));
  const made = refusals.length === 0 ? await verifyRecords(records, basis, refusals) : undefined;
  const statement = statementOf({
    title: script.title,
    mode: opened.body.mode,
    scriptSha256: script.sha256,
    head,
  });
  const signed = verifySignatures(
    given.signatures,
    statement,
    roster.roster,
    presentWitnesses(records),
    script.witnesses.quorum,
  );
  refusals.push(...signed.refusals);
  if (given.rehearsal !== undefined) refusals.push(...compared(given.rehearsal, records, script));
  if (refusals.length > 0 || made === undefined) return refused(refusals);
  return { ok: true, summary: summaryOf(read.transcript, basis, made, signed.signers) };
}

interface Basis {
  readonly opened: RecordOf<'opened/open'>;
  readonly script: CeremonyScript;
  readonly hierarchy: Hierarchy;
  readonly authority: MadeState['authority'];
}

function basisOf(
  { records }: Transcript,
  roster: Roster,
): Basis | { readonly refusals: readonly [Refusal, ...Refusal[]] } {
  const stop = (code: RefusalCode, message: string) => ({ refusals: [refusal(code, message, 0)] as const });
  const opened = records[0];
  if (opened === undefined || !isOfType(opened, 'opened/open'))
    return stop('act-out-of-order', 'the first record does not open a ceremony');
  const { script: scriptText, hierarchy: hierarchyText } = opened.body;
  if (digestOf(scriptText.text) !== scriptText.sha256 || digestOf(hierarchyText.text) !== hierarchyText.sha256)
    return stop('digest-differs', 'a digest is not that of its text');
  if (scriptText.sha256 !== roster.scriptSha256)
    return stop('foreign-roster', 'the roster is for another script than the one that was followed');
  const script = parseScript(scriptText.text);
  if (!script.ok) return stop('script-refused', `the script is not sound: ${script.faults[0]?.message ?? ''}`);
  const fingerprints = (list: readonly { readonly key: { readonly fingerprint: string } }[]) =>
    list
      .map(({ key }) => key.fingerprint)
      .sort()
      .join();
  if (fingerprints(roster.signers) !== fingerprints(script.script.witnesses.keys))
    return stop('foreign-roster', 'the signers of the roster are not the witnesses of the script');
  if (opened.body.title !== script.script.title)
    return stop('act-differs-from-script', 'the title is not that of the script');
  const hierarchy = parseHierarchy(hierarchyText.text);
  if (!hierarchy.ok)
    return stop('hierarchy-refused', `the hierarchy is not sound: ${hierarchy.faults[0]?.message ?? ''}`);
  const authority = findAuthority(hierarchy.hierarchy, script.script.authority);
  if (authority === undefined) return stop('authority-unknown', `the hierarchy has no CA ${script.script.authority}`);
  return { opened, script: script.script, hierarchy: hierarchy.hierarchy, authority };
}

async function verifyRecords(
  records: readonly CeremonyRecord[],
  { opened, script, hierarchy, authority }: Basis,
  refusals: Refusal[],
): Promise<MadeState> {
  const refuse: MadeState['refuse'] = (code, message, record) => refusals.push(refusal(code, message, record));
  const state: MadeState = { opened, script, hierarchy, authority, refuse, made: [] };
  for (const record of records) await verifyMade(record, state);
  return state;
}

function presentWitnesses(records: readonly CeremonyRecord[]): ReadonlySet<string> {
  const identified = records.find((record) => isOfType(record, 'done/identify-participants'));
  return new Set(identified?.body.witnesses.map(({ fingerprint }) => fingerprint) ?? []);
}

function compared(bytes: Uint8Array, run: readonly CeremonyRecord[], script: CeremonyScript): readonly Refusal[] {
  const rehearsal = readTranscript(bytes);
  if (!rehearsal.ok) {
    return [
      refusal('differs-from-rehearsal', `the rehearsal's transcript is not sound: ${rehearsal.refusals[0]?.message}`),
    ];
  }
  return compareWithRehearsal(run, rehearsal.transcript.records, script);
}

function summaryOf(
  { records, head }: Transcript,
  { opened, script }: Basis,
  { issuer, made, keySha256 }: MadeState,
  signers: readonly string[],
): CeremonySummary {
  const module = records.find((record) => isOfType(record, 'done/check-module'));
  return {
    title: script.title,
    mode: opened.body.mode,
    scriptSha256: script.sha256,
    head,
    records: records.length,
    openedAt: opened.at,
    closedAt: records.at(-1)!.at,
    resumed: records.filter(({ kind }) => kind === 'resumed').length,
    authority: script.authority,
    keySha256: keySha256 ?? '',
    authoritySha256: issuer === undefined ? '' : sha256Hex(issuer.der),
    emulator: module?.body.emulator ?? true,
    signers,
    quorum: script.witnesses.quorum,
    certificates: made,
  };
}

function digestOf(text: string): string {
  return sha256Hex(Buffer.from(text, 'utf8'));
}

function refusal(code: RefusalCode, message: string, record?: number): Refusal {
  return { code, message, ...(record === undefined ? {} : { record }) };
}

function refused(refusals: readonly Refusal[]): Verification {
  return { ok: false, refusals };
}
