import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ACMPCAClient, DescribeCertificateAuthorityCommand } from '@aws-sdk/client-acm-pca';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { awsAcmPcaEndpoint, createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import { isAwsAcmPcaEndpoint } from '../../shared/custody/stage.ts';

// The SDK takes `readFile` from here when it is loaded, so it is watched before any client is made.
const filesRead = vi.hoisted(() => {
  const { promises } = process.getBuiltinModule('node:fs');
  const read: string[] = [];
  const original = promises.readFile;
  promises.readFile = (async (path: string, options: never) => {
    read.push(String(path));
    return original(path, options);
  }) as typeof promises.readFile;
  return read;
});

const credentials = { accessKeyId: 'EMULATOR', secretAccessKey: 'emulator' };
const arn = 'arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/00000000-0000-4000-8000-000000000000';

interface Seen {
  readonly host: string | undefined;
  readonly authorization: string | undefined;
}

async function listen(answer: (request: IncomingMessage) => { status: number; body: object }) {
  const seen: Seen[] = [];
  const server: Server = createServer((request, response) => {
    seen.push({ host: request.headers.host, authorization: request.headers.authorization });
    const { status, body } = answer(request);
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { server, seen, port, endpoint: `http://127.0.0.1:${port}` };
}

describe('the client of ACM PCA in dev', () => {
  let running: Awaited<ReturnType<typeof listen>>;
  let status = 200;
  let configFiles = 0;
  let configFile = '';

  beforeEach(async () => {
    status = 200;
    running = await listen(() => ({ status, body: { CertificateAuthority: { Arn: arn }, __type: 'InternalFailure' } }));
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:9/developer');
    vi.stubEnv('AWS_ENDPOINT_URL_ACM_PCA', 'http://127.0.0.1:9/developer');
    vi.stubEnv('AWS_PROFILE', 'developer');
    vi.stubEnv('AWS_REGION', 'eu-west-3');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'DEVELOPER');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'developer');
    vi.stubEnv('AWS_MAX_ATTEMPTS', '7');
    vi.stubEnv('AWS_USE_FIPS_ENDPOINT', 'true');
    vi.stubEnv('AWS_DEFAULTS_MODE', 'auto');
    // The SDK keeps what it read by path, so that each test has its own.
    configFiles += 1;
    configFile = `/nonexistent/config-${configFiles}`;
    vi.stubEnv('AWS_CONFIG_FILE', configFile);
    filesRead.length = 0;
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    running.server.closeAllConnections();
    await new Promise((resolve) => running.server.close(resolve));
  });

  const newClient = () =>
    createAcmPcaClient({ stage: 'dev', region: 'us-east-1', endpoint: running.endpoint, credentials });
  const describeAuthority = new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: arn });

  it("goes where it is told, as whom it is told, whatever the developer's AWS_* say (design: stage)", async () => {
    const client = newClient();
    await client.send(describeAuthority);
    client.destroy();
    expect(running.seen).toHaveLength(1);
    expect(running.seen[0]?.host).toBe(`127.0.0.1:${running.port}`);
    expect(running.seen[0]?.authorization).toContain('Credential=EMULATOR/');
    expect(running.seen[0]?.authorization).toContain('/us-east-1/acm-pca/');
  });

  it('reads no profile or configuration file', async () => {
    const client = newClient();
    await client.send(describeAuthority);
    client.destroy();
    expect(filesRead).toEqual([]);
    // The watch works: with the SDK's own defaults the same call looks for one.
    vi.stubEnv('AWS_USE_FIPS_ENDPOINT', undefined);
    vi.stubEnv('AWS_DEFAULTS_MODE', undefined);
    const usual = new ACMPCAClient({ endpoint: running.endpoint, credentials });
    await usual.send(describeAuthority);
    usual.destroy();
    expect(filesRead).toContain(configFile);
  });

  it('tries once: retries belong to the pacing budget', async () => {
    status = 500;
    const client = newClient();
    await expect(client.send(describeAuthority)).rejects.toThrow();
    client.destroy();
    expect(running.seen).toHaveLength(1);
  });

  it('refuses an emulator without credentials of its own', () => {
    const options = { stage: 'dev', region: 'us-east-1', endpoint: running.endpoint } as const;
    expect(() => createAcmPcaClient(options)).toThrow(/credentials of its own/);
  });
});

describe('the client of ACM PCA outside dev', () => {
  it.each([
    'http://127.0.0.1:4566',
    'http://acm-pca.us-east-1.amazonaws.com',
    'https://acm-pca.us-east-1.amazonaws.com.example.net',
    'https://localhost.localstack.cloud:4566',
    'https://sts.us-east-1.amazonaws.com',
    'not a url',
  ])('refuses the endpoint %s', (endpoint) => {
    const options = { stage: 'prod', region: 'us-east-1', endpoint, credentials } as const;
    expect(() => createAcmPcaClient(options)).toThrow(/not one of AWS's/);
  });

  it.each([
    'https://acm-pca.us-east-1.amazonaws.com',
    'https://acm-pca-fips.us-east-1.amazonaws.com',
    'https://acm-pca.cn-north-1.amazonaws.com.cn',
    'https://acm-pca.eu-west-1.api.aws',
    'https://vpce-0123-abcd.acm-pca.us-east-1.vpce.amazonaws.com',
  ])("takes AWS's endpoint %s", (endpoint) => {
    createAcmPcaClient({ stage: 'prod', region: 'us-east-1', endpoint, credentials }).destroy();
  });

  it.each([
    ['eu-central-1', 'https://acm-pca.eu-central-1.amazonaws.com'],
    ['us-gov-west-1', 'https://acm-pca.us-gov-west-1.amazonaws.com'],
    ['cn-north-1', 'https://acm-pca.cn-north-1.amazonaws.com.cn'],
    ['eusc-de-east-1', 'https://acm-pca.eusc-de-east-1.amazonaws.eu'],
  ])('knows the public endpoint of %s', (region, endpoint) => {
    expect(awsAcmPcaEndpoint(region)).toBe(endpoint);
    expect(isAwsAcmPcaEndpoint(endpoint)).toBe(true);
  });

  it('takes no Region that would change the host', () => {
    expect(() => awsAcmPcaEndpoint('us-east-1.example.net/')).toThrow(RangeError);
  });

  it('names its endpoint itself, so that no variable or profile can', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_ACM_PCA', 'http://127.0.0.1:9');
    const client = createAcmPcaClient({ stage: 'prod', region: 'us-east-1', credentials });
    expect((await client.config.endpoint?.())?.hostname).toBe('acm-pca.us-east-1.amazonaws.com');
    client.destroy();
    vi.unstubAllEnvs();
  });
});
