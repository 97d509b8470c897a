import { type Command, type CommandContext, UsageError } from '../command.ts';
import { jsonOf, textOf } from '../http-client.ts';
import { printable } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';

export const revokeCommand: Command = {
  name: 'revoke',
  arguments: ['FINGERPRINT'],
  summary: 'revoke a certificate, by the SHA-256 of its DER; for good',
  options: {
    reason: {
      type: 'string',
      value: 'REASON',
      help: 'keyCompromise (the key is refused for ever), superseded, cessationOfOperation … (required)',
    },
  },
  examples: ['npx sealwright revoke 9f86d0…0f00a08 --reason keyCompromise'],
  run: revoke,
};

async function revoke(context: CommandContext): Promise<number> {
  const [fingerprint = ''] = context.positionals;
  const reason = context.option('reason');
  if (reason === undefined) throw new UsageError('--reason is required: keyCompromise, superseded, unspecified …');
  const answer = await context.service.call(
    {
      method: 'POST',
      path: `/v1/certificates/${encodeURIComponent(fingerprint)}/revocation`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason }),
    },
    'operator',
    [200, 202],
  );
  const body = objectOf(jsonOf(answer));
  context.answer(body, () => {
    const what = `serial ${textOf(body.serial)} of ${textOf(body.authority)}`;
    if (body.status === 'pending')
      return `${printable(what)}: written down; its CA has not taken it yet (${printable(textOf(body.waitingFor))}), it is gone on with\n`;
    const already = body.already === true ? 'was revoked already' : 'is revoked';
    return `${printable(`${what} ${already}: ${textOf(body.reason)}, ${textOf(body.revokedAt)}`)}\n`;
  });
  return 0;
}
