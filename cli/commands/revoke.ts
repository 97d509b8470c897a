import { type Command, type CommandContext, CommandFailure, UsageError, wholeNumber } from '../command.ts';
import { jsonOf, textOf } from '../http-client.ts';
import { type ProgressBar, progressBar } from '../terminal/progress-bar.ts';
import { printable, wantsColor } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';
import { filterOptions, searchQuery } from './search.ts';
import { searchPages } from './search-pages.ts';

export const revokeCommand: Command = {
  name: 'revoke',
  arguments: ['[FINGERPRINT]'],
  summary: 'revoke a certificate by the SHA-256 of its DER, or what a search finds; for good',
  options: {
    reason: {
      type: 'string',
      value: 'REASON',
      help: 'keyCompromise (the key is refused for ever), superseded, cessationOfOperation … (required)',
    },
    ...filterOptions,
    confirm: { type: 'string', value: 'COUNT', help: 'of a search: how many there are, as the dry run counted' },
  },
  examples: [
    'npx sealwright revoke 9f86d0…0f00a08 --reason keyCompromise',
    'npx sealwright revoke --owner plant-7 --fleet sensors --reason superseded',
    'npx sealwright revoke --owner plant-7 --fleet sensors --reason superseded --confirm 1200',
  ],
  run: revoke,
};

async function revoke(context: CommandContext): Promise<number> {
  const [fingerprint] = context.positionals;
  const reason = context.option('reason');
  if (reason === undefined) throw new UsageError('--reason is required: keyCompromise, superseded, unspecified …');
  const query = searchQuery(context);
  const isSearch = query.size > 1;
  if ((fingerprint === undefined) !== isSearch) throw new UsageError('either a FINGERPRINT, or filters of a search');
  if (fingerprint === undefined) return revokeFound(context, query, reason);
  const body = await revokeOne(context, fingerprint, reason);
  context.answer(body, () => {
    const what = `serial ${textOf(body.serial)} of ${textOf(body.authority)}`;
    if (body.status === 'pending')
      return `${printable(what)}: written down; its CA has not taken it yet (${printable(textOf(body.waitingFor))}), it is gone on with\n`;
    const already = body.already === true ? 'was revoked already' : 'is revoked';
    // The first reason stays; that the key is compromised is taken down all the same.
    const key = reason === 'keyCompromise' && body.reason !== reason ? '; its key is refused from now on' : '';
    return `${printable(`${what} ${already}: ${textOf(body.reason)}, ${textOf(body.revokedAt)}${key}`)}\n`;
  });
  return 0;
}

async function revokeOne(context: CommandContext, fingerprint: string, reason: string) {
  const answer = await context.service.call(
    {
      method: 'POST',
      path: `/v1/certificates/${encodeURIComponent(fingerprint)}/revocation`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason }),
      repeatable: true,
    },
    'operator',
    [200, 202],
  );
  return objectOf(jsonOf(answer));
}

/** Counts first; revokes when the count that was confirmed is what is found now. What is revoked already is not counted. */
async function revokeFound(context: CommandContext, query: URLSearchParams, reason: string): Promise<number> {
  const confirmed = context.option('confirm');
  const expected = confirmed === undefined ? undefined : wholeNumber(confirmed, '--confirm', 1, 10_000_000);
  if (!query.has('status')) query.set('status', 'issued');
  const found = await fingerprintsOf(context, query);
  const count = found.length;
  if (expected === undefined || count === 0) {
    context.answer({ found: count, revoked: 0, pending: 0 }, () =>
      count === 0 ? 'no certificate to revoke\n' : `${count} to revoke; nothing was done: add --confirm ${count}\n`,
    );
    return 0;
  }
  if (count !== expected)
    throw new CommandFailure('count-differs', `${count} are found now, not the ${expected} that were confirmed`, [
      `the same command with --confirm ${count}, if it is what you mean`,
    ]);
  const bar = revokingBar(context, count);
  let [done, pending] = [0, 0];
  try {
    for (const fingerprint of found) {
      if ((await revokeOne(context, fingerprint, reason)).status === 'pending') pending += 1;
      done += 1;
      bar.update(done, pending === 0 ? '' : `${pending} waiting for their CA`);
    }
  } finally {
    bar.end();
  }
  context.answer({ found: count, revoked: count - pending, pending }, () =>
    pending === 0
      ? `${count} revoked\n`
      : `${count - pending} revoked; ${pending} written down and gone on with, at the 20 a second that ACM PCA takes\n`,
  );
  return 0;
}

function revokingBar({ io, json }: CommandContext, total: number): ProgressBar {
  const { environment, monotonic: now, stderr: stream } = io;
  return progressBar({ stream, label: 'revoking', total, enabled: !json, color: wantsColor(stream, environment), now });
}

async function fingerprintsOf(context: CommandContext, query: URLSearchParams): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const answer of searchPages(context, query, 'application/x-ndjson'))
    for (const line of answer.body.toString('utf8').split('\n'))
      if (line !== '') found.push(textOf(objectOf(JSON.parse(line)).fingerprint));
  return found;
}
