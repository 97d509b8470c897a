import { type Command, type CommandContext, UsageError, wholeNumber } from '../command.ts';
import { jsonOf, textOf } from '../http-client.ts';
import { renderCurve } from '../terminal/curve.ts';
import { renderTable } from '../terminal/table.ts';
import { cut, printable, styled, wrap } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';
import { durationText, type Json, listOf, numberText, objectIn } from './inventory-output.ts';

const kinds = ['key', 'owner', 'fleet', 'credential'] as const;

export const blastRadiusCommand: Command = {
  name: 'blast-radius',
  arguments: ['[CA]'],
  summary: 'if this is compromised: how many certificates, whose, and how long until the last is replaced',
  options: {
    key: {
      type: 'string',
      value: 'SHA256',
      help: 'of a public key (SHA-256 of its SubjectPublicKeyInfo, hex) instead of a CA',
    },
    owner: { type: 'string', value: 'OWNER', help: 'of all that an owner holds' },
    fleet: { type: 'string', value: 'FLEET', help: 'of a fleet' },
    credential: { type: 'string', value: 'ID', help: 'of an enrolment credential' },
    by: { type: 'string', value: 'WHAT', help: 'all values of owner, fleet, profile, keyType or credential of the CA' },
    limit: { type: 'string', value: 'N', help: 'values of one page, with --by (100)' },
    cursor: { type: 'string', value: 'CURSOR', help: 'the next page, with --by' },
  },
  examples: [
    'npx sealwright blast-radius devices',
    'npx sealwright blast-radius root --json',
    'npx sealwright blast-radius --owner plant-7',
    'npx sealwright blast-radius devices --by owner --limit 1000',
  ],
  run,
};

async function run(context: CommandContext): Promise<number> {
  const path = pathOf(context);
  const answer = await context.service.call({ method: 'GET', path, repeatable: true }, 'operator', [200]);
  const body = objectOf(jsonOf(answer));
  context.answer(body, () => (context.option('by') === undefined ? report(context, body) : page(context, body)));
  return 0;
}

function pathOf(context: CommandContext): string {
  const [caId] = context.positionals;
  const given = kinds.filter((kind) => context.option(kind) !== undefined);
  if ((caId === undefined ? 0 : 1) + given.length !== 1)
    throw new UsageError('blast-radius takes a CA, or one of --key, --owner, --fleet, --credential');
  const by = context.option('by');
  if (caId === undefined) {
    if (by !== undefined) throw new UsageError('--by goes with a CA');
    const [kind] = given;
    return `/v1/blast-radius?${kind}=${encodeURIComponent(context.option(kind!)!)}`;
  }
  const path = `/v1/authorities/${encodeURIComponent(caId)}/blast-radius`;
  if (by === undefined) return path;
  const limit = context.option('limit');
  const cursor = context.option('cursor');
  const query = new URLSearchParams({ breakdown: by });
  if (limit !== undefined) query.set('limit', String(wholeNumber(limit, '--limit', 1, 1_000)));
  if (cursor !== undefined) query.set('cursor', cursor);
  return `${path}?${query}`;
}

function page(context: CommandContext, body: Json): string {
  const rows = listOf(body.values).map((one) => [textOf(one.value), numberText(one.outstanding)]);
  const columns = [{ header: textOf(body.breakdown) }, { header: 'outstanding', align: 'right' as const }];
  const next = textOf(body.nextCursor);
  return (
    renderTable(columns, rows, { color: context.color }) + (next === '' ? '' : `\nmore: --cursor ${printable(next)}\n`)
  );
}

function report(context: CommandContext, body: Json): string {
  const issued = objectIn(body.issued);
  const bold = (text: string) => styled(text, 'bold', context.color);
  return [
    bold(`${title(body)}\n`),
    headline(body, issued),
    breakdowns(context, objectIn(issued.by)),
    curve(bold, issued),
    issuable(bold, objectIn(body.issuable)),
    reach(bold, objectIn(body.reach)),
    rotation(bold, objectIn(body.rotation)),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function title(body: Json): string {
  const authority = objectIn(body.authority);
  const subject = objectIn(body.subject);
  const name =
    textOf(authority.id) === ''
      ? `${textOf(subject.kind)} ${textOf(subject.value)}`
      : `${textOf(authority.tier)} CA ${textOf(authority.id)}, generation ${textOf(authority.generation)}`;
  return cut(printable(`Blast radius of ${name} at ${textOf(body.asOf).replace(/\.\d+Z$/, 'Z')}`), 100);
}

function headline(body: Json, issued: Json): string {
  const { outstandingMin } = issued;
  const figure = (name: string, value: unknown, note = '') =>
    `${name.padEnd(14)} ${numberText(value).padStart(13)}${note}\n`;
  const bounds =
    body.exact === true
      ? ''
      : `   (between ${numberText(outstandingMin)} and this, exact at ${textOf(body.nextEdge).slice(0, 16)}Z)`;
  const unsettled = objectIn(issued.unsettled);
  const open = Object.entries(unsettled).flatMap(([name, count]) =>
    count === 0 ? [] : [`${numberText(count)} ${printable(name)}`],
  );
  return [
    figure('issued', issued.total),
    figure('− revoked', issued.revoked),
    figure('− expired', issued.expired),
    figure('= outstanding', issued.outstanding, bounds),
    open.length === 0 ? '' : `not settled    ${open.join(', ')}\n`,
    textOf(issued.lastNotAfter) === ''
      ? ''
      : `the last one ends ${textOf(issued.lastNotAfter).replace(/\.\d+Z$/, 'Z')}\n`,
  ].join('');
}

function breakdowns(context: CommandContext, by: Json): string {
  const names = ['authority', 'owner', 'fleet', 'profile', 'keyType', 'credential'];
  const rows = names.flatMap((name) => {
    const values = listOf(by[name]);
    const shown = values
      .slice(0, 5)
      .map((one, index) => [index === 0 ? name : '', textOf(one.value), numberText(one.outstanding)]);
    const total = by[`${name}sTotal`];
    const others = typeof total === 'number' ? total - shown.length : values.length - shown.length;
    return others > 0 ? [...shown, ['', `… ${numberText(others)} more`, '']] : shown;
  });
  if (rows.length === 0) return '';
  return renderTable(
    [{ header: 'by' }, { header: 'value', widthMin: 20 }, { header: 'outstanding', align: 'right' }],
    rows,
    { color: context.color },
  );
}

function curve(bold: (text: string) => string, issued: Json): string {
  const points = listOf(issued.exposureCurve).map(({ at, outstanding }) => ({
    at: Date.parse(textOf(at)),
    value: Number(outstanding),
  }));
  const drawn = renderCurve(points, { label: (at) => new Date(at).toISOString().slice(0, 10) });
  return drawn === '' ? '' : `${bold('Still valid, if nothing is done')}\n${drawn}`;
}

function issuable(bold: (text: string) => string, found: Json): string {
  if (textOf(found.until) === '') return '';
  const permitted = objectIn(found.permitted);
  const names = Object.entries(permitted).map(([kind, value]) => `${kind} ${constraintText(value)}`);
  const excluded = Array.isArray(found.excluded) ? found.excluded.map(textOf) : [];
  return [
    `${bold('Still issuable by whoever has the key')}\n`,
    `until ${textOf(found.until).slice(0, 10)}, ${found.subordinateAuthorities === true ? 'CAs below it too' : 'no CAs below it'}\n`,
    `names: ${cut(names.join('; '), 90)}\n`,
    excluded.length === 0 ? '' : `but not: ${cut(printable(excluded.join(', ')), 88)}\n`,
    `purposes: ${cut(constraintText(found.extendedKeyUsage), 88)}\n`,
  ].join('');
}

function constraintText(value: unknown): string {
  if (!Array.isArray(value)) return 'any';
  return value.length === 0 ? 'none' : printable(value.map(textOf).join(' '));
}

function reach(bold: (text: string) => string, found: Json): string {
  if (textOf(found.until) === '') return '';
  const profiles = Array.isArray(found.profiles) ? found.profiles.map(textOf).join(', ') : '';
  return [
    `${bold('Still to be had with the credential')}\n`,
    `${numberText(found.remaining)} certificates until ${textOf(found.until).slice(0, 10)}, profiles ${cut(printable(profiles), 50)}\n`,
  ].join('');
}

function rotation(bold: (text: string) => string, found: Json): string {
  if (textOf(found.limitedBy) === '') return '';
  const after = objectIn(found.replacedAfterSeconds);
  const line = (percent: string) => {
    const span = objectIn(after[percent]);
    const text =
      span.p50 === undefined
        ? 'never without hands, or not known'
        : `${durationText(span.p50)}, and in nine of ten cases within ${durationText(span.p90)}`;
    return `${percent.padStart(4)} % replaced after ${text}\n`;
  };
  const unreachable = objectIn(found.unreachable);
  const cost = objectIn(found.cost);
  const assumptions = Array.isArray(found.assumptions) ? found.assumptions : [];
  return [
    `${bold('Rotation, were it to begin now')}\n`,
    ...['50', '95', '100'].map(line),
    `limited by ${textOf(found.limitedBy)}; ${numberText(found.devices)} devices\n`,
    `${numberText(unreachable.count)} of them unreachable: ${cut(printable(textOf(unreachable.basis)), 60)}\n`,
    `issuance costs ${numberText(cost.issuance)} ${textOf(cost.currency)} at the prices of ${textOf(cost.pricesAsOf)}\n`,
    ...assumptions.map((text) => `  · ${wrap(printable(textOf(text)), 96, 4).join('\n    ')}\n`),
  ].join('');
}
