import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reportMarginMs } from '../../shared/issuance/audit-report.ts';
import { compareReports } from '../../shared/issuance/compare-report.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { TemplateIntent } from '../../shared/issuance/match-orphans.ts';
import type { AuditReportEntry, CollectOutcome } from '../../shared/issuance/ports.ts';
import { reconcile } from '../../shared/issuance/reconcile.ts';
import { absenceProvenFrom, type SettleOrphansPorts, settleOrphans } from '../../shared/issuance/settle-orphans.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { approved, type IssuanceWorld, openIssuanceWorld, recordOf, signTemplate } from '../support/issuance-world.ts';

const minuteMs = 60_000;
const reportIntervalMs = 30 * minuteMs;

let world: IssuanceWorld;
let ca: FakeCa;
beforeEach(async () => {
  world = await openIssuanceWorld();
  ca = fakeCa();
});
afterEach(() => world.close());

/** What the CA `devices` would report: entries that a test puts there, and the certificates behind them. */
interface FakeCa {
  readonly entries: AuditReportEntry[];
  readonly certificates: Map<string, Uint8Array>;
  readonly told: string[];
  begun: number;
  /** Entries after which reading the report fails. */
  endsAfter: number;
  readonly ports: SettleOrphansPorts & Parameters<typeof compareReports>[0];
}

function fakeCa(): FakeCa {
  const told: string[] = [];
  const one: FakeCa = {
    entries: [],
    certificates: new Map(),
    told,
    begun: 0,
    endsAfter: Number.POSITIVE_INFINITY,
    ports: {
      ...world.reconcilePorts,
      authorities: world.authorities,
      audits: world.store.audits,
      sleep: async () => undefined,
      backendOf: (issuer) => (issuer.caId === 'devices' ? world.devices : undefined),
      auditReports: {
        begin: async () => {
          one.begun += 1;
          return { kind: 'begun', reportId: `report-${one.begun}` };
        },
        describe: async () => ({ kind: 'ready', begunAt: world.now, location: 'report' }),
        entries: async function* () {
          for (const [index, entry] of one.entries.entries()) {
            if (index >= one.endsAfter) throw new Error('the report ends early');
            yield entry;
          }
          if (one.entries.length >= one.endsAfter) throw new Error('the report ends early');
        },
      },
      orphanReport: {
        adopted: (id) => told.push(`adopted ${id}`),
        absent: (id) => told.push(`absent ${id}`),
        duplicate: (id, arn) => told.push(`duplicate ${id} ${arn}`),
        mismatch: (id, arn, faults) => told.push(`mismatch ${id} ${arn} ${faults.join('; ')}`),
        blocked: (id, reason) => told.push(`blocked ${id} ${reason}`),
        failed: (caId, cause) => told.push(`failed ${caId} ${(cause as Error).message}`),
      },
      comparisonReport: {
        unknownCertificate: (caId, { serialHex }) => told.push(`unknown-certificate ${caId} ${serialHex}`),
        unknownIssuance: (caId, { serial }) => told.push(`unknown-issuance ${caId} ${serial}`),
        failed: (caId, cause) => told.push(`failed ${caId} ${(cause as Error).message}`),
      },
    },
  };
  world.devices.onCollect = (issuanceId, ticket): CollectOutcome | undefined => {
    const certificateDer = one.certificates.get(ticket);
    return certificateDer === undefined ? undefined : { kind: 'issued', issuanceId, certificateDer };
  };
  return one;
}

async function orphan(): Promise<string> {
  const id = await approved(world, { profile: 'device' });
  world.devices.onSubmit = (prepared) => ({
    kind: 'retry',
    issuanceId: prepared.issuanceId,
    code: 'lost',
    message: 'lost',
    retryAfterMs: 1,
  });
  await issueCertificates(world.signerPorts(), [id]);
  world.devices.onSubmit = undefined;
  world.now += 5 * minuteMs;
  await reconcile(world.reconcilePorts);
  world.signing['acm-pca'].sent.length = 0;
  expect((await recordOf(world, id)).state).toBe('orphan-suspected');
  return id;
}

async function intentOf(id: string): Promise<TemplateIntent> {
  const { intent } = await recordOf(world, id);
  if (intent?.kind !== 'template') throw new Error('no template intent');
  return intent;
}

type Edit = NonNullable<Parameters<typeof signTemplate>[3]>;

/** A certificate at the CA made of an orphan's intent. */
async function atCa(id: string, changes: Partial<AuditReportEntry> = {}, edit?: Edit): Promise<string> {
  const intent = await intentOf(id);
  const issuer = (await world.authorities.newest('devices'))!;
  const der = await signTemplate(world.folder, issuer, { ...(await recordOf(world, id)), intent }, edit);
  const { serialHex, notBefore, notAfter } = parseCertificate(der).tbs;
  const arn = `arn:certificate/${serialHex}`;
  const { templateArn, at: issuedAt } = intent;
  ca.entries.push({ arn, serialHex, subject: '', notBefore, notAfter, issuedAt, templateArn, ...changes });
  ca.certificates.set(arn, der);
  return arn;
}

/** From when on a report proves the absence of an orphan, or a moment before. */
async function moveToProof(id: string, offsetMs = 0): Promise<void> {
  world.now = absenceProvenFrom({ intent: await intentOf(id) }) + offsetMs;
}

const stateOf = async (id: string) => (await recordOf(world, id)).state;

describe('settling orphans', () => {
  it('adopts a certificate that is the orphan in everything, with its ARN as the ticket', async () => {
    const id = await orphan();
    const arn = await atCa(id);
    expect(await settleOrphans(ca.ports)).toEqual({ adopted: 1, absent: 0, left: 0 });
    expect(await recordOf(world, id)).toMatchObject({ state: 'issued', adopted: true, ticket: arn });
    expect(ca.told).toEqual([`adopted ${id}`]);
  });

  it('proves absence only from a report begun the whole margin after the last possible submit', async () => {
    const id = await orphan();
    const { at } = await intentOf(id);
    expect(absenceProvenFrom({ intent: await intentOf(id) })).toBe(at + 240_000 + reportMarginMs);
    await moveToProof(id, -1);
    expect(await settleOrphans(ca.ports)).toEqual({ adopted: 0, absent: 0, left: 1 });
    world.now += reportIntervalMs;
    expect(await settleOrphans(ca.ports)).toEqual({ adopted: 0, absent: 1, left: 0 });
    expect(await recordOf(world, id)).toMatchObject({ state: 'approved' });
    expect((await recordOf(world, id)).intent).toBeUndefined();
    expect(world.signing['acm-pca'].sent).toEqual([id]);
  });

  it('concludes nothing from a report that ends early', async () => {
    const id = await orphan();
    await atCa(id, { templateArn: 'arn:other', issuedAt: (await intentOf(id)).at - 60 * minuteMs });
    await moveToProof(id);
    ca.endsAfter = 1;
    expect(await settleOrphans(ca.ports)).toMatchObject({ adopted: 0, absent: 0, left: 1 });
    expect(ca.told).toEqual(['failed devices the report ends early']);
    ca.endsAfter = Number.POSITIVE_INFINITY;
    expect(await settleOrphans(ca.ports)).toMatchObject({ absent: 1 });
  });

  it('is not absent when its key was certified at its time as something else (a CA that misissued has issued)', async () => {
    const id = await orphan();
    const intent = await intentOf(id);
    const notAfter = intent.notAfter - 3_600_000;
    const arn = await atCa(id, { notAfter, issuedAt: intent.at + 230_000 }, (fields) => ({ ...fields, notAfter }));
    await moveToProof(id);
    expect(await settleOrphans(ca.ports)).toMatchObject({ adopted: 0, absent: 0, left: 1 });
    expect(ca.told).toEqual([expect.stringMatching(`^mismatch ${id} ${arn} .*notAfter`)]);
  });

  it('is absent when others were certified at its time, and each was looked at', async () => {
    const [id, other] = [await orphan(), await orphan()];
    const { at } = await intentOf(id);
    await atCa(other, { templateArn: 'arn:other', issuedAt: at + 10_000 });
    await moveToProof(other);
    expect(await settleOrphans(ca.ports)).toMatchObject({ adopted: 0, absent: 1, left: 1 });
    expect(await Promise.all([id, other].map(stateOf))).toEqual(['approved', 'orphan-suspected']);
  });

  it('concludes nothing while a candidate cannot be read, and looks again in the same report', async () => {
    const id = await orphan();
    await moveToProof(id);
    const arn = await atCa(id);
    const der = ca.certificates.get(arn)!;
    for (const answer of ['pending', 'failed', 'garbage'] as const) {
      world.devices.onCollect = (issuanceId): CollectOutcome =>
        answer === 'pending'
          ? { kind: 'pending', issuanceId, retryAfterMs: 1 }
          : answer === 'failed'
            ? { kind: 'failed', issuanceId, code: 'x', message: 'x' }
            : { kind: 'issued', issuanceId, certificateDer: new Uint8Array([1]) };
      expect(await settleOrphans(ca.ports)).toMatchObject({ adopted: 0, absent: 0, left: 1 });
    }
    world.devices.onCollect = (issuanceId) => ({ kind: 'issued', issuanceId, certificateDer: der });
    expect(await settleOrphans(ca.ports)).toMatchObject({ adopted: 1 });
    expect(ca.begun).toBe(1);
  });

  it.each<[string, Edit]>([
    ['another extension', (fields) => ({ ...fields, extensions: fields.extensions.slice(1) })],
    ['another subject', (fields) => ({ ...fields, subject: Uint8Array.of(0x30, 0) })],
    ['another issuer', (fields) => ({ ...fields, issuer: fields.subject })],
  ])('leaves an orphan whose key has a certificate with %s to a person', async (_, edit) => {
    const id = await orphan();
    const arn = await atCa(id, {}, edit);
    await moveToProof(id);
    expect(await settleOrphans(ca.ports)).toEqual({ adopted: 0, absent: 0, left: 1 });
    expect(ca.told).toEqual([expect.stringContaining(`mismatch ${id} ${arn} `)]);
  });

  it('never adopts a certificate that is older than the intent, nor issues anew beside it', async () => {
    const id = await orphan();
    const { at } = await intentOf(id);
    await atCa(id, { issuedAt: at - 5 * minuteMs - 1 });
    await moveToProof(id);
    expect(await settleOrphans(ca.ports)).toEqual({ adopted: 0, absent: 0, left: 1 });
    expect(ca.told).toEqual([expect.stringContaining('issued before it was intended')]);
  });

  it('does not take what is another issuance by its serial or its ticket', async () => {
    const [first, second] = [await orphan(), await orphan()];
    await atCa(first);
    await settleOrphans(ca.ports);
    // The same certificate under the validity of the second: bound, whatever the report says of it.
    const { notBefore, notAfter } = await intentOf(second);
    ca.entries[0] = { ...ca.entries[0]!, notBefore, notAfter };
    world.devices.collected.length = 0;
    await moveToProof(second, reportIntervalMs);
    expect(await settleOrphans(ca.ports)).toMatchObject({ absent: 1 });
    expect(world.devices.collected).toEqual([]);
  });

  it('leaves it where it is when the serial went to somebody else between the look and the move', async () => {
    const id = await orphan();
    await atCa(id);
    const ledger = {
      ...world.store.ledger,
      advance: async (moves: readonly unknown[]) => moves.map(() => ({ kind: 'serial-taken' as const })),
    };
    expect(await settleOrphans({ ...ca.ports, ledger })).toEqual({ adopted: 0, absent: 0, left: 1 });
    expect(ca.told).toEqual([]);
  });

  it('writes down as revoked what somebody revoked at the CA meanwhile', async () => {
    const id = await orphan();
    await atCa(id, { revokedAt: world.now });
    expect(await settleOrphans(ca.ports)).toMatchObject({ adopted: 1 });
    expect(await recordOf(world, id)).toMatchObject({ state: 'revoked', adopted: true });
  });

  it('stays, and says so, when a name has gone to another key meanwhile', async () => {
    const id = await orphan();
    const [name] = (await recordOf(world, id)).names;
    await world.store.ledger.releaseName(name!, world.now);
    const other = await approved(world, { profile: 'service', name: name!.slice('dns:'.length) });
    expect(other).not.toBe(id);
    await moveToProof(id);
    expect(await settleOrphans(ca.ports)).toMatchObject({ absent: 0, left: 1 });
    expect(ca.told).toEqual([`blocked ${id} held`]);
  });

  it('looks at each orphan once in each report, and reads none when there is nothing new', async () => {
    const first = await orphan();
    await settleOrphans(ca.ports);
    let reads = 0;
    const { entries } = ca.ports.auditReports;
    const auditReports: typeof ca.ports.auditReports = {
      ...ca.ports.auditReports,
      entries: (ref, location) => {
        reads += 1;
        return entries(ref, location);
      },
    };
    const ports = { ...ca.ports, auditReports };
    await settleOrphans(ports);
    expect(reads).toBe(0);
    world.now += minuteMs;
    expect([await stateOf(first), ca.begun]).toEqual(['orphan-suspected', 1]);
    await settleOrphans(ports);
    expect(reads).toBe(0);
  });

  it('loses nothing when the signing queue is not there: the approved are sent again by the reconciler', async () => {
    const id = await orphan();
    await moveToProof(id);
    world.signing['acm-pca'].failures = 1;
    expect(await settleOrphans(ca.ports)).toMatchObject({ absent: 1 });
    expect(ca.told).toEqual([`absent ${id}`, 'failed devices the queue is not there']);
    world.now += 2 * minuteMs + 1;
    await reconcile(world.reconcilePorts);
    expect(world.signing['acm-pca'].sent).toEqual([id]);
  });

  it('leaves orphans of a CA that it has no way to', async () => {
    const id = await orphan();
    expect(await settleOrphans({ ...ca.ports, backendOf: () => undefined })).toEqual({
      adopted: 0,
      absent: 0,
      left: 1,
    });
    expect([await stateOf(id), ca.begun]).toEqual(['orphan-suspected', 0]);
  });
});

describe('comparing with a report larger than is held at once', () => {
  it('finds the one issuance that the CA does not have, and the one certificate that the ledger does not, in parts', async () => {
    const count = 2_500;
    const serialOf = (n: number) => n.toString(16).padStart(8, '0').repeat(2);
    const [atCaOnly, inLedgerOnly] = [777, 1_234];
    const entry = { subject: '', notBefore: 0, notAfter: world.now * 2, issuedAt: 0, templateArn: 't' };
    let passes = 0;
    const ports = {
      ...ca.ports,
      auditReports: {
        ...ca.ports.auditReports,
        entries: async function* (ref: string) {
          if (!ref.includes('devices')) return;
          passes += 1;
          for (let n = 0; n < count; n++)
            if (n !== inLedgerOnly) yield { ...entry, arn: `arn/${n}`, serialHex: serialOf(n) };
        },
      },
      ledger: {
        ...world.store.ledger,
        knownTickets: async () => new Map(),
        knownSerials: async (_ca: string, _generation: number, serials: readonly string[]) =>
          new Map(
            serials
              .filter((serial) => serial !== serialOf(atCaOnly))
              .map((serial) => [serial, { issuanceId: 'i', state: 'issued' as const }]),
          ),
        issuedSerials: async (caId: string, _generation: number, after: string | undefined, countMax: number) => {
          if (caId !== 'devices') return { issued: [], next: undefined };
          const start = after === undefined ? 0 : Number.parseInt(after.slice(0, 8), 16) + 1;
          const all = Array.from({ length: Math.min(countMax, count - start) }, (_one, n) => serialOf(start + n));
          const issued = all
            .filter((serial) => serial !== serialOf(atCaOnly))
            .map((serial) => ({ serial, issuanceId: 'i', at: 0 }));
          return { issued, next: all.length < countMax ? undefined : all.at(-1) };
        },
      },
    };
    world.now += reportIntervalMs;
    const { compared } = await compareReports(ports, { dueAfterMs: 0, waitMsMax: 0, serialsAtOnceMax: 1_000 });
    expect(compared.find(({ caId }) => caId === 'devices')).toMatchObject({
      entries: count - 1,
      unknownCertificates: { count: 1, named: [{ serialHex: serialOf(atCaOnly) }] },
      unknownIssuances: { count: 1, named: [{ serial: serialOf(inLedgerOnly) }] },
    });
    expect(passes).toBe(1 + Math.ceil(count / 800));
    expect(ca.told).toEqual([
      `unknown-certificate devices ${serialOf(atCaOnly)}`,
      `unknown-issuance devices ${serialOf(inLedgerOnly)}`,
    ]);
  });
});
