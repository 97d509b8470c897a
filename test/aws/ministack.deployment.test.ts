import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fleetProfilesOf, runFleet } from '../../localstack/embedded/fleet/index.ts';
import { packageDeployment } from '../../localstack/emulators/package.ts';
import { createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import { createAcmPcaProvisioner } from '../../shared/adapters/acm-pca/provisioner.ts';
import { createDynamoAuthorities } from '../../shared/adapters/dynamodb/authorities.ts';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoClient } from '../../shared/adapters/dynamodb/client.ts';
import { createDynamoCredentials } from '../../shared/adapters/dynamodb/credentials.ts';
import { readHierarchy } from '../../shared/adapters/stack/hierarchy-file.ts';
import { makeSecret } from '../../shared/issuance/administer-credentials.ts';
import { buildHierarchy } from '../../shared/issuance/build-hierarchy.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { apiFront, deployStack, leftOut } from '../support/ministack.ts';

const devices = 500;
const region = 'us-east-1';
const credentials = { accessKeyId: '000000000000', secretAccessKey: 'emulator' };
const ministack = process.env.SEALWRIGHT_TEST_MINISTACK_ENDPOINT ?? '';
const acmPca = process.env.SEALWRIGHT_TEST_PCA_ENDPOINT ?? '';
const folder = mkdtempSync(join(tmpdir(), 'sealwright-package-'));

async function buildAuthorities(tableName: string) {
  const hierarchy = readHierarchy('hierarchy.yaml');
  const table = createTable({ client: createDynamoClient({ region, endpoint: ministack, credentials }), tableName });
  const registry = createDynamoAuthorities(table);
  const client = createAcmPcaClient({ stage: 'dev', region, endpoint: acmPca, credentials });
  const provisioners = {
    'acm-pca': createAcmPcaProvisioner({ client, clock: Date.now }),
    pkcs11: undefined,
    software: undefined,
  };
  await buildHierarchy({ hierarchy, provisioners, registry, clock: Date.now, report: () => undefined });
  client.destroy();
  const device = makeSecret('sw_e_', (bytes) => crypto.getRandomValues(new Uint8Array(bytes)));
  await createDynamoCredentials(table).create({
    id: 'sample',
    principal: 'plant-7/sensors',
    owner: 'plant-7',
    fleet: 'sensors',
    profiles: ['device'],
    names: { dns: ['*.fleet.example'], spiffe: [], ip: [] },
    countMax: 10_000,
    used: 0,
    createdAt: Date.now(),
    expiresAt: Date.now() + 86_400_000,
    sha256: device.sha256,
  });
  return { hierarchy, installed: await registry.list(), secret: device.secret };
}

/** Certificates that the issuance CA has, by the endpoint's own count. */
async function issuedAtEndpoint(ref: string): Promise<unknown> {
  const view = (await (await fetch(new URL('/_control', acmPca))).json()) as {
    authorities: Record<string, { certificates: Record<string, number> }>;
  };
  return view.authorities[ref]?.certificates;
}

describe('the packaged deployment on MiniStack', () => {
  const sqs = new SQSClient({ endpoint: ministack, region, credentials });
  let stack: Awaited<ReturnType<typeof deployStack>>;
  let front: Awaited<ReturnType<typeof apiFront>>;
  const queueUrl = (id: string) => stack.resources.get(id) ?? '';

  beforeAll(async () => {
    if (ministack === '' || acmPca === '')
      throw new Error(
        'SEALWRIGHT_TEST_MINISTACK_ENDPOINT and SEALWRIGHT_TEST_PCA_ENDPOINT are not set: npm run test:aws',
      );
    packageDeployment(folder, 'dev');
    for (const [id, why] of Object.entries(leftOut)) console.log(`left out of the template: ${id}: ${why}`);
    stack = await deployStack(ministack, folder, 'sealwright-dev', { AcmPcaEndpoint: acmPca });
    front = await apiFront(ministack, stack.resources.get('HttpApi') ?? '');
  }, 600_000);

  afterAll(() => {
    front?.close();
    sqs.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  it(`issues to ${devices} devices, each once, with chains that verify (deployed-end-to-end)`, async () => {
    const { hierarchy, installed, secret } = await buildAuthorities(stack.resources.get('IssuanceTable') ?? '');
    const issuing = installed.find(({ caId }) => caId === 'devices')!;
    const trustAnchorsPem = installed
      .filter(({ tier }) => tier === 'root')
      .map(({ certificateDer }) => encodePem('CERTIFICATE', certificateDer))
      .join('');
    const before = (await issuedAtEndpoint(issuing.backendRef)) as { issued?: number } | undefined;
    const result = await runFleet({
      baseUrl: front.url,
      deviceSecret: secret,
      trustAnchorsPem,
      profiles: fleetProfilesOf(hierarchy, (caId) => caId === 'devices'),
      devices,
      profileOnly: 'device',
      concurrency: 8,
    });
    const { failed, issued, rejected, seconds, submitted, verified } = result;
    console.log(`${issued} certificates in ${seconds.toFixed(1)} s through MiniStack, ${verified} verified`);
    expect({ failed, issued, rejected, submitted, verified }).toEqual({
      failed: 0,
      issued: devices,
      rejected: 0,
      submitted: devices,
      verified: devices,
    });
    const after = (await issuedAtEndpoint(issuing.backendRef)) as { issued: number };
    console.log(`the ACM PCA endpoint has issued ${JSON.stringify(before)} before and ${JSON.stringify(after)} after`);
    expect(after.issued - (before?.issued ?? 0)).toBe(devices);
  }, 900_000);

  it('gives a poison message up alone, into its dead-letter queue (poison-alone)', async () => {
    const queue = queueUrl('EnrolmentQueue');
    const dead = queueUrl('EnrolmentDeadQueue');
    // Ten deliveries six times a function's timeout apart would take half an hour.
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl: queue, Attributes: { VisibilityTimeout: '1' } }));
    await sqs.send(new SendMessageCommand({ QueueUrl: queue, MessageBody: 'poison' }));
    const count = async (QueueUrl: string) => {
      const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
      return (
        Number(Attributes?.ApproximateNumberOfMessages) + Number(Attributes?.ApproximateNumberOfMessagesNotVisible)
      );
    };
    const until = performance.now() + 180_000;
    while ((await count(dead)) === 0 && performance.now() < until) await sleep(500);
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: dead, MaxNumberOfMessages: 10 }));
    expect(Messages.map(({ Body }) => Body)).toEqual(['poison']);
    expect(await count(queue)).toBe(0);
    for (const id of ['SigningAcmPcaDeadQueue', 'SigningPkcs11DeadQueue']) expect(await count(queueUrl(id))).toBe(0);
  }, 300_000);
});
