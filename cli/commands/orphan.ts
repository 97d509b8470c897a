import { type Command, type CommandContext, UsageError } from '../command.ts';
import { isObject, jsonOf, textOf } from '../http-client.ts';
import { printable } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';

export const orphanCommands: readonly Command[] = [
  {
    name: 'orphan list',
    arguments: [],
    summary: 'issuances that ACM PCA was asked for and whose outcome is not known',
    options: {},
    examples: ['npx sealwright orphan list'],
    run: list,
  },
  {
    name: 'orphan settle',
    arguments: ['ID'],
    summary: 'decide about one that the audit report alone does not settle',
    options: {
      adopt: { type: 'string', value: 'ARN', help: 'this certificate is its own; taken only if it is in everything' },
      absent: { type: 'boolean', help: 'the CA has no certificate for it: it is issued anew' },
      'i-checked-the-report': {
        type: 'boolean',
        help: 'with --absent: an audit report begun late enough was read, and has no certificate for it',
      },
    },
    examples: [
      'npx sealwright orphan settle ISSUANCE_ID --adopt arn:aws:acm-pca:…/certificate/1234',
      'npx sealwright orphan settle ISSUANCE_ID --absent --i-checked-the-report',
    ],
    run: settle,
  },
];

async function list(context: CommandContext): Promise<number> {
  const answer = await context.service.call(
    { method: 'GET', path: '/v1/orphans', repeatable: true },
    'operator',
    [200],
  );
  const body = objectOf(jsonOf(answer));
  const orphans = Array.isArray(body.orphans) ? body.orphans.filter(isObject) : [];
  context.answer({ orphans }, () =>
    orphans.length === 0 ? 'no issuance of unknown outcome\n' : orphans.map(orphanText).join(''),
  );
  return 0;
}

/** Not a table: the id has to be copied, and the names are as long as they are. */
function orphanText(orphan: Readonly<Record<string, unknown>>): string {
  const report = isObject(orphan.lastReport) ? orphan.lastReport : undefined;
  const names = Array.isArray(orphan.names) ? orphan.names.map(textOf) : [];
  const reported = report === undefined ? 'none yet' : `of ${secondsOf(report.askedAt)}, ${textOf(report.status)}`;
  const lines = [
    textOf(orphan.issuanceId),
    `  ${textOf(orphan.authority)}, ${textOf(orphan.owner)} / ${textOf(orphan.fleet)}: ${names.join(' ')}`,
    `  asked for ${secondsOf(orphan.intendedAt)}; a report proves absence from ${secondsOf(orphan.absenceProvableFrom)}`,
    `  last report: ${reported}`,
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

/** An instant to the second. */
function secondsOf(instant: unknown): string {
  return textOf(instant).replace(/\.\d+Z$/, 'Z');
}

async function settle(context: CommandContext): Promise<number> {
  const [id = ''] = context.positionals;
  const path = `/v1/orphans/${encodeURIComponent(id)}/settlement`;
  const answer = await context.service.call(
    {
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(decisionOf(context)),
    },
    'operator',
    [200],
  );
  const settled = objectOf(jsonOf(answer));
  const next = textOf(settled.status) === 'issued' ? 'adopted: the certificate is handed out' : 'to be issued anew';
  context.answer(settled, () => `${printable(id)} is ${next}\n`);
  return 0;
}

function decisionOf(context: CommandContext): Readonly<Record<string, unknown>> {
  const certificateArn = context.option('adopt');
  const absent = context.flag('absent');
  if ((certificateArn !== undefined) === absent) throw new UsageError('either --adopt ARN or --absent');
  const checked = context.flag('i-checked-the-report');
  if (certificateArn !== undefined) {
    if (checked) throw new UsageError('--i-checked-the-report goes with --absent');
    return { decision: 'adopt', certificateArn };
  }
  if (!checked) {
    throw new UsageError(
      '--absent has the certificate issued anew: where the CA has one after all, there are two then. ' +
        'Read the audit report first, and add --i-checked-the-report',
    );
  }
  return { decision: 'absent', reportChecked: true };
}
