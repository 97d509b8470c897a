/** The emulators of AWS that `npm run test:aws` runs on, and how each is installed and started. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  dynamoDbLocalVersion,
  emulatorsDir,
  installDynamoDbLocal,
  installPythonTool,
  pinnedVersion,
  prepareLocalStackRoot,
  projectDir,
  pythonOf,
} from './install.ts';
import { answers, freePort, type ListeningProcess, startListening } from './processes.ts';

export type EmulatorName = 'localstack' | 'dynamodb' | 'ministack' | 'moto' | 'acm-pca';

export interface Emulator {
  readonly name: EmulatorName;
  /** For a person: product and version. */
  readonly title: string;
  /** Throws `MissingError` where this machine cannot have it. */
  readonly install: (say: (line: string) => void) => Promise<void>;
  /** Variables that name it to the tests. */
  readonly variables: readonly string[];
}

/** `dynamodb` is Amazon's DynamoDB Local, which LocalStack starts behind itself: it needs Java, the rest of LocalStack does not. */
export const emulators: readonly Emulator[] = [
  {
    name: 'localstack',
    title: `LocalStack core ${pinnedVersion('localstack', 'localstack-core')}`,
    install: (say) => installPythonTool('localstack', say),
    variables: ['SEALWRIGHT_TEST_SQS_ENDPOINT', 'SEALWRIGHT_TEST_S3_ENDPOINT', 'SEALWRIGHT_TEST_LOCALSTACK_ENDPOINT'],
  },
  {
    name: 'dynamodb',
    title: `DynamoDB Local ${dynamoDbLocalVersion()} in LocalStack core ${pinnedVersion('localstack', 'localstack-core')}`,
    install: async (say) => {
      await installPythonTool('localstack', say);
      await installDynamoDbLocal(say);
    },
    variables: ['SEALWRIGHT_TEST_DYNAMODB_ENDPOINT'],
  },
  {
    name: 'ministack',
    title: `MiniStack ${pinnedVersion('ministack', 'ministack')}`,
    install: (say) => installPythonTool('ministack', say),
    variables: ['SEALWRIGHT_TEST_MINISTACK_ENDPOINT'],
  },
  {
    name: 'moto',
    title: `moto ${pinnedVersion('moto', 'moto')}`,
    install: (say) => installPythonTool('moto', say),
    variables: ['SEALWRIGHT_TEST_MOTO_ENDPOINT', 'SEALWRIGHT_TEST_CLOUDHSM_ENDPOINT'],
  },
  {
    name: 'acm-pca',
    title: 'our ACM PCA endpoint',
    install: async () => undefined,
    variables: ['SEALWRIGHT_TEST_PCA_ENDPOINT'],
  },
];

/** Nothing of the developer's `AWS_*` reaches an emulator, nor the Lambdas that it runs. */
function baseEnvironment(): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { POWERTOOLS_DEV: 'false' };
  for (const name of ['HOME', 'LANG', 'TZ', 'TMPDIR', 'JAVA_HOME'])
    if (process.env[name] !== undefined) environment[name] = process.env[name];
  // MiniStack runs Lambdas on the `node` that it finds first.
  environment.PATH = `${join(process.execPath, '..')}:${process.env.PATH ?? ''}`;
  return environment;
}

/** Starts those that are named; answers them with the variables for the tests. On a failure those before it are stopped. */
export async function startEmulators(
  names: ReadonlySet<EmulatorName>,
): Promise<{ readonly processes: readonly ListeningProcess[]; readonly variables: NodeJS.ProcessEnv }> {
  mkdirSync(join(emulatorsDir, 'logs'), { recursive: true });
  const processes: ListeningProcess[] = [];
  const variables: NodeJS.ProcessEnv = {};
  const started = (process: ListeningProcess, url: string, emulator: EmulatorName) => {
    if (!processes.includes(process)) processes.push(process);
    for (const name of emulators.find((one) => one.name === emulator)!.variables) variables[name] = url;
  };
  try {
    if (names.has('localstack') || names.has('dynamodb')) {
      const { process, url } = await startLocalStack(names.has('dynamodb'));
      started(process, url, 'localstack');
      if (names.has('dynamodb')) started(process, url, 'dynamodb');
    }
    if (names.has('ministack')) started(...(await startMiniStack()));
    if (names.has('moto')) started(...(await startMoto()));
    if (names.has('acm-pca')) started(...(await startAcmPca()));
    return { processes, variables };
  } catch (cause) {
    await stopAll(processes);
    throw cause;
  }
}

export async function stopAll(processes: readonly ListeningProcess[]): Promise<void> {
  await Promise.all(processes.map((one) => one.stop()));
}

type Started = readonly [process: ListeningProcess, url: string, emulator: EmulatorName];
const logFile = (name: string) => join(emulatorsDir, 'logs', `${name}.log`);
const readyMsMax = 90_000;

async function startLocalStack(withDynamoDb: boolean) {
  // It remembers its plugins in ~/.cache by a time that is rounded to two minutes, and starts without those installed since.
  const home = join(emulatorsDir, 'localstack-home');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const url = `http://127.0.0.1:${await freePort()}`;
  const process = await startListening({
    name: 'LocalStack core',
    command: pythonOf('localstack'),
    args: ['-m', 'localstack.runtime.main'],
    env: {
      ...baseEnvironment(),
      HOME: home,
      FILESYSTEM_ROOT: prepareLocalStackRoot(withDynamoDb),
      // Else it takes this machine for its container, and downloads a Java.
      OVERRIDE_IN_DOCKER: '0',
      GATEWAY_LISTEN: new URL(url).host,
      DISABLE_EVENTS: '1',
      SKIP_SSL_CERT_DOWNLOAD: '1',
      DNS_ADDRESS: '0',
      DYNAMODB_IN_MEMORY: '1',
    },
    logFile: logFile('localstack'),
    isReady: async () => (await answers(`${url}/_localstack/health`)) && (!withDynamoDb || (await writesTables(url))),
    readyMsMax,
  });
  return { process, url };
}

/** DynamoDB Local starts with its first call, and loads itself with the first transaction, which takes seconds: those are ours. */
async function writesTables(url: string): Promise<boolean> {
  const TableName = 'warm-up';
  const key = { AttributeName: 'PK', AttributeType: 'S', KeyType: 'HASH' };
  const Item = { PK: { S: 'warm-up' } };
  await dynamoDb(url, 'CreateTable', {
    TableName,
    AttributeDefinitions: [{ AttributeName: key.AttributeName, AttributeType: key.AttributeType }],
    KeySchema: [{ AttributeName: key.AttributeName, KeyType: key.KeyType }],
    BillingMode: 'PAY_PER_REQUEST',
  });
  const written = await dynamoDb(url, 'TransactWriteItems', { TransactItems: [{ Put: { TableName, Item } }] });
  await dynamoDb(url, 'DeleteTable', { TableName });
  return written === 200;
}

async function dynamoDb(url: string, operation: string, body: object): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': `DynamoDB_20120810.${operation}`,
      authorization:
        'AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  await response.arrayBuffer();
  return response.status;
}

async function startMiniStack(): Promise<Started> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const process = await startListening({
    name: 'MiniStack',
    command: join(pythonOf('ministack'), '..', 'ministack'),
    args: [],
    env: { ...baseEnvironment(), BIND_HOST: '127.0.0.1', GATEWAY_PORT: String(port) },
    logFile: logFile('ministack'),
    isReady: () => answers(`${url}/_ministack/health`),
    readyMsMax,
  });
  return [process, url, 'ministack'];
}

async function startMoto(): Promise<Started> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const process = await startListening({
    name: 'moto',
    command: join(pythonOf('moto'), '..', 'moto_server'),
    args: ['-H', '127.0.0.1', '-p', String(port)],
    env: baseEnvironment(),
    logFile: logFile('moto'),
    isReady: () => answers(`${url}/moto-api/`),
    readyMsMax,
  });
  return [process, url, 'moto'];
}

async function startAcmPca(): Promise<Started> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const process = await startListening({
    name: 'the ACM PCA endpoint',
    command: globalThis.process.execPath,
    args: [
      join(projectDir, 'localstack', 'acm-pca', 'main.ts'),
      ...['--port', String(port), '--state', join(emulatorsDir, 'acm-pca-state', String(port)), '--control'],
    ],
    env: baseEnvironment(),
    logFile: logFile('acm-pca'),
    isReady: async () => {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
      await response.arrayBuffer();
      return true;
    },
    readyMsMax,
  });
  return [process, url, 'acm-pca'];
}
