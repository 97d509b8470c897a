/** Holds a ceremony from its first act, or from where an earlier run stopped, to the witnesses' signatures. */
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  type CeremonySummary,
  ceremonyNamespace,
  parseSshSignature,
  readTranscript,
  renderRoster,
  SshFormatError,
  statementOf,
  verifySshSignature,
  verifyTranscript,
} from '../../shared/ceremony/ceremony.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { CommandFailure } from '../command.ts';
import { printable } from '../terminal/text.ts';
import { actPlans } from './acts.ts';
import { readBounded, readSignatures } from './files.ts';
import { type CeremonySession, record, recorded, stopped } from './session.ts';
import { softwareIdentity } from './software.ts';

export interface CeremonyTexts {
  readonly script: string;
  readonly hierarchy: string;
}

const width = 96;
const signatureBytesMax = 16 * 1024;

/** Answers the summary of what was verified. Throws CommandFailure where it stops; what is recorded stays. */
export async function conduct(session: CeremonySession, texts: CeremonyTexts): Promise<CeremonySummary> {
  openOrResume(session, texts);
  const { script, say } = session;
  for (const [index, act] of script.acts.entries()) {
    const step = index + 1;
    if (session.transcript?.records.some((one) => one.kind === 'done' && one.step === step)) continue;
    const heading = `Act ${step} of ${script.acts.length}: ${act.act}${act.authority === undefined ? '' : ` ${act.authority}`}`;
    say(`\n── ${heading} ${'─'.repeat(Math.max(0, width - heading.length - 4))}\n`);
    const plan = actPlans[act.act];
    say(`${folded(plan.announce(session, act))}\n`);
    if (!(await session.operator.goOn(act.act))) throw stopped(`before act ${step}, ${act.act}`);
    await plan.perform(session, act, step);
    say(`  recorded: ${session.transcript?.records.length} records, sha256:${session.transcript?.head}\n`);
  }
  return collectSignatures(session);
}

function openOrResume(session: CeremonySession, texts: CeremonyTexts): void {
  const { file, folder, mode, script, say } = session;
  const digest = (text: string, sha256: string) => ({ text, sha256 });
  if (file.bytes.length === 0) {
    record(session, 'opened/open', 0, {
      mode,
      title: script.title,
      script: digest(texts.script, script.sha256),
      hierarchy: digest(texts.hierarchy, sha256Of(texts.hierarchy)),
      software: softwareIdentity(),
    });
    return;
  }
  const read = readTranscript(file.bytes);
  if (!read.ok) {
    throw new CommandFailure(
      'transcript-unsound',
      `${printable(folder.transcriptFile)}: ${read.refusals[0]?.message}`,
      [
        'it was changed after it was written: keep it as it is, and find out by whom',
        'a new ceremony is held in another folder: --out DIR',
      ],
    );
  }
  session.transcript = read.transcript;
  const opened = recorded(session, 'opened/open');
  if (
    opened?.body.mode !== mode ||
    opened.body.script.text !== texts.script ||
    opened.body.hierarchy.text !== texts.hierarchy
  ) {
    throw new CommandFailure(
      'another-ceremony',
      `${printable(folder.dir)} holds a ceremony of another script, hierarchy or mode`,
      ['go on with that one, with its own script and hierarchy', 'or hold this one in another folder: --out DIR'],
    );
  }
  const next = script.acts.findIndex(
    (_, index) => !read.transcript.records.some((one) => one.kind === 'done' && one.step === index + 1),
  );
  if (next < 0) {
    say('The acts of this ceremony are done already; what is left are signatures.\n');
    return;
  }
  const last = read.transcript.records.at(-1)?.at ?? '';
  say(`This ceremony was interrupted after ${last}. It goes on with act ${next + 1}; that is recorded, too.\n`);
  record(session, 'resumed/resume', next + 1, { software: softwareIdentity() });
}

async function collectSignatures(session: CeremonySession): Promise<CeremonySummary> {
  const { script, folder, operator, mode, say } = session;
  const head = session.transcript?.head ?? '';
  const statement = statementOf({ title: script.title, mode, scriptSha256: script.sha256, head });
  const present = recorded(session, 'done/identify-participants')?.body.witnesses ?? [];
  say(`\n── The witnesses sign ${'─'.repeat(width - 20)}\n`);
  say(`${statement.replace(/^/gm, '  ').trimEnd()}\n`);
  for (const { name } of present) {
    const statementFile = join(folder.signaturesDir, `${name}.txt`);
    const signatureFile = `${statementFile}.sig`;
    if (isSignedBy(session, name, signatureFile, statement)) {
      say(`  ${name} has signed\n`);
      continue;
    }
    writeFileSync(statementFile, statement);
    const command = `ssh-keygen -Y sign -n ${ceremonyNamespace} -f YOUR_KEY ${quoted(statementFile)}`;
    if (!(await operator.signature({ witness: name, statementFile, signatureFile, command }))) {
      say(`  ${name} has not signed\n`);
      continue;
    }
    const good = isSignedBy(session, name, signatureFile, statement);
    say(good ? `  ${name} has signed\n` : `  ✗ that is not ${name}'s signature on this statement\n`);
  }
  const verification = await verifyTranscript({
    transcript: readBounded(folder.transcriptFile, 8 * 1024 * 1024),
    roster: renderRoster(script),
    signatures: readSignatures(folder.signaturesDir),
    mode,
  });
  if (verification.ok) return verification.summary;
  const reasons = verification.refusals.map(({ code, message }) => `${code}: ${printable(message)}`);
  throw new CommandFailure('ceremony-not-verified', 'the ceremony does not verify yet', [
    ...reasons,
    'the same command collects what signatures are missing',
  ]);
}

function isSignedBy(session: CeremonySession, name: string, signatureFile: string, statement: string): boolean {
  const witness = session.script.witnesses.keys.find((one) => one.name === name);
  try {
    const signature = parseSshSignature(readBounded(signatureFile, signatureBytesMax).toString('latin1'));
    return (
      signature.namespace === ceremonyNamespace &&
      signature.publicKey.fingerprint === witness?.key.fingerprint &&
      verifySshSignature(signature, Buffer.from(statement, 'utf8'))
    );
  } catch (error) {
    if (error instanceof SshFormatError || error instanceof CommandFailure) return false;
    throw error;
  }
}

/** Short where that is possible, and safe to paste. */
function quoted(path: string): string {
  const near = relative(process.cwd(), path);
  const shown = near.startsWith('..') ? path : near;
  return /^[\w./@+-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
}

function folded(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}

function sha256Of(text: string): string {
  return sha256Hex(Buffer.from(text, 'utf8'));
}
