import type { Command } from '../command.ts';
import { auditCommands } from './audit.ts';
import { authoritiesCommands } from './authorities.ts';
import { blastRadiusCommand } from './blast-radius.ts';
import { ceremonyCommands } from './ceremony.ts';
import { credentialCommands } from './credential.ts';
import { custodyCommands } from './custody.ts';
import { dlqCommands } from './dlq.ts';
import { enrollCommand } from './enroll.ts';
import { hierarchyCommands } from './hierarchy.ts';
import { nameCommands } from './name.ts';
import { operatorCommands } from './operator.ts';
import { orphanCommands } from './orphan.ts';
import { recountCommand } from './recount.ts';
import { stateCommands } from './state.ts';
import { statusCommand } from './status.ts';

/** Every command, in the order of the help. A new one is a file beside this one and a line here. */
export const commands: readonly Command[] = [
  enrollCommand,
  statusCommand,
  ...authoritiesCommands,
  ...hierarchyCommands,
  blastRadiusCommand,
  recountCommand,
  ...credentialCommands,
  ...operatorCommands,
  ...nameCommands,
  ...orphanCommands,
  ...auditCommands,
  ...custodyCommands,
  ...stateCommands,
  ...dlqCommands,
  ...ceremonyCommands,
];
