/** A folder with a request and a state folder, a fake service, and the command run against it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandIo } from '../../cli/command.ts';
import { main } from '../../cli/main.ts';
import { prepareDevice } from '../../localstack/embedded/fleet/device-request.ts';
import { makeHierarchy } from './fake-ca.ts';
import { type FakeService, problem, type ScriptedAnswer, startFakeService } from './fake-service.ts';

export const now = Date.parse('2026-11-23T12:00:00Z');
export const deviceToken = `sw_e_${'d'.repeat(43)}`;
export const operatorToken = `sw_o_${'o'.repeat(43)}`;

export interface CliMaterial {
  readonly csrPem: string;
  /** JSON answer of an issued enrolment, and its certificate with chain as PEM. */
  readonly issued: Readonly<Record<string, unknown>>;
  readonly chainPem: string;
}

export async function makeMaterial(): Promise<CliMaterial> {
  const hierarchy = await makeHierarchy(now);
  const { csrPem } = await prepareDevice({
    profile: 'device',
    keyType: 'P-256',
    nameKind: 'dns',
    name: 'a.fleet.example',
  });
  const chainPem = hierarchy.chainOf(await hierarchy.issue(csrPem));
  const [certificate, ...chain] = chainPem.split(/(?=-----BEGIN)/);
  const issued = { issuanceId: 'I.1', status: 'issued', certificate, chain, droppedExtensions: ['tlsFeature'] };
  return { csrPem, issued, chainPem };
}

export interface CliWorld {
  readonly dir: string;
  /** The fake service of the last run. */
  service: FakeService | undefined;
  /** Runs a command line; `answers` in turn, the last one for ever, counted over all runs until the service is closed. */
  run(
    argv: readonly string[],
    answers?: readonly ScriptedAnswer[],
    environment?: CommandIo['environment'],
  ): Promise<{
    readonly status: number;
    readonly stdout: string;
    readonly stderr: string;
    readonly seen: FakeService['seen'];
  }>;
  end(): Promise<void>;
}

export async function openCliWorld(csrPem: string): Promise<CliWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'sealwright cli '));
  await mkdir(join(dir, '.sealwright'));
  const tokens = { device: deviceToken, operator: operatorToken };
  await writeFile(join(dir, '.sealwright', 'tokens.json'), JSON.stringify(tokens));
  await writeFile(join(dir, 'a.csr'), csrPem);
  const world: CliWorld = {
    dir,
    service: undefined,
    async run(argv, answers = [], environment = {}) {
      const script = (nth: number) => answers[Math.min(nth, answers.length) - 1] ?? problem(500, 'internal');
      world.service ??= await startFakeService((_, nth) => script(nth));
      const { url, seen } = world.service;
      const written = { stdout: '', stderr: '' };
      const stream = (name: 'stdout' | 'stderr') => ({
        write: (text: string) => {
          written[name] += text;
        },
      });
      let clock = 0;
      const status = await main(argv, {
        environment: { SEALWRIGHT_URL: url, ...environment },
        workingDirectory: dir,
        stdout: stream('stdout'),
        stderr: stream('stderr'),
        readStdin: async () => Buffer.from(csrPem),
        now: () => now,
        monotonic: () => clock,
        sleep: async (ms) => {
          clock += ms;
        },
      });
      return { status, ...written, seen };
    },
    async end() {
      await world.service?.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return world;
}
