import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** What the embedded host takes from serverless.yml. */
export interface Deployment {
  readonly routes: readonly { readonly method: string; readonly path: string; readonly handler: string }[];
  readonly mappings: readonly EventSourceMapping[];
  readonly schedules: readonly { readonly handler: string; readonly everyMs: number }[];
}

export interface EventSourceMapping {
  readonly functionName: string;
  /** `functions/NAME/handler.EXPORT`. */
  readonly handler: string;
  /** Value of the queue's `sealwright:queue` tag. */
  readonly queue: string;
  readonly batchSize: number;
  readonly windowMs: number;
  readonly concurrencyMax: number;
  readonly visibilityMs: number;
}

export class DeploymentError extends Error {
  readonly code = 'deployment-invalid';
}

type Yaml = Readonly<Record<string, unknown>>;

const mappingKeys = new Set([
  'arn',
  'batchSize',
  'maximumBatchingWindow',
  'maximumConcurrency',
  'functionResponseType',
]);

/** Reads serverless.yml. Throws `DeploymentError` for an event this host does not serve: nothing is passed over in silence. */
export function readDeployment(file: string): Deployment {
  const document = parse(readFileSync(file, 'utf8')) as Yaml;
  const queues = ((document.resources as Yaml | undefined)?.Resources ?? {}) as Readonly<Record<string, Yaml>>;
  const routes: { method: string; path: string; handler: string }[] = [];
  const mappings: EventSourceMapping[] = [];
  const schedules: { handler: string; everyMs: number }[] = [];
  for (const [functionName, definition] of Object.entries(
    (document.functions ?? {}) as Readonly<Record<string, Yaml>>,
  )) {
    const handler = String(definition.handler);
    for (const event of (definition.events ?? []) as readonly Yaml[]) {
      if (event.httpApi !== undefined) {
        const { method, path } = event.httpApi as Yaml;
        routes.push({ method: String(method).toUpperCase(), path: String(path), handler });
      } else if (event.sqs !== undefined) {
        mappings.push(readMapping(functionName, handler, event.sqs as Yaml, queues));
      } else if (event.schedule !== undefined) {
        schedules.push({ handler, everyMs: readRate(event.schedule as Yaml) });
      } else {
        throw new DeploymentError(
          `function ${functionName}: the embedded host serves httpApi, sqs and schedule events, not ${Object.keys(event).join(', ')}`,
        );
      }
    }
  }
  return { routes, mappings, schedules };
}

function readMapping(
  functionName: string,
  handler: string,
  sqs: Yaml,
  queues: Readonly<Record<string, Yaml>>,
): EventSourceMapping {
  const unknown = Object.keys(sqs).filter((key) => !mappingKeys.has(key));
  if (unknown.length > 0)
    throw new DeploymentError(`function ${functionName}: sqs settings not served: ${unknown.join(', ')}`);
  if (sqs.functionResponseType !== 'ReportBatchItemFailures') {
    throw new DeploymentError(
      `function ${functionName}: without functionResponseType ReportBatchItemFailures a failed message is deleted`,
    );
  }
  const target = ((sqs.arn as Yaml)['Fn::GetAtt'] as readonly string[] | undefined)?.[0] ?? '';
  const properties = (queues[target]?.Properties ?? {}) as Yaml;
  const tags = (properties.Tags ?? []) as readonly { readonly Key: string; readonly Value: string }[];
  const queue = tags.find(({ Key }) => Key === 'sealwright:queue')?.Value;
  if (queue === undefined)
    throw new DeploymentError(`function ${functionName}: queue ${target} has no sealwright:queue tag`);
  return {
    functionName,
    handler,
    queue,
    batchSize: Number(sqs.batchSize ?? 10),
    windowMs: Number(sqs.maximumBatchingWindow ?? 0) * 1000,
    concurrencyMax: Number(sqs.maximumConcurrency ?? 2),
    visibilityMs: Number(properties.VisibilityTimeout ?? 30) * 1000,
  };
}

function readRate(schedule: Yaml): number {
  const [rate] = [schedule.rate].flat();
  const match = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(String(rate));
  if (match === null)
    throw new DeploymentError(`schedule ${String(rate)}: the embedded host serves rate(N minutes|hours|days)`);
  const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }[match[2] as 'minute' | 'hour' | 'day'];
  return Number(match[1]) * unitMs;
}
