import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, type CommandContext, CommandFailure, UsageError, wholeNumber } from '../command.ts';
import { type EnrolmentEnd, enrol, requestContentType } from '../enrolment.ts';
import { nextAfter, unreachable } from '../service.ts';
import { printable } from '../terminal/text.ts';
import { handOutCertificate, outOption, showRefusal } from './certificate-output.ts';

/** Above the service's own limit of 64 KiB: it is for the service to refuse what is too long, with its code. */
const fileBytesMax = 1024 * 1024;
const waitSecondsDefault = 30;
const waitSecondsMax = 3_600;
/** The service holds one answer this long at most. */
const preferWaitSecondsMax = 10;

export const enrollCommand: Command = {
  name: 'enroll',
  arguments: ['FILE'],
  summary: 'send a certification request and wait for its certificate',
  options: {
    profile: { type: 'string', value: 'P', help: 'profile to ask for (device)' },
    wait: {
      type: 'string',
      value: 'S',
      help: `seconds to wait for the certificate (${waitSecondsDefault}); 0 only hands the request in`,
    },
    ...outOption,
  },
  examples: [
    'openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout device.key \\\n    -subj / -addext subjectAltName=DNS:my-device.fleet.example -out device.csr',
    'npx sealwright enroll device.csr --out device.pem',
    'npx sealwright enroll workload.csr --profile svid --wait 60 --json',
  ],
  run,
};

async function run(context: CommandContext): Promise<number> {
  const [file] = context.positionals;
  const profile = context.option('profile') ?? 'device';
  const waitSeconds = wholeNumber(context.option('wait') ?? String(waitSecondsDefault), '--wait', 0, waitSecondsMax);
  const out = context.option('out');
  const { io } = context;
  if (out !== undefined && file !== '-' && resolve(io.workingDirectory, out) === resolve(io.workingDirectory, file!)) {
    throw new UsageError('--out would overwrite the request itself');
  }
  const bytes =
    file === '-' ? await io.readStdin(fileBytesMax) : await readRequest(resolve(io.workingDirectory, file!), file!);
  const token = await context.service.token('device');
  const end = await enrol(
    {
      client: context.service.client,
      deviceSecret: token.secret,
      preferWaitSeconds: Math.min(waitSeconds, preferWaitSecondsMax),
      accept: 'json',
      patience: { triesMax: 4_000, enrolmentMsMax: waitSeconds * 1000, unreachableMax: 1 },
      now: io.now,
      monotonic: io.monotonic,
      sleep: io.sleep,
    },
    profile,
    { bytes, contentType: requestContentType(bytes) },
  );
  if (end.kind === 'certificate') return handOutCertificate(context, end.details ?? {});
  if (end.kind === 'refused' && end.problem !== undefined && end.status !== 401 && end.status !== 403)
    return showRefusal(context, end.problem);
  return unfinished(context, end, waitSeconds, nextAfter(end.status, token));
}

function unfinished(
  context: CommandContext,
  end: Exclude<EnrolmentEnd, { kind: 'certificate' }>,
  waitSeconds: number,
  next: readonly string[],
): number {
  if (end.status === 0) throw unreachable(context.url, end.code, end.reasons.join(' '));
  const reasons = end.reasons.map(printable).join('; ');
  if (end.code !== 'still-pending')
    throw new CommandFailure(end.code, `${end.status} ${printable(end.code)}. ${reasons}`, next);
  const status = `npx sealwright status ${printable(end.issuanceId ?? 'ID')}`;
  if (waitSeconds > 0)
    throw new CommandFailure('still-pending', `no certificate within ${waitSeconds} s; ${reasons}`, [status]);
  context.answer(
    { issuanceId: end.issuanceId, status: 'pending' },
    () => `accepted: ${printable(end.issuanceId ?? '')}\n  ${status}\n`,
  );
  return 0;
}

async function readRequest(path: string, shown: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > fileBytesMax)
        throw new CommandFailure(
          'file-too-long',
          `${printable(shown)} is longer than any request (${fileBytesMax} bytes)`,
        );
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? 'there is no file' : code === 'EISDIR' ? 'this is a folder:' : 'cannot read';
    throw new CommandFailure('file-missing', `${what} ${printable(shown)}`, [
      'npx sealwright enroll --help (how to make a request)',
    ]);
  }
}
