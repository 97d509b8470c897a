import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createAcmPcaBackend } from '../../shared/adapters/acm-pca/backend.ts';
import { createAcmPcaClient } from '../../shared/adapters/acm-pca/client.ts';
import { createPacingBudget } from '../support/process-pacing.ts';
import { newTemplateIssuance, templateTime } from '../support/template-issuance.ts';

const ref = 'arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/0f4b6f62-4f8a-4b5e-9a3b-6a2d7c1f0e11';

describe('the ACM PCA backend when the service is not there', () => {
  const servers: Server[] = [];

  async function backendOver(listener: RequestListener | undefined, attemptsMax: number) {
    const listening = createServer(listener);
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const { port } = listening.address() as AddressInfo;
    if (listener === undefined) await new Promise((resolve) => listening.close(resolve));
    else servers.push(listening);
    const endpoint = `http://127.0.0.1:${port}`;
    const credentials = { accessKeyId: 'EMULATOR', secretAccessKey: 'emulator' };
    const client = createAcmPcaClient({ stage: 'dev', region: 'us-east-1', endpoint, credentials });
    const clock = () => templateTime;
    const sleep = async () => undefined;
    const pacing = createPacingBudget({ clock, sleep });
    const limits = { callMsMax: 60, attemptsMax, pollDelaysMs: [0] };
    return createAcmPcaBackend({ client, authority: { caId: 'devices', ref }, pacing, clock, sleep, limits });
  }

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  const unknown = { kind: 'retry', code: 'pca-outcome-unknown' };

  it('gives up a call that is not answered, its outcome unknown', async () => {
    let calls = 0;
    const backend = await backendOver(() => {
      calls += 1;
    }, 2);
    expect((await backend.submit([newTemplateIssuance()]))[0]).toMatchObject(unknown);
    expect(calls).toBe(2);
    expect((await backend.collect([{ issuanceId: 'a.1', ticket: `${ref}/certificate/1` }]))[0]!.kind).toBe('pending');
  });

  it('does not know the outcome when nobody listens, the connection breaks, or the answer is not JSON', async () => {
    expect((await (await backendOver(undefined, 1)).submit([newTemplateIssuance()]))[0]).toMatchObject(unknown);
    const breaking = await backendOver((request) => request.socket.destroy(), 1);
    expect((await breaking.submit([newTemplateIssuance()]))[0]).toMatchObject(unknown);
    const garbled = await backendOver((request, response) => {
      request.resume().on('end', () => response.writeHead(200).end('<html>'));
    }, 1);
    expect((await garbled.submit([newTemplateIssuance()]))[0]).toMatchObject(unknown);
  });
});
