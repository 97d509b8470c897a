import { fork } from 'node:child_process';
import { join } from 'node:path';
import { withTemporaryFolder } from './interruption.ts';
import type { Stage, StagesAnswer } from './stages/stage.ts';

export interface StagesMeasured {
  readonly stages: readonly Stage[];
  /** Calls of each stage, besides those of its warm-up. */
  readonly iterations: number;
}

/** CPU of each stage, measured in a process of its own on a state of its own. Rejects with what failed in it. */
export async function measureStages(options: {
  readonly hierarchyFile: string;
  readonly iterations: number;
  /** Whether the front is measured with TLS. */
  readonly isTls: boolean;
}): Promise<StagesMeasured> {
  return withTemporaryFolder(async (dir) => {
    const args = ['--dir', dir, '--hierarchy', options.hierarchyFile, '--iterations', String(options.iterations)];
    if (options.isTls) args.push('--tls');
    const answer = await new Promise<StagesAnswer>((resolve, reject) => {
      const child = fork(join(import.meta.dirname, 'stages', 'main.ts'), args, {
        execArgv: ['--disable-warning=ExperimentalWarning'],
      });
      child.once('message', resolve);
      child.once('exit', (status) => reject(new Error(`the process that measures stages ended with ${status}`)));
    });
    if (answer.kind === 'failed') throw new Error(answer.message);
    return answer;
  });
}
