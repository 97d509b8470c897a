/** Whether what a ceremony left may be taken over: its transcript is verified before any certificate of it is. */
import { join, resolve } from 'node:path';
import type { AdoptedCertificate, CeremonyStanding } from '../../localstack/embedded/hierarchy-work.ts';
import {
  type CeremonyMode,
  type CeremonySummary,
  type Refusal,
  transcriptBytesMax,
  verifyTranscript,
} from '../../shared/ceremony/ceremony.ts';
import { type CommandContext, CommandFailure } from '../command.ts';
import { printable } from '../terminal/text.ts';
import { ceremonyFolder, readBounded, readSignatures } from './files.ts';

export const rosterBytesMax = 64 * 1024;

/**
 * In prod a roster has to be there, and the transcript that of a run on a module that is no emulator. In dev it is verified
 * when there is a roster, a rehearsal too. Each certificate that would be taken over has to be one that the transcript
 * shows. Throws `CommandFailure` with every reason.
 */
export async function judgeCeremony(
  context: CommandContext,
  dir: string,
  adopted: readonly AdoptedCertificate[],
  stage: 'dev' | 'prod',
): Promise<CeremonyStanding> {
  const roster = context.option('roster');
  if (roster === undefined) {
    if (stage === 'dev') return { verified: false, because: 'no-roster' };
    const files = adopted.map(({ caId, generation }) => `${caId} generation ${generation}`).join(', ');
    throw new CommandFailure(
      'roster-missing',
      `outside dev nothing is adopted from a ceremony without its roster: ${files} in ${printable(dir)}`,
      [
        'npx sealwright hierarchy apply --adopt DIR --roster FILE',
        'npx sealwright ceremony roster SCRIPT makes the roster, from the script that was agreed to',
      ],
    );
  }
  const { signaturesDir, transcriptFile } = ceremonyFolder(dir);
  const transcript = readBounded(transcriptFile, transcriptBytesMax + 1);
  const mode: CeremonyMode | undefined = stage === 'dev' ? undefined : 'run';
  const verification = await verifyTranscript({
    transcript,
    roster: readBounded(resolve(context.io.workingDirectory, roster), rosterBytesMax).toString('utf8'),
    signatures: readSignatures(signaturesDir),
    ...(mode === undefined ? {} : { mode }),
  });
  if (!verification.ok) throw refused(dir, verification.refusals.map(toldRefusal));
  const { summary } = verification;
  const faults = [
    ...(stage !== 'dev' && summary.emulator ? ['made-by-emulator: the module of the ceremony was SoftHSM'] : []),
    ...adopted.flatMap((one) => certificateFaults(one, summary)),
  ];
  if (faults.length > 0) throw refused(dir, faults);
  const { head, mode: held, quorum, signers } = summary;
  return { verified: true, mode: held, head, signers, quorum };
}

/** A certificate was made in the ceremony, or is that of the CA whose key was presented to it. */
function certificateFaults({ caId, generation, sha256 }: AdoptedCertificate, summary: CeremonySummary): string[] {
  const shown = summary.certificates.some(
    (one) => one.authority === caId && one.generation === generation && one.sha256 === sha256,
  );
  if (shown || (caId === summary.authority && sha256 === summary.authoritySha256)) return [];
  const file = join('authorities', `${caId}-g${generation}.pem`);
  return [`certificate-not-shown: ${file} is none of the certificates that the transcript shows (sha256:${sha256})`];
}

export function toldRefusal({ code, message, record, signature }: Refusal): string {
  const where = record === undefined ? (signature ?? '') : `record ${record}`;
  return `${code}: ${printable(message)}${where === '' ? '' : ` (${printable(where)})`}`;
}

function refused(dir: string, reasons: readonly string[]): CommandFailure {
  return new CommandFailure(
    'ceremony-refused',
    `nothing is adopted: the ceremony in ${printable(dir)} is refused\n${reasons.map((reason) => `  ${reason}`).join('\n')}`,
    ['npx sealwright ceremony verify DIR --roster FILE says the same, and needs no state'],
  );
}
