/** Measures the stages, in a process of its own: a stack is one a process, and nothing else is to be in its CPU. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { TlsMaterial } from '../../localstack/embedded/front.ts';
import { writeServerTls } from '../certificates.ts';
import { prepareRequests } from '../client/requests.ts';
import { measureJourney, measureSignatureAlone } from './journey.ts';
import { measure } from './measure.ts';
import type { Stage, StagesAnswer } from './stage.ts';
import { measureFront, measureHandler, measureQueue, measureReads } from './surroundings.ts';
import { openStageWorld } from './world.ts';

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: '' },
    hierarchy: { type: 'string', default: '' },
    iterations: { type: 'string', default: '2000' },
    tls: { type: 'boolean', default: false },
  },
});

async function measureStages(): Promise<StagesAnswer> {
  const iterations = Number(values.iterations);
  const warmUp = Math.ceil(iterations / 2);
  const world = await openStageWorld(values.dir, values.hierarchy, process.env.SEALWRIGHT_PKCS11_MODULE);
  const requests = prepareRequests('stage', warmUp + iterations);
  const [first, ...others] = world.authorities.toReversed();
  const journey = await measureJourney(world, first!, requests, warmUp);
  const { measurement: current } = await measure(journey.issued, 1, (id) =>
    world.stack.ledger.current(id.slice(0, id.lastIndexOf('.'))),
  );
  const repeated = journey.stages.slice(0, 3).reduce((sum, { cpuUsPerCall }) => sum + cpuUsPerCall, current.cpuUs);
  const handler = await measureHandler(world, first!, requests, warmUp, repeated);
  const stages: Stage[] = [
    ...journey.stages,
    await measureReads(world, journey.issued, warmUp),
    await measureQueue(world, journey.issued, warmUp),
    handler.stage,
    await measureFront(handler.answer, iterations, warmUp, values.tls ? await tlsMaterial(values.dir) : undefined),
  ];
  for (const other of others) {
    const own = await measureSignatureAlone(world, other, prepareRequests('alone', warmUp + iterations), warmUp);
    stages.splice(stages.findIndex(({ backend }) => backend !== undefined) + 1, 0, own);
  }
  await world.stack.close();
  return { kind: 'stages', stages, iterations };
}

async function tlsMaterial(dir: string): Promise<TlsMaterial> {
  const { certificateFile, privateKeyFile } = await writeServerTls(dir);
  return {
    certificatePem: readFileSync(certificateFile, 'utf8'),
    privateKeyPem: readFileSync(privateKeyFile, 'utf8'),
  };
}

process.on('disconnect', () => process.exit());
const answer = await measureStages().catch((cause: unknown): StagesAnswer => {
  return { kind: 'failed', message: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) };
});
process.send?.(answer, () => process.exit());
