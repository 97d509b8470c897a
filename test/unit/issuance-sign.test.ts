import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { IssuanceLedger, Transition } from '../../shared/issuance/ports.ts';
import type { IssueCertificatePorts } from '../../shared/issuance/signer-ports.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { subjectAltNameExtension } from '../../shared/pki/certificate-builder.ts';
import { oids } from '../../shared/pki/oids.ts';
import {
  approved,
  type IssuanceWorld,
  openIssuanceWorld,
  recordOf,
  signTemplate,
  stateOf,
  tbsIntentOf,
} from '../support/issuance-world.ts';
import { dns, freshName, newEd25519, newP256 } from '../support/service.ts';

let world: IssuanceWorld;
beforeEach(async () => {
  world = await openIssuanceWorld();
});
afterEach(() => world.close());

const sign = (ids: readonly string[], ports: IssueCertificatePorts = world.signerPorts()) => issueCertificates(ports, ids);
const done = (issuanceId: string) => ({ kind: 'done', issuanceId });
const again = (issuanceId: string, code: string) => ({ kind: 'again', issuanceId, code });

/** A ledger that drops the answer of every move to one of these states, after it was made. */
function losing(...states: readonly Transition['to'][]): IssuanceLedger {
  return {
    ...world.store.ledger,
    async advance(transitions) {
      const answers = await world.store.ledger.advance(transitions);
      if (transitions.some(({ to }) => states.includes(to))) throw new Error('the answer was lost');
      return answers;
    },
  };
}

/** A ledger that cannot make moves to these states. */
function refusing(...states: readonly Transition['to'][]): IssuanceLedger {
  return {
    ...world.store.ledger,
    async advance(transitions) {
      if (transitions.some(({ to }) => states.includes(to))) throw new Error('the disk is full');
      return world.store.ledger.advance(transitions);
    },
  };
}

/** Leaves an issuance `intended`, as a signer does that is killed before it has signed. */
async function intended(profile: 'device' | 'service' | 'svid'): Promise<string> {
  const id = await approved(world, { profile });
  const backend = profile === 'device' ? world.devices : world.workloads;
  backend.onSubmit = () => {
    throw new Error('killed');
  };
  await sign([id]);
  backend.onSubmit = undefined;
  world.told.length = 0;
  expect(await stateOf(world, id)).toBe('intended');
  return id;
}

describe('a batch', () => {
  it('is signed by the backend of each CA, and what came back is in the ledger', async () => {
    const ids = [
      await approved(world, { profile: 'device' }),
      await approved(world, { profile: 'service', key: newEd25519() }),
      await approved(world, { profile: 'svid' }),
    ];
    expect(await sign(ids)).toEqual(ids.map(done));
    for (const id of ids) {
      const record = await recordOf(world, id);
      const { tbs, fingerprint } = parseCertificate(record.certificateDer!);
      expect(record).toMatchObject({
        state: 'issued',
        serial: tbs.serialHex,
        notBefore: tbs.notBefore,
        notAfter: tbs.notAfter,
        fingerprint,
      });
      expect(tbs.publicKey.sha256).toBe(record.spkiSha256);
    }
    expect(world.told).toEqual([]);
  });

  it('redeems every intent before its backend sees it [design.md: intended is durable before any signature]', async () => {
    const id = await approved(world, { profile: 'service' });
    const seen: unknown[] = [];
    world.workloads.onSubmit = async () => {
      seen.push(await stateOf(world, id));
      return undefined as never;
    };
    await sign([id]);
    expect(seen).toEqual(['intended']);
  });

  it('signs nothing when the intent cannot be written', async () => {
    const ids = [await approved(world, { profile: 'device' }), await approved(world, { profile: 'service' })];
    const outcomes = await sign(ids, world.signerPorts({ ledger: refusing('intended') }));
    expect(outcomes).toEqual(ids.map((id) => again(id, 'signer-failed')));
    expect([...world.devices.submitted, ...world.workloads.submitted]).toEqual([]);
    for (const id of ids) expect(await stateOf(world, id)).toBe('approved');
  });

  it('acknowledges ids that are unknown, settled, or not approved yet', async () => {
    const issued = await approved(world, { profile: 'service' });
    await sign([issued]);
    const unknown = `${'A'.repeat(43)}.1`;
    expect(await sign([unknown, issued])).toEqual([done(unknown), done(issued)]);
    expect(world.workloads.submitted).toHaveLength(1);
  });

  it('evaluates again: what policy refuses by now is rejected, not signed', async () => {
    const id = await approved(world, { profile: 'service' });
    const ledger: IssuanceLedger = {
      ...world.store.ledger,
      getMany: async (ids) =>
        (await world.store.ledger.getMany(ids)).map((record) =>
          record === undefined ? record : { ...record, scope: { ...record.scope, names: { dns: [], spiffe: [], ip: [] } } },
        ),
    };
    expect(await sign([id], world.signerPorts({ ledger }))).toEqual([done(id)]);
    expect((await recordOf(world, id)).violations).toMatchObject([{ code: 'name-out-of-scope' }]);
    expect(world.workloads.submitted).toEqual([]);
  });

  it('lapses what has waited past half the lifetime it asks for', async () => {
    const id = await approved(world, { profile: 'svid' });
    world.now += 1_800_001;
    expect(await sign([id])).toEqual([done(id)]);
    expect(await stateOf(world, id)).toBe('lapsed');
  });

  it('fails what a lint stops, before anything is signed', async () => {
    const id = await approved(world, { profile: 'service' });
    // A serial of no randomness, shorter than asked: the fault is ours, and the lint is there to find it.
    const issuer = (await world.authorities.newest('workloads'))!;
    const short = { ...issuer, certificate: (await world.authorities.newest('devices'))!.certificate };
    const authorities = { ...world.authorities, generation: async () => short };
    const { tbs } = short.certificate;
    const outcomes = await sign([id], world.signerPorts({ authorities, clock: () => tbs.notAfter - 1_000 }));
    expect(outcomes).toEqual([done(id)]);
    expect(['failed', 'lapsed', 'rejected']).toContain(await stateOf(world, id));
    expect(world.workloads.submitted).toEqual([]);
  });

  it('waits while the CA is frozen, and signs once it is not', async () => {
    const id = await approved(world, { profile: 'service' });
    await world.store.authorities.setFrozen('workloads', true, world.now, 'test');
    expect(await sign([id])).toEqual([again(id, 'frozen')]);
    expect([await stateOf(world, id), world.workloads.submitted.length]).toEqual(['approved', 0]);
    await world.store.authorities.setFrozen('workloads', false, world.now, 'test');
    expect(await sign([id])).toEqual([done(id)]);
    expect(await stateOf(world, id)).toBe('issued');
  });

  it('waits when this signer has no backend for the CA', async () => {
    const id = await approved(world, { profile: 'service' });
    expect(await sign([id], world.signerPorts({ backendOf: () => undefined }))).toEqual([again(id, 'backend-unavailable')]);
  });

  it('takes another serial when the one it drew is taken', async () => {
    const [one, other] = [await approved(world, { profile: 'service' }), await approved(world, { profile: 'service' })];
    const random = () => new Uint8Array(16).fill(0x55);
    expect(await sign([one], world.signerPorts({ random }))).toEqual([done(one)]);
    expect(await sign([other], world.signerPorts({ random }))).toEqual([again(other, 'serial-taken')]);
    expect(await stateOf(world, other)).toBe('approved');
    expect(await sign([other])).toEqual([done(other)]);
  });

  it('that fails as a whole leaves every message of it', async () => {
    const ids = [await approved(world, { profile: 'service' }), await approved(world, { profile: 'svid' })];
    world.workloads.onSubmit = () => {
      throw new Error('the module is gone');
    };
    expect(await sign(ids)).toEqual(ids.map((id) => again(id, 'signer-failed')));
    expect(world.told).toEqual(ids.map((id) => `itemFailed ${id} the module is gone`));
  });

  it('of one CA goes on when the other CA fails', async () => {
    const [device, service] = [await approved(world, { profile: 'device' }), await approved(world, { profile: 'service' })];
    world.devices.onSubmit = () => {
      throw new Error('gone');
    };
    expect(await sign([device, service])).toEqual([again(device, 'signer-failed'), done(service)]);
  });
});

describe('each outcome of submit', () => {
  it('signed: issued', async () => {
    const id = await approved(world, { profile: 'service' });
    expect(await sign([id])).toEqual([done(id)]);
    expect((await recordOf(world, id)).ticket).toBeUndefined();
  });

  it('submitted: the ticket is in the ledger before it is collected', async () => {
    const id = await approved(world);
    world.devices.onCollect = (issuanceId) => ({ kind: 'pending', issuanceId, retryAfterMs: 1 });
    expect(await sign([id])).toEqual([again(id, 'pending')]);
    expect(await recordOf(world, id)).toMatchObject({ state: 'submitted', ticket: expect.stringMatching(/^arn:/) });
    world.devices.onCollect = undefined;
    expect(await sign([id])).toEqual([done(id)]);
    expect(await stateOf(world, id)).toBe('issued');
    expect(world.devices.submitted).toHaveLength(1);
  });

  it('refused: failed, with the reason for operators', async () => {
    const id = await approved(world, { profile: 'service' });
    world.workloads.onSubmit = ({ issuanceId }) => ({ kind: 'refused', issuanceId, code: 'MalformedCSRException', message: 'not this' });
    expect(await sign([id])).toEqual([done(id)]);
    expect(await recordOf(world, id)).toMatchObject({ state: 'failed', lastError: { code: 'MalformedCSRException', message: 'not this' } });
  });

  it.each(['retry', 'unavailable'] as const)('%s: the intent stays, the attempt is counted, and the next signs the same', async (kind) => {
    const id = await approved(world, { profile: 'service' });
    world.workloads.onSubmit = ({ issuanceId }) => ({ kind, issuanceId, code: 'ThrottlingException', message: 'later', retryAfterMs: 5 });
    expect(await sign([id])).toEqual([again(id, 'ThrottlingException')]);
    expect(await recordOf(world, id)).toMatchObject({ state: 'intended', attempts: 1, lastError: { code: 'ThrottlingException' } });
    world.workloads.onSubmit = undefined;
    expect(await sign([id])).toEqual([done(id)]);
    const { intent, certificateDer } = await recordOf(world, id).then((record) => ({ intent: tbsIntentOf(record), ...record }));
    expect(Buffer.compare(parseCertificate(certificateDer!).tbs.der, intent.tbsDer)).toBe(0);
  });

  it('of one message does not touch the others of its batch', async () => {
    const ids = await Promise.all([1, 2, 3, 4].map(() => approved(world, { profile: 'service' })));
    world.workloads.onSubmit = ({ issuanceId }) => {
      if (issuanceId === ids[0]) return { kind: 'refused', issuanceId, code: 'no', message: 'no' };
      if (issuanceId === ids[1]) return { kind: 'unavailable', issuanceId, code: 'gone', message: 'gone' };
      return undefined;
    };
    expect((await sign(ids)).map(({ kind }) => kind)).toEqual(['done', 'again', 'done', 'done']);
    expect(await Promise.all(ids.map((id) => stateOf(world, id)))).toEqual(['failed', 'intended', 'issued', 'issued']);
  });

  it('out of order, or too few: nothing is believed', async () => {
    const ids = [await approved(world, { profile: 'service' }), await approved(world, { profile: 'service' })];
    const ports = world.signerPorts();
    const backend = { ...world.workloads, submit: async (batch: Parameters<typeof world.workloads.submit>[0]) => (await world.workloads.submit(batch)).toReversed() };
    expect(await sign(ids, { ...ports, backendOf: () => backend })).toEqual(ids.map((id) => again(id, 'signer-failed')));
    const silent = { ...backend, submit: async () => [] };
    expect(await sign(ids, { ...ports, backendOf: () => silent })).toEqual(ids.map((id) => again(id, 'signer-failed')));
    for (const id of ids) expect(await stateOf(world, id)).toBe('intended');
  });
});

describe('each outcome of collect', () => {
  it('failed: failed, and the same POST starts anew', async () => {
    const id = await approved(world);
    world.devices.onCollect = (issuanceId) => ({ kind: 'failed', issuanceId, code: 'RequestFailedException', message: 'no' });
    expect(await sign([id])).toEqual([done(id)]);
    expect(await recordOf(world, id)).toMatchObject({ state: 'failed', lastError: { code: 'RequestFailedException' } });
  });

  it('pending: the message stays, and nothing is submitted again', async () => {
    const id = await approved(world);
    world.devices.onCollect = (issuanceId) => ({ kind: 'pending', issuanceId, retryAfterMs: 100 });
    for (let n = 0; n < 3; n++) expect(await sign([id])).toEqual([again(id, 'pending')]);
    expect(world.devices.submitted).toHaveLength(1);
    expect(world.devices.collected).toHaveLength(3);
  });

  it('issued: with a serial that the CA has given out before it is withheld', async () => {
    const [one, other] = [await approved(world), await approved(world)];
    const issuer = (await world.authorities.newest('devices'))!;
    world.devices.onCollect = async (issuanceId) => {
      const record = await recordOf(world, issuanceId);
      const edit = (fields: Parameters<NonNullable<Parameters<typeof signTemplate>[3]>>[0]) => ({ ...fields, serialNumber: new Uint8Array(16).fill(0x44) });
      return { kind: 'issued', issuanceId, certificateDer: await signTemplate(world.folder, issuer, { csrDer: record.csrDer, intent: record.intent! }, edit) };
    };
    expect(await sign([one])).toEqual([done(one)]);
    await sign([other]);
    expect(await stateOf(world, one)).toBe('issued');
    expect(await stateOf(world, other)).toBe('misissued');
  });
});

describe('what came back', () => {
  type Edit = NonNullable<Parameters<typeof signTemplate>[3]>;

  async function issueWith(edit: Edit): Promise<string> {
    const id = await approved(world, { name: freshName() });
    const issuer = (await world.authorities.newest('devices'))!;
    world.devices.onCollect = async (issuanceId) => {
      const { csrDer, intent } = await recordOf(world, id);
      return { kind: 'issued', issuanceId, certificateDer: await signTemplate(world.folder, issuer, { csrDer, intent: intent! }, edit) };
    };
    expect(await sign([id])).toEqual([done(id)]);
    world.devices.onCollect = undefined;
    return id;
  }

  const otherKey = newP256().publicKey.export({ type: 'spki', format: 'der' });
  const edits: readonly (readonly [string, Edit])[] = [
    ['another key', (fields) => ({ ...fields, publicKey: otherKey })],
    ['another notAfter', (fields) => ({ ...fields, notAfter: fields.notAfter + 1_000 })],
    ['another notBefore', (fields) => ({ ...fields, notBefore: fields.notBefore - 1_000 })],
    ['another issuer', (fields) => ({ ...fields, issuer: fields.subject })],
    ['another subject', (fields) => ({ ...fields, subject: fields.issuer })],
    ['a name more', (fields) => ({ ...fields, extensions: fields.extensions.map((one) => (one.oid === oids.subjectAltName ? subjectAltNameExtension([dns('a.fleet.example'), dns('b.fleet.example')], false) : one)) })],
    ['no names', (fields) => ({ ...fields, extensions: fields.extensions.filter(({ oid }) => oid !== oids.subjectAltName) })],
    ['names that are no DER', (fields) => ({ ...fields, extensions: fields.extensions.map((one) => (one.oid === oids.subjectAltName ? { ...one, value: Uint8Array.of(0x30, 0x80) } : one)) })],
    ['an empty list of names', (fields) => ({ ...fields, extensions: fields.extensions.map((one) => (one.oid === oids.subjectAltName ? { ...one, value: Uint8Array.of(0x30, 0) } : one)) })],
    ['no basic constraints', (fields) => ({ ...fields, extensions: fields.extensions.filter(({ oid }) => oid !== oids.basicConstraints) })],
    ['an extension more', (fields) => ({ ...fields, extensions: [...fields.extensions, { oid: '1.2.3.4', critical: false, value: Uint8Array.of(5, 0) }] })],
    ['key usage of a CA', (fields) => ({ ...fields, extensions: fields.extensions.map((one) => (one.oid === oids.keyUsage ? { ...one, value: Uint8Array.of(3, 2, 1, 6) } : one)) })],
    ['a serial of one byte', (fields) => ({ ...fields, serialNumber: Uint8Array.of(7) })],
  ];

  it.each(edits)('with %s is misissued: kept, told, never handed out', async (_, edit) => {
    const id = await issueWith(edit);
    const record = await recordOf(world, id);
    expect(record.state).toBe('misissued');
    expect(record.lastError?.code).toBe('not-as-intended');
    expect(record.certificateDer?.length).toBeGreaterThan(100);
    expect(world.told).toEqual([expect.stringMatching(new RegExp(`^misissued ${id.replaceAll('.', '\\.')} .`))]);
  });

  it.each([
    ['the certificate of another issuance', undefined],
    ['bytes that are no certificate', Uint8Array.of(0x30, 0x03, 1, 2, 3)],
    ['nothing', new Uint8Array(0)],
  ])('that is %s is misissued', async (_, bytes) => {
    const first = await approved(world, { profile: 'service' });
    await sign([first]);
    const certificateDer = bytes ?? (await recordOf(world, first)).certificateDer!;
    const id = await approved(world, { profile: 'service' });
    world.workloads.onSubmit = ({ issuanceId }) => ({ kind: 'signed', issuanceId, certificateDer });
    expect(await sign([id])).toEqual([done(id)]);
    expect(await stateOf(world, id)).toBe('misissued');
  });

  it('with the right TBSCertificate and a signature of another key is misissued', async () => {
    const id = await approved(world, { profile: 'service' });
    world.workloads.onSubmit = async (prepared) => {
      const [honest] = await world.signerPorts().backendOf((await world.authorities.newest('workloads'))!)!.collect([]);
      if (honest !== undefined || prepared.intent.kind !== 'tbs') throw new Error('a tbs intent is expected');
      const { assembleCertificate } = await import('../../shared/pki/certificate-builder.ts');
      const { sign: signBytes } = await import('node:crypto');
      const { tbsDer, signingAlgorithm } = prepared.intent;
      const signature = signBytes('sha256', tbsDer, newP256().privateKey);
      return { kind: 'signed', issuanceId: prepared.issuanceId, certificateDer: assembleCertificate(tbsDer, signingAlgorithm, signature) };
    };
    await sign([id]);
    expect(await stateOf(world, id)).toBe('misissued');
    expect(world.told.join()).toContain("the signature does not verify under the issuer's key");
  });
});

describe('an intent that an earlier attempt left', () => {
  it('is signed byte for byte as it stands, whatever the time and the policy are by now', async () => {
    const id = await intended('service');
    const intent = tbsIntentOf(await recordOf(world, id));
    world.now += 40 * 86_400_000;
    expect(await sign([id])).toEqual([done(id)]);
    const record = await recordOf(world, id);
    expect(Buffer.compare(parseCertificate(record.certificateDer!).tbs.der, intent.tbsDer)).toBe(0);
    expect(record.serial).toBe(intent.serial);
    expect(world.workloads.submitted.map(({ intent: one }) => (one.kind === 'tbs' ? one.serial : ''))).toEqual([intent.serial, intent.serial]);
  });

  it('is submitted under the same token within 240 s, and never after [aws-facts.md: idempotency]', async () => {
    const [early, late] = [await intended('device'), await intended('device')];
    const token = (await recordOf(world, early)).intent!;
    world.now += 240_000;
    expect(await sign([early])).toEqual([done(early)]);
    expect(await stateOf(world, early)).toBe('issued');
    expect(world.devices.submitted.at(-1)!.intent).toMatchObject({ idempotencyToken: (token as { idempotencyToken: string }).idempotencyToken });
    world.now += 1;
    const before = world.devices.submitted.length;
    expect(await sign([late])).toEqual([done(late)]);
    expect([await stateOf(world, late), world.devices.submitted.length]).toEqual(['intended', before]);
  });

  it('whose answer was lost is the same issuance: one certificate at the CA, one in the ledger', async () => {
    const id = await approved(world);
    const lost = await sign([id], world.signerPorts({ ledger: losing('submitted') }));
    expect(lost).toEqual([again(id, 'signer-failed')]);
    expect(await stateOf(world, id)).toBe('submitted');
    const other = await approved(world);
    await sign([other], world.signerPorts({ ledger: refusing('submitted') }));
    expect(await stateOf(world, other)).toBe('intended');
    expect(await sign([id, other])).toEqual([done(id), done(other)]);
    const tokens = world.devices.submitted.map(({ intent }) => (intent.kind === 'template' ? intent.idempotencyToken : ''));
    expect(new Set(tokens).size).toBe(2);
  });

  it('whose certificate was signed and not written down is signed again with the same bytes', async () => {
    const id = await approved(world, { profile: 'service' });
    await sign([id], world.signerPorts({ ledger: refusing('issued') }));
    const intent = tbsIntentOf(await recordOf(world, id));
    world.now += 60_000;
    expect(await sign([id])).toEqual([done(id)]);
    expect((await recordOf(world, id)).serial).toBe(intent.serial);
  });

  it('that cannot be read does not hold up its batch', async () => {
    const broken = await intended('service');
    const fresh = await approved(world, { profile: 'service' });
    const ledger: IssuanceLedger = {
      ...world.store.ledger,
      getMany: async (ids) =>
        (await world.store.ledger.getMany(ids)).map((record) =>
          record?.issuanceId === broken ? { ...record, csrDer: Uint8Array.of(0x30) } : record,
        ),
    };
    const outcomes = await sign([broken, fresh], world.signerPorts({ ledger }));
    expect(outcomes).toEqual([again(broken, 'evaluation-failed'), done(fresh)]);
    expect(await stateOf(world, fresh)).toBe('issued');
  });
});

describe('custody', () => {
  it('that stops keeps every message and signs nothing; a repair takes effect at once', async () => {
    const ids = [await approved(world, { profile: 'service' }), await approved(world, { profile: 'svid' })];
    const ports = world.signerPorts();
    world.workloads.onDescribe = (honest) => ({ ...honest, attributes: { ...honest.attributes!, extractable: true } });
    expect(await sign(ids, ports)).toEqual(ids.map((id) => again(id, 'custody-stopped')));
    expect(world.told).toEqual(['custodyStopped workloads key-extractable']);
    expect(world.workloads.submitted).toEqual([]);
    for (const id of ids) expect(await stateOf(world, id)).toBe('approved');
    world.workloads.onDescribe = undefined;
    expect(await sign(ids, ports)).toEqual(ids.map(done));
  });

  it('that cannot be read is not assumed', async () => {
    const id = await approved(world);
    world.devices.onDescribe = () => Promise.reject(new Error('no answer'));
    expect(await sign([id])).toEqual([again(id, 'custody-unknown')]);
    expect(world.told).toEqual(['custodyUnknown devices']);
  });

  it('of a key that was swapped stops, though everything else is as demanded', async () => {
    const id = await approved(world);
    world.devices.onDescribe = (honest) => ({ ...honest, spkiSha256: '0'.repeat(64), keyId: `sha256:${'0'.repeat(64)}` });
    expect(await sign([id])).toEqual([again(id, 'custody-stopped')]);
  });

  it('is read once for batches close together, and again when its evidence is old', async () => {
    const ports = world.signerPorts();
    let reads = 0;
    world.workloads.onDescribe = (honest) => {
      reads += 1;
      return honest;
    };
    for (let n = 0; n < 3; n++) await sign([await approved(world, { profile: 'service' })], ports);
    expect(reads).toBe(1);
    world.now += 50_001;
    await sign([await approved(world, { profile: 'service' })], ports);
    expect(reads).toBe(2);
  });

  it('of one CA does not stop the other', async () => {
    const [device, service] = [await approved(world), await approved(world, { profile: 'service' })];
    world.devices.onDescribe = (honest) => ({ ...honest, status: 'disabled' });
    expect(await sign([device, service])).toEqual([again(device, 'custody-stopped'), done(service)]);
  });
});

describe('two signers on one id', () => {
  it.each(['device', 'service'] as const)('issue one certificate (%s)', async (profile) => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => approved(world, { profile })));
    await Promise.all([sign(ids), sign(ids), sign(ids)]);
    // What one of them left as a conflict is another's to finish; a redelivery finds it settled.
    await sign(ids);
    for (const id of ids) expect(await stateOf(world, id)).toBe('issued');
    const counters = await world.store.ledger.counters(profile === 'device' ? 'devices' : 'workloads');
    const total = counters.filter(({ dimension }) => dimension === 'total').reduce((sum, { issued }) => sum + issued, 0);
    expect(total).toBe(5);
  });

  it('taking up one intent sign the same bytes, and one of them is recorded', async () => {
    const id = await intended('service');
    const outcomes = await Promise.all([sign([id]), sign([id])]);
    expect(outcomes.flat()).toEqual([done(id), done(id)]);
    const [first, ...others] = world.workloads.submitted.map(({ intent }) => (intent.kind === 'tbs' ? intent.tbsDer : new Uint8Array()));
    for (const other of others) expect(Buffer.compare(first!, other)).toBe(0);
    expect(await stateOf(world, id)).toBe('issued');
    expect(world.told).toEqual([]);
  });

  it('taking up one template intent leave one certificate at the CA', async () => {
    const id = await intended('device');
    await Promise.all([sign([id]), sign([id])]);
    const tokens = world.devices.submitted.map(({ intent }) => (intent.kind === 'template' ? intent.idempotencyToken : ''));
    expect(new Set(tokens).size).toBe(1);
    expect(await stateOf(world, id)).toBe('issued');
  });
});

describe('the CRL shard of a certificate', () => {
  it('is in its distribution point, and in the ledger, for the CA whose CRL is ours', async () => {
    const id = await approved(world, { profile: 'service' });
    await sign([id]);
    const record = await recordOf(world, id);
    expect(record.crlShard).toBe(0);
    const { crlDistributionPointsOf } = await import('../../shared/pki/certificate.ts');
    expect(crlDistributionPointsOf(parseCertificate(record.certificateDer!).tbs)).toEqual(['http://crl.fleet.example/v1/crls/workloads/1-0']);
    const device = await approved(world);
    await sign([device]);
    expect((await recordOf(world, device)).crlShard).toBeUndefined();
  });
});
