import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  type CeremonyMode,
  type CeremonySummary,
  renderRoster,
  transcriptBytesMax,
  verifyTranscript,
} from '../../shared/ceremony/ceremony.ts';
import { readBounded, readSignatures } from '../ceremony/files.ts';
import { type Command, type CommandContext, CommandFailure, type OptionDescription, UsageError } from '../command.ts';
import { printable, styled } from '../terminal/text.ts';

const holdOptions: Readonly<Record<string, OptionDescription>> = {
  out: { type: 'string', value: 'DIR', help: 'where transcript and certificates go (STATE/ceremony)' },
  answers: { type: 'string', value: 'FILE', help: 'answers from a file instead of the terminal' },
};

export const ceremonyCommands: readonly Command[] = [
  {
    name: 'ceremony rehearse',
    arguments: ['SCRIPT'],
    summary: 'rehearse the key ceremony of a script on SoftHSM, on this machine',
    options: holdOptions,
    examples: ['npx sealwright ceremony rehearse docs/ceremony/root.yaml --state .sealwright-ceremony'],
    run: (context) => hold(context, 'rehearsal'),
  },
  {
    name: 'ceremony run',
    arguments: ['SCRIPT'],
    summary: 'hold the ceremony, on the HSM whose PKCS #11 library SEALWRIGHT_PKCS11_MODULE names',
    options: {
      ...holdOptions,
      pin: {
        type: 'string',
        value: 'SOURCE',
        help: 'where the PIN is read: fd:N, file:PATH, secretsmanager:ARN or prompt (prompt)',
      },
      cluster: { type: 'string', value: 'ID', help: 'CloudHSM cluster behind the module, to be asked what it is' },
      region: { type: 'string', value: 'REGION', help: 'Region of the cluster (AWS_REGION)' },
    },
    examples: ['SEALWRIGHT_PKCS11_MODULE=/opt/hsm/pkcs11.so npx sealwright ceremony run root.yaml --out root-g1'],
    run: (context) => hold(context, 'run'),
  },
  {
    name: 'ceremony roster',
    arguments: ['SCRIPT'],
    summary: 'print whose signatures count for a script; give it to verifiers apart from the transcript',
    options: {},
    examples: ['npx sealwright ceremony roster docs/ceremony/root.yaml > roster'],
    run: roster,
  },
  {
    name: 'ceremony verify',
    arguments: ['TRANSCRIPT'],
    summary: 'check that a transcript is what the witnesses on a roster signed; needs no network and no HSM',
    options: {
      roster: { type: 'string', value: 'FILE', help: 'the roster, from another source than the transcript' },
      signatures: {
        type: 'string',
        value: 'DIR',
        help: 'folder of the .sig files (signatures, beside the transcript)',
      },
      rehearsal: {
        type: 'string',
        value: 'TRANSCRIPT',
        help: 'transcript of the rehearsal: refuse what differs and may not',
      },
      mode: { type: 'string', value: 'MODE', help: 'refuse a transcript of the other mode: rehearsal or run' },
    },
    examples: [
      'npx sealwright ceremony verify .sealwright/ceremony --roster roster',
      'npx sealwright ceremony verify root-g1/transcript.jsonl --roster roster --mode run',
    ],
    run: verify,
  },
];

async function hold(context: CommandContext, mode: CeremonyMode): Promise<number> {
  // What loads a PKCS #11 library is loaded by who needs it only.
  const { holdCeremony } = await import('../ceremony/hold.ts');
  const { summary, dir, hierarchyFile, stateDir } = await holdCeremony(context, mode);
  context.answer({ ...jsonOf(summary), folder: dir }, () =>
    [
      `\n${styled('✓', 'green', context.color)} the ceremony is complete and verifies\n`,
      textOf(summary),
      `  folder       ${printable(dir)}\n`,
      `\n  next: npx sealwright ceremony verify ${printable(dir)} --roster ROSTER\n`,
      `  then: npx sealwright hierarchy apply --hierarchy ${printable(hierarchyFile)} \\\n`,
      `          --state ${printable(stateDir)} --adopt ${printable(dir)} --roster ROSTER\n`,
    ].join(''),
  );
  return 0;
}

async function roster(context: CommandContext): Promise<number> {
  const { readScript } = await import('../ceremony/read-script.ts');
  const { script } = readScript(context.io.workingDirectory, context.positionals[0]!);
  const text = renderRoster(script);
  context.answer({ script: `sha256:${script.sha256}`, quorum: script.witnesses.quorum, roster: text }, () => text);
  return 0;
}

async function verify(context: CommandContext): Promise<number> {
  const { workingDirectory } = context.io;
  const at = (path: string) => resolve(workingDirectory, path);
  const transcriptFile = transcriptAt(at(context.positionals[0]!));
  const rosterFile = context.option('roster');
  if (rosterFile === undefined) {
    throw new UsageError(
      'ceremony verify needs --roster FILE: a transcript cannot say itself whose signatures count. npx sealwright ceremony roster SCRIPT makes one from the script that was agreed to',
    );
  }
  const mode = context.option('mode');
  if (mode !== undefined && mode !== 'rehearsal' && mode !== 'run') throw new UsageError('--mode is rehearsal or run');
  const rehearsal = context.option('rehearsal');
  const verification = await verifyTranscript({
    transcript: readBounded(transcriptFile, transcriptBytesMax + 1),
    roster: readBounded(at(rosterFile), 64 * 1024).toString('utf8'),
    signatures: readSignatures(at(context.option('signatures') ?? join(dirname(transcriptFile), 'signatures'))),
    ...(rehearsal === undefined ? {} : { rehearsal: readBounded(transcriptAt(at(rehearsal)), transcriptBytesMax + 1) }),
    ...(mode === undefined ? {} : { mode }),
  });
  if (verification.ok) {
    const { summary } = verification;
    context.answer({ verified: true, ...jsonOf(summary) }, () =>
      `${styled('✓', 'green', context.color)} the transcript verifies\n`.concat(textOf(summary)),
    );
    return 0;
  }
  const { refusals } = verification;
  context.answer({ verified: false, refusals }, () =>
    [
      `${styled('✗', 'red', context.color)} the transcript is refused\n`,
      ...refusals.map(({ code, message, record, signature }) => {
        const where = record === undefined ? (signature ?? '') : `record ${record}`;
        return `  ${code.padEnd(24)} ${printable(message)}${where === '' ? '' : ` (${printable(where)})`}\n`;
      }),
    ].join(''),
  );
  return 1;
}

/** A transcript, or the folder of a ceremony. */
function transcriptAt(path: string): string {
  try {
    return statSync(path).isDirectory() ? join(path, 'transcript.jsonl') : path;
  } catch {
    throw new CommandFailure('file-unreadable', `there is no ${printable(path)}`);
  }
}

function jsonOf(summary: CeremonySummary): Readonly<Record<string, unknown>> {
  const { certificates, ...rest } = summary;
  const listed = certificates.map(({ authority, generation, file, sha256 }) => ({
    authority,
    generation,
    file,
    sha256,
  }));
  return { ...rest, certificates: listed };
}

function textOf(summary: CeremonySummary): string {
  const { title, mode, emulator, openedAt, closedAt, resumed, authority, keySha256, signers, quorum } = summary;
  const kind = mode === 'rehearsal' ? 'REHEARSAL on SoftHSM: it shows that the script works, and proves no key' : 'run';
  const module = mode === 'run' && emulator ? ' on SoftHSM, whose keys are files' : '';
  const interrupted = resumed === 0 ? '' : `, interrupted ${resumed === 1 ? 'once' : `${resumed} times`}`;
  return [
    `  ceremony     ${printable(title)}\n`,
    `  mode         ${kind}${module}\n`,
    `  held         ${openedAt} to ${closedAt}, ${summary.records} records${interrupted}\n`,
    `  script       sha256:${summary.scriptSha256}\n`,
    `  transcript   sha256:${summary.head}\n`,
    `  key of       ${authority}, sha256:${keySha256}\n`,
    `  signed by    ${signers.map((name) => printable(name)).join(', ')} (quorum ${quorum})\n`,
    ...summary.certificates.map(({ file, sha256 }) => `  certificate  ${printable(file)}, sha256:${sha256}\n`),
  ].join('');
}
