import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { ClientAnswer, ClientTask } from './client/messages.ts';

/** The client's process, as whoever measures holds it. */
export interface Client {
  /** One task at a time. Rejects when it fails or the process is gone. */
  ask<Kind extends ClientAnswer['kind']>(task: ClientTask, kind: Kind): Promise<Extract<ClientAnswer, { kind: Kind }>>;
  stop(): void;
}

export class ClientError extends Error {}

export function startClient(): Client {
  const child: ChildProcess = fork(join(import.meta.dirname, 'client', 'main.ts'), [], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  return {
    ask: (task, kind) =>
      new Promise((resolve, reject) => {
        const settle = (act: () => void) => {
          child.removeAllListeners();
          act();
        };
        child.once('exit', () => settle(() => reject(new ClientError('the client of the bench ended'))));
        child.once('message', (answer: ClientAnswer) =>
          settle(() => {
            if (answer.kind === kind) resolve(answer as Extract<ClientAnswer, { kind: typeof kind }>);
            else reject(new ClientError(answer.kind === 'failed' ? answer.message : `unexpected ${answer.kind}`));
          }),
        );
        child.send(task);
      }),
    stop: () => child.disconnect(),
  };
}
