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
const routeMethods: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);
/** As AWS bounds an event source mapping of a standard queue; above 10 a batch needs a window. */
const batchSizeMax = 10_000;
const windowSecondsMax = 300;
const concurrencyMax = 1_000;
const visibilitySecondsMax = 43_200;

/** Reads serverless.yml. Throws `DeploymentError` for an event this host does not serve: nothing is passed over in silence. */
export function readDeployment(file: string): Deployment {
  const document = readYaml(file);
  const queues = resourcesOf(document);
  const routes: { method: string; path: string; handler: string }[] = [];
  const mappings: EventSourceMapping[] = [];
  const schedules: { handler: string; everyMs: number }[] = [];
  const functions = (document.functions ?? {}) as Readonly<Record<string, Yaml>>;
  for (const [functionName, definition] of Object.entries(functions)) {
    const handler = handlerOf(definition);
    if (typeof handler !== 'string') throw new DeploymentError(`function ${functionName}: it has no handler`);
    for (const event of (definition.events ?? []) as readonly unknown[]) {
      const [kind, ...others] = typeof event === 'object' && event !== null ? Object.keys(event) : [String(event)];
      const settings = (event as Yaml)[kind ?? ''];
      if (others.length === 0 && kind === 'httpApi') routes.push({ ...readRoute(functionName, settings), handler });
      else if (others.length === 0 && kind === 'sqs')
        mappings.push(readMapping(functionName, handler, asObject(functionName, 'sqs', settings), queues));
      else if (others.length === 0 && kind === 'schedule')
        schedules.push({ handler, everyMs: readRate(asObject(functionName, 'schedule', settings)) });
      else
        throw new DeploymentError(
          `function ${functionName}: the embedded host serves httpApi, sqs and schedule events, not ${[kind, ...others].join(', ')}`,
        );
    }
  }
  return { routes, mappings, schedules };
}

/**
 * The resources that stand in the file itself. Those of `${file(…)}` are none that this host serves: a mapping whose queue is
 * not here is refused.
 */
function resourcesOf({ resources }: Yaml): Readonly<Record<string, Yaml>> {
  const parts = [resources].flat().filter((part) => typeof part === 'object' && part !== null) as readonly Yaml[];
  return Object.assign({}, ...parts.map((part) => part.Resources)) as Readonly<Record<string, Yaml>>;
}

/** Of a function that is deployed as an image, the command names the handler. */
function handlerOf({ handler, image }: Yaml): unknown {
  return handler ?? ((image as Yaml | undefined)?.command as readonly unknown[] | undefined)?.[0];
}

function readYaml(file: string): Yaml {
  try {
    return (parse(readFileSync(file, 'utf8')) ?? {}) as Yaml;
  } catch (cause) {
    throw new DeploymentError(`${file} cannot be read: ${(cause as Error).message}`);
  }
}

/** The long form of an event; serverless has a short one, a string, for some. */
function asObject(functionName: string, kind: string, settings: unknown): Yaml {
  if (typeof settings === 'object' && settings !== null && !Array.isArray(settings)) return settings as Yaml;
  throw new DeploymentError(`function ${functionName}: ${kind} has to be written out as a mapping`);
}

function readRoute(functionName: string, settings: unknown): { readonly method: string; readonly path: string } {
  const { method, path, ...others } = asObject(functionName, 'httpApi', settings);
  const verb = String(method).toUpperCase();
  if (Object.keys(others).length > 0)
    throw new DeploymentError(
      `function ${functionName}: httpApi settings not served: ${Object.keys(others).join(', ')}`,
    );
  if (!routeMethods.has(verb) || typeof path !== 'string' || !/^(\/([A-Za-z0-9._-]+|\{[A-Za-z0-9_]+\}))+$/.test(path))
    throw new DeploymentError(
      `function ${functionName}: the embedded host does not serve the route ${verb} ${String(path)}`,
    );
  return { method: verb, path };
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
  const target = ((sqs.arn as Yaml | undefined)?.['Fn::GetAtt'] as readonly string[] | undefined)?.[0] ?? '';
  const properties = (queues[target]?.Properties ?? {}) as Yaml;
  const tags = (properties.Tags ?? []) as readonly { readonly Key: string; readonly Value: string }[];
  const queue = tags.find(({ Key }) => Key === 'sealwright:queue')?.Value;
  if (queue === undefined)
    throw new DeploymentError(`function ${functionName}: queue ${target} has no sealwright:queue tag`);
  const whole = (name: string, value: unknown, min: number, max: number): number => {
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    throw new DeploymentError(`function ${functionName}: ${name} has to be a whole number from ${min} to ${max}`);
  };
  const windowSeconds = whole('maximumBatchingWindow', sqs.maximumBatchingWindow ?? 0, 0, windowSecondsMax);
  return {
    functionName,
    handler,
    queue,
    batchSize: whole('batchSize', sqs.batchSize ?? 10, 1, windowSeconds === 0 ? 10 : batchSizeMax),
    windowMs: windowSeconds * 1000,
    concurrencyMax: whole('maximumConcurrency', sqs.maximumConcurrency ?? 2, 2, concurrencyMax),
    visibilityMs: whole('VisibilityTimeout', properties.VisibilityTimeout ?? 30, 1, visibilitySecondsMax) * 1000,
  };
}

function readRate(schedule: Yaml): number {
  const { rate, ...others } = schedule;
  if (Object.keys(others).length > 0)
    throw new DeploymentError(`schedule settings not served: ${Object.keys(others).join(', ')}`);
  const [first, ...more] = [rate].flat();
  const match = /^rate\(([1-9]\d{0,4}) (minute|hour|day)s?\)$/.exec(String(first));
  if (match === null || more.length > 0)
    throw new DeploymentError(`schedule ${String(rate)}: the embedded host serves one rate(N minutes|hours|days)`);
  const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }[match[2] as 'minute' | 'hour' | 'day'];
  const everyMs = Number(match[1]) * unitMs;
  // setInterval takes no more, and would run at once.
  if (everyMs > 2 ** 31 - 1)
    throw new DeploymentError(`schedule ${String(rate)}: the embedded host serves up to 24 days`);
  return everyMs;
}
