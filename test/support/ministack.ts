/** The packaged deployment on MiniStack: what CloudFormation, S3 and its HTTP API are told, in as few words as that takes. */
import { readFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

const credentials = { accessKeyId: '000000000000', secretAccessKey: 'emulator' };
const authorization = (service: string) =>
  `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;

interface Template {
  Resources: Record<string, { Type: string; Properties?: Record<string, unknown> }>;
  Outputs?: unknown;
}

/** Of the template, what is not sent to MiniStack, and why. Printed by the test; everything else is deployed as it is packaged. */
export const leftOut: Readonly<Record<string, string>> = {
  ServerlessDeploymentBucket: 'osls makes it before the stack: here the test makes one',
  ServerlessDeploymentBucketPolicy: 'of that bucket',
};

export interface DeployedStack {
  readonly resources: ReadonlyMap<string, string>;
}

async function cloudFormation(endpoint: string, parameters: Readonly<Record<string, string>>): Promise<string> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: authorization('cloudformation'),
    },
    body: new URLSearchParams({ Version: '2010-05-15', ...parameters }).toString(),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`CloudFormation ${parameters.Action}: ${response.status} ${text}`);
  return text;
}

const bucket = 'sealwright-code';

async function uploadCode(endpoint: string, folder: string, template: Template): Promise<void> {
  const s3 = new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const keys = new Set<string>();
  for (const { Type, Properties } of Object.values(template.Resources)) {
    const code = Properties?.Code as { S3Bucket?: unknown; S3Key?: string } | undefined;
    if (Type !== 'AWS::Lambda::Function' || code?.S3Key === undefined) continue;
    code.S3Bucket = bucket;
    keys.add(code.S3Key);
  }
  for (const key of keys)
    await s3.send(
      new PutObjectCommand({ Bucket: bucket, Key: key, Body: readFileSync(join(folder, key.split('/').at(-1)!)) }),
    );
  const templateBody = JSON.stringify(template);
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'template.json', Body: templateBody }));
  s3.destroy();
}

/** Deploys and waits. Throws with the reasons of CloudFormation. */
export async function deployStack(
  endpoint: string,
  folder: string,
  name: string,
  parameters: Readonly<Record<string, string>>,
): Promise<DeployedStack> {
  const file = join(folder, 'cloudformation-template-update-stack.json');
  const template = JSON.parse(readFileSync(file, 'utf8')) as Template;
  for (const id of Object.keys(leftOut)) delete template.Resources[id];
  for (const [id, output] of Object.entries((template.Outputs ?? {}) as Record<string, unknown>))
    if (JSON.stringify(output).includes('ServerlessDeploymentBucket'))
      delete (template.Outputs as Record<string, unknown>)[id];
  await uploadCode(endpoint, folder, template);
  const given = Object.entries(parameters).flatMap(([key, value], index) => [
    [`Parameters.member.${index + 1}.ParameterKey`, key],
    [`Parameters.member.${index + 1}.ParameterValue`, value],
  ]);
  await cloudFormation(endpoint, {
    Action: 'CreateStack',
    StackName: name,
    TemplateURL: `${endpoint}/${bucket}/template.json`,
    'Capabilities.member.1': 'CAPABILITY_IAM',
    ...Object.fromEntries(given),
  });
  for (let tries = 0; tries < 600; tries += 1) {
    const answer = await cloudFormation(endpoint, { Action: 'DescribeStacks', StackName: name });
    const status = /<StackStatus>([A-Z_]+)</.exec(answer)?.[1] ?? '';
    if (status === 'CREATE_COMPLETE') return { resources: await resourcesOf(endpoint, name) };
    if (!status.endsWith('IN_PROGRESS') || status.startsWith('ROLLBACK')) {
      const events = await cloudFormation(endpoint, { Action: 'DescribeStackEvents', StackName: name });
      const reasons = [...events.matchAll(/<ResourceStatusReason>([^<]+)</g)].map((match) => match[1]);
      throw new Error(`the stack is ${status}: ${[...new Set(reasons)].slice(0, 5).join('; ')}`);
    }
    await sleep(200);
  }
  throw new Error('the stack takes too long');
}

async function resourcesOf(endpoint: string, name: string): Promise<ReadonlyMap<string, string>> {
  const answer = await cloudFormation(endpoint, { Action: 'DescribeStackResources', StackName: name });
  return new Map(
    [...answer.matchAll(/<member>(.*?)<\/member>/gs)].map(([, member = '']) => [
      /<LogicalResourceId>([^<]+)</.exec(member)?.[1] ?? '',
      /<PhysicalResourceId>([^<]+)</.exec(member)?.[1] ?? '',
    ]),
  );
}

/** MiniStack tells APIs apart by their host names, which this machine does not resolve: a front that names the API. */
export async function apiFront(endpoint: string, apiId: string): Promise<{ url: string; close(): void }> {
  const { hostname, port } = new URL(endpoint);
  const server: Server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, host: `${apiId}.execute-api.localhost:${port}` };
    const onward = request({ hostname, port, path: incoming.url, method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.writeHead(502).end());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
