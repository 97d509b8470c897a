import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IssueCertificateCommand } from '@aws-sdk/client-acm-pca';
import middy from '@middy/core';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { reportTo } from '../../functions/auditor/reports.ts';
import { reportReconciliation } from '../../functions/reconciler/report.ts';
import { signerReport } from '../../functions/signer/report.ts';
import { validatorReport } from '../../functions/validator/report.ts';
import { pollOnce } from '../../localstack/embedded/event-source-mapping.ts';
import { hostReport } from '../../localstack/embedded/host.ts';
import { issueRequest } from '../../shared/adapters/acm-pca/issue-request.ts';
import { createAlarmLog } from '../../shared/adapters/aws-lambda/alarm-log.ts';
import type { HttpResponse } from '../../shared/adapters/aws-lambda/http-response.ts';
import { problemDocuments } from '../../shared/adapters/aws-lambda/problem-documents.ts';
import { createFileCrlObjects } from '../../shared/adapters/files/crl-objects.ts';
import { Pkcs11Failure } from '../../shared/adapters/pkcs11/return-values.ts';
import { StorageError } from '../../shared/adapters/sqlite/storage-error.ts';
import { type AlarmName, alarmNames, alarms, type RaiseAlarm } from '../../shared/issuance/alarms.ts';
import { compareReports } from '../../shared/issuance/compare-report.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import { type InspectPorts, inspect } from '../../shared/issuance/inspect.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { TemplateIntent } from '../../shared/issuance/match-orphans.ts';
import type { SubmitOutcome } from '../../shared/issuance/ports.ts';
import { publishCrls } from '../../shared/issuance/publish-crls.ts';
import { receiveEnrollment } from '../../shared/issuance/receive-enrollment.ts';
import { reconcile } from '../../shared/issuance/reconcile.ts';
import { finishRevocations } from '../../shared/issuance/revoke-certificate.ts';
import { settleOrphans } from '../../shared/issuance/settle-orphans.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { watchCustody } from '../../shared/issuance/watch-custody.ts';
import { issue } from '../support/acm-pca-endpoint.ts';
import { clusterOf } from '../support/clusters.ts';
import { mappingOf } from '../support/hsm-world.ts';
import { approved, createCaller, type IssuanceWorld, openIssuanceWorld, receive } from '../support/issuance-world.ts';
import { newCredential } from '../support/ledger-fixtures.ts';
import { lostIssuance, type OrphanWorld, type OrphanWorldOptions, openOrphanWorld } from '../support/orphan-world.ts';
import { seedLedger } from '../support/seeded-certificates.ts';
import { dns, freshName, projectDir, requestFor } from '../support/service.ts';
import { openHarness, queueHarness } from '../support/sqlite-harness.ts';

const minuteMs = 60_000;
type Provoke = (raise: RaiseAlarm) => Promise<unknown>;

/** Runs something in a world of its own. */
function inWorld(work: (world: IssuanceWorld, raise: RaiseAlarm) => Promise<unknown>): Provoke {
  return async (raise) => {
    const world = await openIssuanceWorld();
    try {
      await work(world, raise);
    } finally {
      await world.close();
    }
  };
}

/** Signs one issuance of the HSM's CA. */
function signing(prepare: (world: IssuanceWorld) => unknown): Provoke {
  return inWorld(async (world, raise) => {
    const id = await approved(world, { profile: 'service' });
    await prepare(world);
    await issueCertificates(world.signerPorts({ report: signerReport(raise) }), [id]);
  });
}

const submitAnswers = (answer: Partial<SubmitOutcome> & { readonly kind: SubmitOutcome['kind'] }) =>
  signing((world) => {
    const message = 'as the CA says';
    world.workloads.onSubmit = ({ issuanceId }) => ({ issuanceId, message, ...answer }) as SubmitOutcome;
  });

/** A request that ends with this error, through the handlers' middleware. */
function requesting(work: () => Promise<unknown>): Provoke {
  return async (raise) => {
    const handler = middy<APIGatewayProxyEventV2, HttpResponse>()
      .use(problemDocuments(raise))
      .handler(async () => {
        await work();
        throw new Error('it did not fail');
      });
    const event = { routeKey: 'GET /', requestContext: { requestId: 'r' }, headers: {} };
    await handler(event as unknown as APIGatewayProxyEventV2, {} as never);
  };
}

function atPca<T>(
  work: (world: OrphanWorld, ports: OrphanWorld['ports']) => Promise<T>,
  place: OrphanWorldOptions = {},
): (raise: RaiseAlarm) => Promise<T> {
  return async (raise) => {
    const world = await openOrphanWorld(place);
    try {
      return await work(world, { ...world.ports, ...reportTo({ raise, logger: { warn: () => undefined } }) });
    } finally {
      await world.close();
    }
  };
}

function inspecting(changes: (world: IssuanceWorld) => Promise<Partial<InspectPorts>>): Provoke {
  return inWorld(async (world, raise) => {
    const { hierarchy, authorities } = world;
    const ports = { hierarchy, authorities, queues: new Map(), deadLetters: world.store.deadLetters };
    const clock = () => world.now;
    await inspect({ ...ports, walBytes: () => 0, clock, raise, ...(await changes(world)) });
  });
}

const dayMs = 86_400_000;

/** The key of one CA is shown for all of them here, of which the others are told apart. */
const onlyBackups =
  (raise: RaiseAlarm): RaiseAlarm =>
  (name, fields) => {
    if (fields.caId === 'workloads') raise(name, fields);
  };

/** What provokes each alarm, by the code that raises it in the service. The type demands all of them. */
const provocations: Readonly<Record<AlarmName, Provoke>> = {
  misissued: signing(async (world) => {
    const certificateDer = (await world.authorities.newest('workloads'))!.certificateDer;
    world.workloads.onSubmit = ({ issuanceId }) => ({ kind: 'signed', issuanceId, certificateDer });
  }),
  'custody-stopped': signing((world) => {
    world.workloads.onDescribe = (honest) => ({ ...honest, spkiSha256: '00'.repeat(32) });
  }),
  'custody-unknown': signing((world) => {
    world.workloads.onDescribe = () => Promise.reject(new Error('no answer'));
  }),
  'hsm-backup-old': inWorld(async (world, raise) => {
    const cluster = clusterOf({ readAt: world.now, backupCount: 0, latestBackup: undefined });
    const evidenceOf = () => ({
      describeKey: async () => ({ ...(await world.workloads.describeKey()), cluster }),
    });
    const { authorities, hierarchy } = world;
    await watchCustody({ hierarchy, authorities, evidenceOf, clock: () => world.now, raise: onlyBackups(raise) });
  }),
  'crl-failed': inWorld(async (world, raise) => {
    const { authorities, folder, hierarchy, store } = world;
    await publishCrls(
      {
        hierarchy,
        authorities,
        crlSource: store.revocations,
        crlObjects: createFileCrlObjects(folder),
        backendOf: () => ({ ...world.workloads, signCrl: () => Promise.reject(new Error('the HSM is gone')) }),
        custody: createCustodyGate(hierarchy, () => world.now),
        clock: () => world.now,
      },
      (caId, cause) => raise('crl-failed', { caId, error: cause }),
    );
  }),
  'revocation-stuck': inWorld(async (world, raise) => {
    const { ledger, revocations } = world.store;
    await revocations.begin({ issuanceId: 'a.1', reason: 'superseded', at: world.now, by: 'operator-1' });
    const { authorities } = world;
    await finishRevocations(
      { ledger, revocations, authorities, backendOf: () => undefined, clock: () => world.now },
      ({ issuanceId }, cause) => raise('revocation-stuck', { issuanceId, error: cause }),
    );
  }),
  'hsm-pin-refused': signing((world) => {
    const cause = new Pkcs11Failure('pin', 'CKR_PIN_INCORRECT', 'refused');
    world.workloads.onDescribe = () => Promise.reject(new SealwrightError('backend-unavailable', { cause }));
  }),
  'backend-unavailable': submitAnswers({ kind: 'unavailable', code: 'CKR_DEVICE_ERROR' }),
  throttled: submitAnswers({ kind: 'retry', code: 'ThrottlingException', retryAfterMs: 1, throttled: true }),
  'issuance-refused': submitAnswers({ kind: 'refused', code: 'MalformedCSRException' }),
  'signing-failed': signing((world) => {
    world.workloads.onSubmit = () => {
      throw new Error('a mistake of ours');
    };
  }),
  'validation-failed': inWorld(async (world, raise) => {
    const { record } = await receive(world);
    const ledger = { ...world.store.ledger, holders: () => Promise.reject(new Error('a mistake of ours')) };
    await validateEnrollments({ ...world.validatePorts, ledger, ...validatorReport(raise) }, [record.issuanceId]);
  }),
  'orphan-suspected': async (raise) => {
    await atPca(async (world) => {
      await lostIssuance(world, 'before');
      reportReconciliation(raise, { info: () => undefined }, await suspect(world));
    })(raise);
  },
  'orphan-unsettled': atPca(async (world, ports) => {
    const id = await lostIssuance(world, 'before');
    const other = freshName();
    await plant(world, id, { commonName: other, names: [dns(other)] });
    await suspect(world);
    await settleLater(world, ports, 70);
  }),
  'duplicate-certificate': atPca(async (world, ports) => {
    const id = await lostIssuance(world, 'after');
    world.endpoint.advance(1_000);
    await plant(world, id);
    await suspect(world);
    await settleLater(world, ports, 3);
  }),
  'unknown-certificate': atPca(async (world, ports) => {
    await issue(world.endpoint.client, world.issuer.backendRef);
    await compareLater(world, ports);
  }),
  'unknown-issuance': async (raise) => {
    const folder = mkdtempSync(join(tmpdir(), 'sealwright-alarms-'));
    const place = { ledgerFile: join(folder, 'ledger.sqlite'), stateDir: join(folder, 'acm-pca') };
    const issuedAt = await atPca(async (world) => {
      await world.sign(await world.approve());
      return world.endpoint.now();
    }, place)(raise);
    seedLedger(place.ledgerFile, 'devices', 1, issuedAt as number);
    await atPca(compareLater, place)(raise);
    rmSync(folder, { recursive: true, force: true });
  },
  'audit-report-failed': atPca(async (world, ports) => {
    const entries = () => {
      throw new Error('an entry that is not understood');
    };
    await compareLater(world, { ...ports, auditReports: { ...ports.auditReports, entries } });
  }),
  'queue-too-deep': inWorld(async (world, raise) => {
    const caller = await createCaller(world);
    const admission = {
      check: async () => ({ kind: 'refuse', retryAfterMs: 1_000, clearMs: 61_000, perSecond: 25 }) as const,
      accepted: () => undefined,
    };
    const csr = requestFor([dns(freshName())]);
    await requesting(() => receiveEnrollment({ ...world.receivePorts, admission }, caller, 'device', csr))(raise);
  }),
  'queue-age': inspecting(async (world) => {
    const queue = world.store.queue('enrolment');
    await queue.send(['a.1']);
    world.now += 6 * minuteMs;
    return { queues: new Map([['enrolment', queue]]) };
  }),
  'dead-letters': async (raise) => {
    const h = await queueHarness('memory', 1);
    const once = { countMax: 1, visibilityMs: 1_000, waitMsMax: 0 };
    await h.work.send(['a.1']);
    await h.work.receive(once);
    await h.elapse(1_000);
    await h.work.receive(once);
    await inspecting(async () => ({ deadLetters: h.deadLetters }))(raise);
    await h.close();
  },
  'ca-near-its-end': inspecting(async (world) => {
    // `workloads` issues for 90 days: of its three years, 119 days are left.
    const { notAfter } = (await world.authorities.newest('workloads'))!;
    world.now = notAfter - 119 * dayMs;
    return {};
  }),
  'wal-large': inspecting(async () => ({ walBytes: () => 300 * 1024 * 1024 })),
  'storage-full': requesting(async () => {
    const h = await openHarness('file', { pageCountMax: 70 });
    try {
      const names = { dns: ['x'.repeat(300_000)], spiffe: [], ip: [] };
      await h.credentials.create(newCredential({ names }));
    } finally {
      await h.close();
    }
  }),
  'storage-failed': requesting(() => Promise.reject(new StorageError('storage-failed', 'the disk is gone'))),
  'ledger-overloaded': requesting(async () => {
    const h = await openHarness('memory', { queuedOperationsMax: 1 });
    try {
      await Promise.all([1, 2].map(() => h.credentials.create(newCredential())));
    } finally {
      await h.close();
    }
  }),
  'request-failed': requesting(() => Promise.reject(new Error('a mistake of ours'))),
  'host-failed': async (raise) => {
    const h = await queueHarness('memory', 3);
    const onError = hostReport(raise);
    await h.work.send(['a.1']);
    const failing = () => Promise.reject(new Error('a mistake of ours'));
    await pollOnce(mappingOf('work'), h.work, failing, (cause, { queue }) => onError(cause, queue), 0);
    await h.close();
  },
};

/** Past the life of its token. */
async function suspect(world: OrphanWorld) {
  world.endpoint.advance(5 * minuteMs);
  return reconcile({ ...world.ports, enrolmentQueue: world.ports.signingQueue('acm-pca')! });
}

async function settleLater(world: OrphanWorld, ports: OrphanWorld['ports'], minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute++) {
    world.endpoint.advance(minuteMs);
    await settleOrphans(ports);
  }
}

async function compareLater(world: OrphanWorld, ports: OrphanWorld['ports']): Promise<void> {
  world.endpoint.advance(31 * minuteMs);
  await compareReports(ports, { dueAfterMs: 0, waitMsMax: minuteMs });
}

/** Issues at the CA with the intent of an issuance, changed, behind the ledger's back. */
async function plant(world: OrphanWorld, id: string, changes: Partial<TemplateIntent> = {}): Promise<void> {
  const { csrDer, intent } = await world.record(id);
  if (intent?.kind !== 'template') throw new Error('no template intent');
  const wanted = { ...intent, ...changes };
  const { IdempotencyToken: _, ...request } = issueRequest(world.issuer.backendRef, csrDer, wanted);
  await world.endpoint.client.send(new IssueCertificateCommand(request));
}

describe('alarms', () => {
  it.each(alarmNames)('%s is raised by what it is for', async (name) => {
    const raised: string[] = [];
    await provocations[name]((one, fields) => {
      expect(JSON.stringify(fields)).toBeDefined();
      raised.push(one);
    });
    expect(raised).toContain(name);
  });

  it('have an entry in the runbook each, and the runbook has no other (docs/runbook.md)', () => {
    const runbook = readFileSync(join(projectDir, 'docs', 'runbook.md'), 'utf8');
    const headings = [...runbook.matchAll(/^## (.+)$/gm)].map((match) => match[1]!);
    expect(headings.toSorted()).toEqual([...alarmNames].toSorted());
    for (const section of runbook.split(/^## /m).slice(1)) {
      const [heading] = section.split('\n', 1);
      for (const part of ['**Means.**', '**Look at.**', '**Type.**']) expect(section, heading).toContain(part);
    }
  });

  it('have each a message of its own, and a meaning of one sentence', () => {
    const all = alarmNames.map((name) => alarms[name]);
    expect(new Set(all.map(({ message }) => message)).size).toBe(all.length);
    for (const { meaning } of all) expect(meaning).toMatch(/^[A-Z][^.]*\.$/);
  });

  it('are the only way to the levels ERROR and CRITICAL of the log', () => {
    const offenders: string[] = [];
    for (const folder of ['functions', 'shared', 'localstack']) {
      for (const file of readdirSync(join(projectDir, folder), { recursive: true, encoding: 'utf8' })) {
        if (!file.endsWith('.ts') || file === join('adapters', 'aws-lambda', 'alarm-log.ts')) continue;
        const text = readFileSync(join(projectDir, folder, file), 'utf8');
        if (/\blogger\.(error|critical)\(/.test(text)) offenders.push(join(folder, file));
      }
    }
    expect(offenders).toEqual([]);
  });
});

describe('the alarm log', () => {
  function open() {
    const logged: { readonly level: string; readonly message: unknown; readonly fields: unknown }[] = [];
    let now = 0;
    const log = (level: string) => (message: unknown, fields: unknown) => void logged.push({ level, message, fields });
    const raise = createAlarmLog({ error: log('ERROR'), critical: log('CRITICAL') } as never, () => now);
    return { logged, raise, elapse: (ms: number) => (now += ms) };
  }

  it('logs a page as CRITICAL and a ticket as ERROR, with message and name of the list', () => {
    const { logged, raise } = open();
    raise('misissued', { issuanceId: 'a.1' });
    raise('dead-letters', { queue: 'work', count: 2 });
    expect(logged).toEqual([
      { level: 'CRITICAL', message: 'misissued', fields: { alarm: 'misissued', issuanceId: 'a.1' } },
      { level: 'ERROR', message: 'dead letters wait', fields: { alarm: 'dead-letters', queue: 'work', count: 2 } },
    ]);
  });

  it('leaves out what a fault repeats within a second, of each CA, and says how much', () => {
    const { logged, raise, elapse } = open();
    for (let n = 0; n < 100; n++) raise('custody-unknown', { caId: 'devices' });
    raise('custody-unknown', { caId: 'workloads' });
    elapse(1_000);
    raise('custody-unknown', { caId: 'devices' });
    expect(logged.map(({ fields }) => fields)).toEqual([
      { alarm: 'custody-unknown', caId: 'devices' },
      { alarm: 'custody-unknown', caId: 'workloads' },
      { alarm: 'custody-unknown', caId: 'devices', suppressed: 99 },
    ]);
  });

  it('never leaves out what is about one certificate', () => {
    const { logged, raise } = open();
    for (let n = 0; n < 100; n++) raise('misissued', { issuanceId: `${n}.1` });
    expect(logged).toHaveLength(100);
  });
});
