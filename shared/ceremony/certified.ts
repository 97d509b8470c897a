import type { Authority, Stage } from '../hierarchy/hierarchy.ts';
import { certifiedAuthority as certifiedIn } from '../issuance/certified-authority.ts';
import type { CeremonyMode } from './record.ts';

/** A rehearsal is held on SoftHSM, whatever the stage: it is judged as development is, and its certificates say so. */
export function custodyStage(mode: CeremonyMode, stage: Stage): Stage {
  return mode === 'rehearsal' ? 'dev' : stage;
}

/** A CA with the subject that a ceremony certifies. */
export function certifiedAuthority(authority: Authority, mode: CeremonyMode, stage: Stage): Authority {
  return certifiedIn(authority, custodyStage(mode, stage));
}

/** `root-g1.pem` */
export function certificateFileName({ id, generation }: Pick<Authority, 'id' | 'generation'>): string {
  return `${id}-g${generation}.pem`;
}
