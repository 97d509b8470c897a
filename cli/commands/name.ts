import type { Command, CommandContext } from '../command.ts';
import { printable } from '../terminal/text.ts';

export const nameCommands: readonly Command[] = [
  {
    name: 'name release',
    arguments: ['NAME'],
    summary: 'free a name from the key that holds it, so that another key may take it',
    options: {},
    examples: [
      'npx sealwright name release pump-17.fleet.example',
      'npx sealwright name release spiffe://fleet.example/ns/edge/sa/collector',
    ],
    run: release,
  },
];

async function release(context: CommandContext): Promise<number> {
  const [name = ''] = context.positionals;
  await context.service.call({ method: 'DELETE', path: `/v1/names/${encodeURIComponent(name)}` }, 'operator', [204]);
  context.answer({ released: name }, () => `released ${printable(name)}\n`);
  return 0;
}
