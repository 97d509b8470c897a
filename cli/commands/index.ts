import type { Command } from '../command.ts';
import { auditCommands } from './audit.ts';
import { authoritiesCommands } from './authorities.ts';
import { blastRadiusCommand } from './blast-radius.ts';
import { ceremonyCommands } from './ceremony.ts';
import { credentialCommands } from './credential.ts';
import { custodyCommands } from './custody.ts';
import { dlqCommands } from './dlq.ts';
import { enrollCommand } from './enroll.ts';
import { freezeCommands } from './freeze.ts';
import { hierarchyCommands } from './hierarchy.ts';
import { nameCommands } from './name.ts';
import { operatorCommands } from './operator.ts';
import { orphanCommands } from './orphan.ts';
import { recountCommand } from './recount.ts';
import { revokeCommand } from './revoke.ts';
import { searchCommands } from './search.ts';
import { stateCommands } from './state.ts';
import { statusCommand } from './status.ts';

/** Commands that are used for one purpose, under its heading in the help. */
export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly Command[];
}

/** In the order of the help. A new command is a file beside this one and a line here. */
export const commandGroups: readonly CommandGroup[] = [
  { title: 'certificates', commands: [enrollCommand, statusCommand, ...searchCommands, revokeCommand] },
  {
    title: 'certification authorities and their keys',
    commands: [
      ...authoritiesCommands,
      ...hierarchyCommands,
      ...freezeCommands,
      ...custodyCommands,
      ...ceremonyCommands,
    ],
  },
  { title: 'who may ask', commands: [...credentialCommands, ...operatorCommands, ...nameCommands] },
  {
    title: 'when something is wrong',
    commands: [blastRadiusCommand, ...dlqCommands, ...orphanCommands, ...auditCommands, recountCommand],
  },
  { title: 'backup', commands: stateCommands },
];

export const commands: readonly Command[] = commandGroups.flatMap((group) => group.commands);
