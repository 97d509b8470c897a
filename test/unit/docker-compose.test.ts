import { readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readDeployment } from '../../localstack/embedded/deployment.ts';

interface Service {
  readonly image?: string;
  readonly ports?: readonly string[];
  readonly network_mode?: string;
  readonly command?: readonly string[];
}

const { services } = parse(readFileSync('localstack/docker-compose.yml', 'utf8')) as {
  readonly services: Readonly<Record<string, Service>>;
};
const init = readFileSync('localstack/init/queues-and-table.sh', 'utf8');

describe('docker-compose.yml', () => {
  it('publishes ports on loopback alone, and every image by its version (compose-loopback)', () => {
    for (const [name, { image, ports = [] }] of Object.entries(services)) {
      expect(image, name).toMatch(/:\d/);
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    }
  });

  it('runs our ACM PCA endpoint, in the network of a service that is there (compose-acm-pca)', () => {
    const { command, network_mode: mode = '' } = services['acm-pca']!;
    expect(statSync(command![1]!).isFile()).toBe(true);
    expect(services).toHaveProperty(mode.replace('service:', ''));
  });

  it('makes the queues of serverless.yml (compose-queues)', () => {
    for (const { queue } of readDeployment('serverless.yml').mappings) expect(init).toContain(queue);
    expect(statSync('localstack/init/queues-and-table.sh').mode & 0o111).not.toBe(0);
  });
});
