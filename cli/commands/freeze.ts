import type { Command, CommandContext } from '../command.ts';
import { jsonOf, textOf } from '../http-client.ts';
import { printable } from '../terminal/text.ts';
import { objectOf } from './certificate-output.ts';

export const freezeCommands: readonly Command[] = [
  {
    name: 'hierarchy freeze',
    arguments: ['CA'],
    summary: 'stop a CA from issuing, at once; what is intended already is finished',
    options: {},
    examples: ['npx sealwright hierarchy freeze devices'],
    run: (context) => change(context, 'freeze'),
  },
  {
    name: 'hierarchy unfreeze',
    arguments: ['CA'],
    summary: 'let a frozen CA issue again; another operator than the one who froze it',
    options: {},
    examples: ['npx sealwright hierarchy unfreeze devices --state OTHER_OPERATOR'],
    run: (context) => change(context, 'unfreeze'),
  },
];

async function change(context: CommandContext, verb: 'freeze' | 'unfreeze'): Promise<number> {
  const [id = ''] = context.positionals;
  const path = `/v1/authorities/${encodeURIComponent(id)}/${verb}`;
  const fence = objectOf(jsonOf(await context.service.call({ method: 'POST', path }, 'operator', [200])));
  context.answer(fence, () => {
    const state = fence.frozen === true ? 'frozen' : 'not frozen';
    const told = fence.changed === true ? `is ${state} now` : `was ${state} already`;
    const since = fence.frozen === true ? `, by operator ${textOf(fence.changedBy)} at ${textOf(fence.changedAt)}` : '';
    const next = fence.frozen === true ? 'what next: docs/runbook.md, "A CA is compromised"\n' : '';
    return `${printable(id)} ${told}${printable(since)}\n${next}`;
  });
  return 0;
}
