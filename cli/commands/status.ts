import { type Command, type CommandContext, UsageError } from '../command.ts';
import { jsonOf, problemOf, textOf } from '../http-client.ts';
import { failureOf } from '../service.ts';
import { printable, styled } from '../terminal/text.ts';
import { handOutCertificate, objectOf, outOption, showRefusal } from './certificate-output.ts';

export const statusCommand: Command = {
  name: 'status',
  arguments: ['ID'],
  summary: 'what became of an issuance; its certificate when there is one',
  options: outOption,
  examples: ['npx sealwright status ISSUANCE_ID --out device.pem'],
  run,
};

async function run(context: CommandContext): Promise<number> {
  const [id = ''] = context.positionals;
  if (id === '.' || id === '..') throw new UsageError('an issuance id looks like 4kq…Y.1');
  const answer = await context.service.call(
    { method: 'GET', path: `/v1/enrollments/${encodeURIComponent(id)}`, repeatable: true },
    'device',
    [200, 202, 422],
  );
  if (answer.status === 200) return handOutCertificate(context, objectOf(jsonOf(answer)));
  if (answer.status === 422) {
    const problem = problemOf(answer);
    if (problem === undefined) throw failureOf(answer, undefined);
    return showRefusal(context, problem);
  }
  const pending = objectOf(jsonOf(answer));
  const mark = styled('… pending', 'yellow', context.color);
  context.answer(
    pending,
    () => `${mark}: ${printable(textOf(pending.status))}\n  npx sealwright status ${printable(id)}\n`,
  );
  return 0;
}
