/** The service's process from SIGTERM to its end, under load, over CA keys in files. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServiceMessage } from '../../localstack/embedded/service-process.ts';
import { setUp } from '../../localstack/embedded/set-up.ts';
import { openStateFolder } from '../../localstack/embedded/state-folder.ts';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { readHierarchy } from '../../shared/adapters/stack/hierarchy-file.ts';
import { ledgerFile } from '../../shared/adapters/stack/stack.ts';
import {
  dns,
  freshName,
  heldRequest,
  newStateDir,
  pemOf,
  projectDir,
  requestFor,
  softwareHierarchy,
  type Tokens,
} from '../support/service.ts';

interface ServiceRun {
  readonly url: string;
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

let stateDir: string;
let folder: string;
let tokens: Tokens;
const children: ChildProcess[] = [];

beforeEach(async () => {
  stateDir = newStateDir();
  const hierarchyFile = join(stateDir, 'hierarchy.yaml');
  writeFileSync(hierarchyFile, softwareHierarchy(readFileSync(join(projectDir, 'hierarchy.yaml'), 'utf8')));
  folder = join(stateDir, 'state');
  mkdirSync(folder);
  const up = await setUp({
    hierarchy: readHierarchy(hierarchyFile),
    state: openStateFolder(folder, false),
    acmPcaEndpoint: undefined,
    region: 'us-east-1',
    pkcs11Module: undefined,
    report: () => undefined,
  });
  tokens = up.tokens;
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(stateDir, { recursive: true, force: true });
});

async function start(...args: readonly string[]): Promise<ServiceRun> {
  const child = fork(join(projectDir, 'localstack', 'embedded', 'service.ts'), ['--port', '0', ...args], {
    env: {
      PATH: process.env.PATH,
      POWERTOOLS_DEV: 'false',
      SEALWRIGHT_STACK: 'embedded',
      SEALWRIGHT_HIERARCHY: join(stateDir, 'hierarchy.yaml'),
      SEALWRIGHT_STATE: folder,
      SEALWRIGHT_BACKENDS: 'software',
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => (output += String(chunk)));
  const exited = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  const [message] = (await once(child, 'message')) as [ServiceMessage];
  if (message.kind !== 'ready') throw new Error(message.message);
  return { url: message.url, child, output: () => output, exited };
}

interface Posted {
  readonly issuanceId: string;
  readonly status: number;
}

/** Posts without end over some connections at once, until the service takes no more. Answers what it accepted. */
async function load(url: string, wait: boolean, accepted: Posted[], errors: unknown[]): Promise<void> {
  for (;;) {
    const csr = pemOf(requestFor([dns(freshName('drain'))]));
    try {
      const answer = await fetch(`${url}/v1/enrollments?profile=device`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${tokens.device}`,
          'content-type': 'application/pkcs10',
          ...(wait ? { prefer: 'wait=5' } : {}),
        },
        body: csr,
      });
      const body = (await answer.json()) as { readonly issuanceId?: string };
      if (answer.status !== 200 && answer.status !== 202) errors.push([answer.status, body]);
      else accepted.push({ issuanceId: body.issuanceId!, status: answer.status });
    } catch (cause) {
      // The service takes no more connections; one that was open and idle was closed.
      if ((cause as Error).cause === undefined) errors.push(cause);
      return;
    }
  }
}

async function statesOf(posted: readonly Posted[]): Promise<ReadonlyMap<string, string | undefined>> {
  const store = openSqliteStore({ path: ledgerFile(folder), clock: Date.now });
  try {
    const records = await store.ledger.getMany(posted.map(({ issuanceId }) => issuanceId));
    return new Map(posted.map(({ issuanceId }, index) => [issuanceId, records[index]?.state]));
  } finally {
    store.close();
  }
}

describe('the service on SIGTERM', () => {
  it('answers what is under way, keeps what it has accepted, and exits with 0', async () => {
    const service = await start();
    const accepted: Posted[] = [];
    const errors: unknown[] = [];
    const clients = Array.from({ length: 8 }, (_, n) => load(service.url, n % 2 === 0, accepted, errors));
    while (accepted.length < 100) await sleep(5);
    service.child.kill('SIGTERM');
    await Promise.all(clients);
    expect(await service.exited, service.output()).toEqual({ code: 0, signal: null });
    expect(errors).toEqual([]);
    expect(service.output()).not.toMatch(/unhandled|ERR_|Error:|CRITICAL|"level":"ERROR"/i);

    const states = await statesOf(accepted);
    for (const { issuanceId, status } of accepted) {
      const expected = status === 200 ? ['issued'] : ['received', 'approved', 'intended', 'issued'];
      expect(expected, issuanceId).toContain(states.get(issuanceId));
    }

    // What was accepted and not issued yet is issued by the next one.
    const next = await start();
    const deadline = performance.now() + 15_000;
    let left: readonly string[] = accepted.map(({ issuanceId }) => issuanceId);
    while (left.length > 0 && performance.now() < deadline) {
      const answers = await Promise.all(
        left.map(async (id) => {
          const answer = await fetch(`${next.url}/v1/enrollments/${id}`, {
            headers: { authorization: `Bearer ${tokens.device}` },
          });
          await answer.arrayBuffer();
          return answer.status === 200 ? [] : [id];
        }),
      );
      left = answers.flat();
    }
    expect(left).toEqual([]);
    next.child.kill('SIGTERM');
    expect(await next.exited).toEqual({ code: 0, signal: null });
  }, 60_000);

  it('exits with 0 when it is idle, and when its parent goes', async () => {
    const service = await start();
    service.child.kill('SIGTERM');
    expect(await service.exited).toEqual({ code: 0, signal: null });
    const orphan = await start();
    orphan.child.disconnect();
    expect(await orphan.exited).toEqual({ code: 0, signal: null });
  }, 30_000);

  it('ends at once with 1 at a second SIGTERM', async () => {
    const service = await start();
    const letGo = await heldRequest(service.url, tokens.device);
    service.child.kill('SIGTERM');
    await sleep(300);
    expect(service.child.exitCode).toBeNull();
    service.child.kill('SIGTERM');
    expect(await service.exited).toEqual({ code: 1, signal: null });
    letGo();
  }, 30_000);

  it('cuts off a request that does not end, in time for the batches, and still exits with 0', async () => {
    const service = await start('--grace-ms', '3000');
    const letGo = await heldRequest(service.url, tokens.device);
    service.child.kill('SIGTERM');
    expect(await service.exited, service.output()).toEqual({ code: 0, signal: null });
    letGo();
  }, 30_000);

  it('ends with 1 when its grace is over', async () => {
    const service = await start('--grace-ms', '1');
    const letGo = await heldRequest(service.url, tokens.device);
    service.child.kill('SIGTERM');
    expect(await service.exited).toEqual({ code: 1, signal: null });
    expect(service.output()).toContain('the grace is over');
    letGo();
  }, 30_000);
});
