/**
 * What the ledger's calls cost on DynamoDB, measured: each with data as large as in life, from the ConsumedCapacity that
 * DynamoDB answers. DynamoDB Local counts index writes of a transaction twice, as it counts the table's; they are kept apart.
 */
import { createHash } from 'node:crypto';
import { createDynamoWatch } from '../../shared/adapters/dynamodb/watch.ts';
import type { NewIssuance } from '../../shared/issuance/issuance-record.ts';
import type { IssuanceLedger, Transition } from '../../shared/issuance/ports.ts';
import { type DynamoHarness, openDynamoHarness } from './dynamodb-harness.ts';
import { type Consumed, meterCapacity, notePartitions, type Partitions } from './dynamodb-middleware.ts';
import { testDynamoClient } from './dynamodb-table.ts';
import {
  dayMs,
  guideTo,
  ledgerTime,
  lostAnswer,
  moves,
  newCertificate,
  newCredential,
  newIssuance,
  unique,
} from './ledger-fixtures.ts';
import { makePrepared } from './make-prepared.ts';

/** DER of a P-256 request with one DNS name, and of the certificate for it. */
export const measuredSizes = { csrBytes: 430, certificateBytes: 760, names: 1 };

export interface CallCost extends Consumed {
  readonly call: string;
  /** Issuances, serials or tickets of the call. */
  readonly of: number;
  readonly partitions: Partitions;
}

export interface PathCost extends Consumed {
  readonly path: 'pkcs11' | 'acm-pca';
  readonly batch: number;
}

export interface Costs {
  readonly sizes: typeof measuredSizes;
  readonly calls: readonly CallCost[];
  /** Of one certificate, from the POST to the first GET, in batches of so many. */
  readonly certificates: readonly PathCost[];
}

interface World extends DynamoHarness {
  readonly take: () => Consumed;
  readonly touched: () => Partitions;
}

function bytesOf(length: number, seed: string): Uint8Array {
  const parts: Buffer[] = [];
  for (let n = 0; n * 32 < length; n++) parts.push(createHash('sha256').update(`${seed} ${n}`).digest());
  return new Uint8Array(Buffer.concat(parts).subarray(0, length));
}

async function openWorld(): Promise<World> {
  let take: (() => Consumed) | undefined;
  let touched: (() => Partitions) | undefined;
  const harness = await openDynamoHarness({
    onLedgerClient: (client) => {
      take = meterCapacity(client);
      touched = notePartitions(client);
    },
  });
  return { ...harness, take: take!, touched: touched! };
}

const realistic = (): Partial<NewIssuance> => ({ csrDer: bytesOf(measuredSizes.csrBytes, unique('csr')) });
const certificate = () => newCertificate({ der: bytesOf(measuredSizes.certificateBytes, unique('der')) });

export async function measureCosts(): Promise<Costs> {
  const certificates: PathCost[] = [];
  for (const path of ['pkcs11', 'acm-pca'] as const) {
    for (const batch of [1, 10, 100]) certificates.push(await measurePath(path, batch));
  }
  return { sizes: measuredSizes, calls: await measureCalls(), certificates };
}

/** Everything that the pipeline does for one certificate: enrol, validate, sign, hand out. */
async function measurePath(path: PathCost['path'], batch: number): Promise<PathCost> {
  const world = await openWorld();
  const { ledger } = world;
  const credential = newCredential({ countMax: 100_000 });
  await world.credentials.create(credential);
  world.take();
  const count = Math.max(batch, 50);
  for (let done = 0; done < count; done += batch) {
    const issuances = Array.from({ length: batch }, () => newIssuance(credential, realistic()));
    const ids: string[] = [];
    for (const issuance of issuances) {
      await ledger.current(issuance.requestId);
      const received = await ledger.receive(issuance);
      if (received.kind === 'received') ids.push(received.record.issuanceId);
    }
    await ledger.getMany(ids);
    await Promise.all(issuances.map(({ names, spkiSha256 }) => ledger.holders(names, spkiSha256)));
    await mustMove(
      ledger,
      ids.map((id) => moves.approve(id)),
    );
    await ledger.getMany(ids);
    const kind = path === 'pkcs11' ? 'tbs' : 'template';
    const certificates = ids.map(certificate);
    await mustMove(
      ledger,
      ids.map((id, index) =>
        moves.intend(makePrepared(id, 'devices', { kind, serial: certificates[index]!.serial }), 0),
      ),
    );
    if (path === 'acm-pca')
      await mustMove(
        ledger,
        ids.map((id) => moves.submit(id, arn())),
      );
    const from = path === 'acm-pca' ? 'submitted' : 'intended';
    await mustMove(
      ledger,
      ids.map((id, index) => moves.issue(id, certificates[index]!, { from })),
    );
    for (const id of ids) await ledger.get(id);
  }
  const total = world.take();
  await world.close();
  return { path, batch, ...perOne(total, count) };
}

function arn(): string {
  const uuid = '00000000-0000-4000-8000-000000000000';
  return unique(
    `arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/${uuid}/certificate/${'7'.repeat(32)}`,
  );
}

async function mustMove(ledger: IssuanceLedger, transitions: readonly Transition[]): Promise<void> {
  const outcomes = await ledger.advance(transitions);
  const refused = outcomes.find(({ kind }) => kind !== 'moved');
  if (refused !== undefined) throw new Error(JSON.stringify(refused));
}

function perOne(total: Consumed, count: number): Consumed {
  const each = (value: number) => Math.round((value / count) * 100) / 100;
  return {
    requests: each(total.requests),
    readUnits: each(total.readUnits),
    tableWriteUnits: each(total.tableWriteUnits),
    indexWriteUnits: each(total.indexWriteUnits),
  };
}

async function measureCalls(): Promise<readonly CallCost[]> {
  const world = await openWorld();
  const { ledger } = world;
  const calls: CallCost[] = [];
  /** What one call costs, all of it, whatever it is asked about. */
  async function measure(call: string, of: number, work: () => Promise<unknown>): Promise<void> {
    world.take();
    world.touched();
    await work();
    calls.push({ call, of, ...world.take(), partitions: world.touched() });
  }
  const guided = (state: Parameters<typeof guideTo>[0]) =>
    guideTo(state, world, { issuance: realistic(), certificate: { der: certificate().der } });

  const credential = newCredential({ countMax: 100_000 });
  await world.credentials.create(credential);
  await ledger.receive(newIssuance(credential, realistic()));
  const issuance = newIssuance(credential, realistic());
  await measure('current, none', 1, () => ledger.current(issuance.requestId));
  await measure('receive', 1, () => ledger.receive(issuance));
  await measure('receive, again (conflict)', 1, () => ledger.receive(issuance));
  await measure('receive, the next ordinal', 1, () => ledger.receive({ ...issuance, ordinal: 2 }));
  await measure('current', 1, () => ledger.current(issuance.requestId));
  await measureMoves(world, guided, measure);
  await measureReads(world, guided, measure);
  const { issuanceId } = await guided('received');
  calls.push({ call: 'watch, ten seconds in vain', of: 1, ...(await measureWatch(world.tableName, issuanceId)) });
  await world.close();
  return calls;
}

type Measure = (call: string, of: number, work: () => Promise<unknown>) => Promise<void>;
type GuidedTo = (state: Parameters<typeof guideTo>[0]) => ReturnType<typeof guideTo>;

async function measureMoves({ ledger }: World, guided: GuidedTo, measure: Measure): Promise<void> {
  const one = async (call: string, state: Parameters<GuidedTo>[0], move: (id: string) => Transition) => {
    const { issuanceId } = await guided(state);
    await measure(`advance to ${call}`, 1, () => mustMove(ledger, [move(issuanceId)]));
  };
  const tbs = (id: string) => makePrepared(id, 'devices');
  const template = (id: string) => makePrepared(id, 'devices', { kind: 'template' });
  await one('approved', 'received', (id) => moves.approve(id));
  await one('rejected', 'received', (id) => moves.reject(id));
  await one('lapsed', 'approved', (id) => moves.lapse(id));
  await one('intended (tbs)', 'approved', (id) => moves.intend(tbs(id), 0));
  await one('intended (template)', 'approved', (id) => moves.intend(template(id)));
  await one('submitted', 'intended', (id) => moves.submit(id, arn()));
  const intended = await guided('intended');
  await measure('advance to issued (tbs)', 1, () =>
    mustMove(ledger, [moves.issue(intended.issuanceId, intended.certificate)]),
  );
  const asked = await guided('approved');
  await mustMove(ledger, [moves.intend(template(asked.issuanceId))]);
  await measure('advance to issued (template)', 1, () =>
    mustMove(ledger, [moves.issue(asked.issuanceId, certificate())]),
  );
  await one('failed', 'intended', (id) => moves.fail(id));
  await one('misissued', 'intended', (id) => moves.misissue(id));
  await one('orphan-suspected', 'intended', (id) => moves.suspect(id));
  await one('revoked', 'issued', (id) => moves.revoke(id));
  await one('revoked (keyCompromise)', 'issued', (id) => moves.revoke(id, 'keyCompromise'));
  const listed = await guided('approved');
  const { serial } = listed.certificate;
  await mustMove(ledger, [moves.intend(makePrepared(listed.issuanceId, 'devices', { serial }), 0)]);
  await mustMove(ledger, [moves.issue(listed.issuanceId, listed.certificate)]);
  await measure('advance to revoked (its CRL is ours)', 1, () => mustMove(ledger, [moves.revoke(listed.issuanceId)]));
  const { issuanceId } = await guided('intended');
  await measure('advance, refused (conflict)', 1, () => ledger.advance([moves.approve(issuanceId)]));
  await measure('noteAttempts', 1, () => ledger.noteAttempts([{ issuanceId, error: lostAnswer }]));
}

async function measureReads(world: World, guided: GuidedTo, measure: Measure): Promise<void> {
  const { ledger } = world;
  const [pending, intended, issued] = [await guided('received'), await guided('intended'), await guided('issued')];
  await measure('get, received', 1, () => ledger.get(pending.issuanceId));
  await measure('get, intended', 1, () => ledger.get(intended.issuanceId));
  await measure('get, issued', 1, () => ledger.get(issued.issuanceId));
  const hundred = await Promise.all(Array.from({ length: 100 }, () => guided('issued')));
  const ids = hundred.map(({ issuanceId }) => issuanceId);
  await measure('getMany, issued', 100, () => ledger.getMany(ids));
  await measure('holders, one name', 1, () => ledger.holders(issued.issuance.names, issued.issuance.spkiSha256));
  await measure('releaseName', 1, () => ledger.releaseName(issued.issuance.names[0]!, ledgerTime));
  await measure('stale, none', 0, () => ledger.stale('orphan-suspected', ledgerTime - dayMs, 100));
  await Promise.all(Array.from({ length: 100 }, () => guided('approved')));
  await measure('stale', 100, () => ledger.stale('approved', ledgerTime + dayMs, 100));
  await measure('unsettled', 108, () => ledger.unsettled('devices'));
  await measure('counters, one fleet and day', 1, () => ledger.counters('devices'));
  const serials = hundred.map(({ certificate: one }) => one.serial);
  await measure('knownSerials', 100, () => ledger.knownSerials('devices', 1, serials));
  await measure('knownTickets, none of ours', 100, () => ledger.knownTickets(serials));
  await measure('issuedSerials', 100, () => ledger.issuedSerials('devices', 1, undefined, 100));
  await measure('leaseCrlSlots', 1, () => ledger.leaseCrlSlots('devices', 1, 100));
}

/** What a wait costs that nothing ends. */
async function measureWatch(
  tableName: string,
  issuanceId: string,
): Promise<Consumed & { readonly partitions: Partitions }> {
  const client = testDynamoClient();
  const take = meterCapacity(client);
  const touched = notePartitions(client);
  let now = 0;
  const pause = async (ms: number) => {
    now += ms;
  };
  const watch = createDynamoWatch({ client, tableName, clock: () => now, pause, random: () => 0.5 });
  await watch.untilSettled(issuanceId, 10_000);
  client.destroy();
  return { ...take(), partitions: touched() };
}
