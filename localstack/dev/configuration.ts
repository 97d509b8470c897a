import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const projectDir = join(import.meta.dirname, '..', '..');
export const deploymentFile = join(projectDir, 'serverless.yml');
/** In which `npm run dev` tells osls where to listen. */
export const portVariable = 'SEALWRIGHT_DEV_PORT';

type Yaml = Readonly<Record<string, unknown>>;

/** Events that serverless-offline serves; queues are polled by our own mapping (`plugin.ts`). */
const servedEvents = ['httpApi', 'schedule'] as const;

/**
 * serverless.yml as serverless-offline can run it: every function that has a handler with its routes and schedules, run in one
 * process (SQLite has one writer) on loopback. What only a deployment has is left out: bundles, resources, roles, networks,
 * and the environment, which is that of the embedded stack.
 */
export function devConfiguration(): object {
  const document = parse(readFileSync(deploymentFile, 'utf8')) as Yaml;
  const { name, runtime, region, timeout } = document.provider as Yaml;
  const functions = Object.entries((document.functions ?? {}) as Readonly<Record<string, Yaml>>)
    .filter(([, { handler }]) => typeof handler === 'string')
    .map(([key, definition]) => [key, devFunction(definition, timeout)] as const);
  return {
    service: document.service,
    provider: { name, runtime, region, stage: 'dev', timeout, httpApi: { payload: '2.0' } },
    plugins: ['serverless-offline', './localstack/dev/plugin.ts'],
    functions: Object.fromEntries(functions),
    custom: {
      'serverless-offline': {
        host: '127.0.0.1',
        httpPort: Number(process.env[portVariable] ?? 3000),
        lambdaPort: 0,
        noPrependStageInUrl: true,
        noSponsor: true,
        useInProcess: true,
      },
    },
  };
}

function devFunction({ handler, timeout, events }: Yaml, timeoutDefault: unknown): object {
  const served = ((events ?? []) as readonly Yaml[]).filter((event) => servedEvents.some((kind) => kind in event));
  return { handler, timeout: timeout ?? timeoutDefault, events: served };
}
