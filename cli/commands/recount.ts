import { type Command, type CommandContext, CommandFailure } from '../command.ts';
import { jsonOf, textOf } from '../http-client.ts';
import { progressBar } from '../terminal/progress-bar.ts';
import { renderTable } from '../terminal/table.ts';
import { objectOf } from './certificate-output.ts';
import { type Json, listOf, numberText, objectIn } from './inventory-output.ts';

export const recountCommand: Command = {
  name: 'recount',
  arguments: [],
  summary: 'count every certificate and hold the counters against it; exit 1 when a bucket differs',
  options: {},
  examples: ['npx sealwright recount', 'npx sealwright recount --json'],
  run,
};

const pauseMs = 1_000;
/** A recount of a hundred million takes an hour or two. */
const waitMsMax = 6 * 3_600_000;

async function run(context: CommandContext): Promise<number> {
  const body = await untilDone(context);
  if (body.status === 'failed')
    throw new CommandFailure('recount-failed', 'the recount ended without a result', ['see the log of the service']);
  context.answer(body, () => report(context, body));
  return body.equal === true ? 0 : 1;
}

async function untilDone({ io, service, json, color }: CommandContext): Promise<Json> {
  const call = async (method: 'GET' | 'POST', path: string) =>
    objectOf(jsonOf(await service.call({ method, path, repeatable: true }, 'operator', [200, 202])));
  let body = await call('POST', '/v1/recounts');
  if (body.status !== 'running') return body;
  const path = `/v1/recounts/${encodeURIComponent(textOf(body.id))}`;
  const bar = progressBar({
    stream: io.stderr,
    label: 'counting',
    total: Math.max(1, Number(body.issuancesAbout) || 0),
    enabled: !json,
    color,
    now: io.monotonic,
  });
  try {
    for (let waitedMs = 0; body.status === 'running' && waitedMs < waitMsMax; waitedMs += pauseMs) {
      await io.sleep(pauseMs);
      body = await call('GET', path);
      bar.update(Number(body.certificatesCounted));
    }
  } finally {
    bar.end();
  }
  return body;
}

function report(context: CommandContext, body: Json): string {
  const counted = `${numberText(body.certificatesCounted)} certificates, ${numberText(body.counters)} counters`;
  if (body.equal === true) return `✓ the counters equal the records: ${counted}\n`;
  const place = (one: Json) => [textOf(one.authority), textOf(one.dimension), textOf(one.value)];
  const figures = (value: unknown) => {
    const { issued, revoked } = objectIn(value);
    return `${numberText(issued)} − ${numberText(revoked)}`;
  };
  const rows = [
    ...listOf(body.differences).map((one) => [
      ...place(one),
      `${textOf(one.bucketStart).slice(0, 16)} ${one.bucketSeconds === 3_600 ? 'hour' : 'day'}`,
      figures(one.counted),
      figures(one.recounted),
    ]),
    ...listOf(body.sumDifferences).map((one) => [...place(one), 'sum', figures(one.counted), figures(one.recounted)]),
  ];
  return [
    `✗ the counters differ from the records: ${numberText(body.differing)} buckets; ${counted}\n`,
    renderTable(
      [
        { header: 'CA' },
        { header: 'by' },
        { header: 'value' },
        { header: 'bucket of notAfter', widthMin: 18 },
        { header: 'counted', align: 'right' },
        { header: 'recounted', align: 'right', widthMin: 9 },
      ],
      rows,
      { color: context.color },
    ),
    'nothing was changed; docs/blast-radius.md says what to do\n',
  ].join('');
}
