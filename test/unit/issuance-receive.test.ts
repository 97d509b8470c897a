import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import { receiveEnrollment } from '../../shared/issuance/receive-enrollment.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import {
  altNames,
  attributesOf,
  extensionRequest,
  makeRequest,
  sampleDer,
  spkiOf,
} from '../support/certification-requests.ts';
import {
  approved,
  createCaller,
  type IssuanceWorld,
  openIssuanceWorld,
  receive,
  recordOf,
  stateOf,
} from '../support/issuance-world.ts';
import { dns, freshName, newEd25519, newP256, requestFor } from '../support/service.ts';

let world: IssuanceWorld;
beforeEach(async () => {
  world = await openIssuanceWorld();
});
afterEach(() => world.close());

const again = (received: Awaited<ReturnType<typeof receive>>, profile = 'device') =>
  receiveEnrollment(world.receivePorts, received.caller, profile, received.csrDer);

async function codeOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    if (error instanceof SealwrightError || error instanceof MalformedError) return error.code;
    throw error;
  }
  return 'received';
}

async function usedOf(id: string): Promise<number> {
  return (await world.store.credentials.get(id))!.used;
}

async function issue(received: Awaited<ReturnType<typeof receive>>): Promise<string> {
  const { issuanceId } = received.record;
  await validateEnrollments(world.validatePorts, [issuanceId]);
  await issueCertificates(world.signerPorts(), [issuanceId]);
  expect(await stateOf(world, issuanceId)).toBe('issued');
  return issuanceId;
}

describe('a request that is received', () => {
  it('is in the ledger with all that later steps stand on, and then on the queue', async () => {
    const { record, caller, csrDer } = await receive(world, { name: 'a.fleet.example' });
    expect(record).toMatchObject({
      ordinal: 1,
      principal: caller.principal,
      credentialId: caller.id,
      owner: 'plant-7',
      fleet: 'sensors',
      scope: { profiles: caller.profiles, names: caller.names },
      policyVersion: world.hierarchy.policyVersion,
      caId: 'devices',
      generation: 1,
      keyType: 'P-256',
      names: ['dns:a.fleet.example'],
      state: 'received',
      receivedAt: world.now,
    });
    expect(Buffer.compare((await recordOf(world, record.issuanceId)).csrDer, csrDer)).toBe(0);
    expect(world.enrolment.sent).toEqual([record.issuanceId]);
  });

  it('stays when the queue does not take it: the reconciler sends again', async () => {
    world.enrolment.failures = 1;
    const { record } = await receive(world);
    expect(await stateOf(world, record.issuanceId)).toBe('received');
    expect(world.told).toEqual([`sendFailed ${record.issuanceId}`]);
  });

  it('is one issuance however often it is posted at once, and counts once', async () => {
    const caller = await createCaller(world);
    const csrDer = requestFor([dns(freshName())]);
    const records = await Promise.all(
      Array.from({ length: 50 }, () => receiveEnrollment(world.receivePorts, caller, 'device', csrDer)),
    );
    expect(new Set(records.map(({ issuanceId }) => issuanceId)).size).toBe(1);
    expect(await usedOf(caller.id)).toBe(1);
    expect(world.enrolment.sent).toHaveLength(1);
  });

  it('opens one next ordinal when fifty post a failed one again at once', async () => {
    const received = await receive(world, { profile: 'service' });
    await issueFailed(received.record.issuanceId);
    const records = await Promise.all(Array.from({ length: 50 }, () => again(received, 'service')));
    expect(new Set(records.map(({ ordinal }) => ordinal))).toEqual(new Set([2]));
    expect(await usedOf(received.caller.id)).toBe(2);
  });

  async function issueFailed(issuanceId: string): Promise<void> {
    await validateEnrollments(world.validatePorts, [issuanceId]);
    world.workloads.onSubmit = () => ({ kind: 'refused', issuanceId, code: 'no', message: 'no' });
    await issueCertificates(world.signerPorts(), [issuanceId]);
    world.workloads.onSubmit = undefined;
    expect(await stateOf(world, issuanceId)).toBe('failed');
  }

  it('is the same issuance while it is open, whatever became of it', async () => {
    const received = await receive(world, { profile: 'service' });
    const { issuanceId } = received.record;
    expect((await again(received, 'service')).issuanceId).toBe(issuanceId);
    await issue(received);
    const repeated = await again(received, 'service');
    expect(repeated).toMatchObject({ issuanceId, state: 'issued' });
    expect(await usedOf(received.caller.id)).toBe(1);
  });

  it('opens the next ordinal in the last third of the lifetime, and names what it replaces', async () => {
    const received = await receive(world, { key: newEd25519(), profile: 'service' });
    const issuanceId = await issue(received);
    const { notBefore, notAfter } = await recordOf(world, issuanceId);
    world.now = notAfter! - (notAfter! - notBefore!) / 3 - 1;
    expect((await again(received, 'service')).ordinal).toBe(1);
    world.now += 1;
    const next = await again(received, 'service');
    expect(next).toMatchObject({ ordinal: 2, predecessor: issuanceId, state: 'received' });
    expect((await again(received, 'service')).issuanceId).toBe(next.issuanceId);
  });

  it('keeps naming the last certificate when the next one fails', async () => {
    const received = await receive(world, { profile: 'service' });
    const issuanceId = await issue(received);
    world.now = (await recordOf(world, issuanceId)).notAfter! + 1;
    const second = await again(received, 'service');
    await issueFailed(second.issuanceId);
    expect(await again(received, 'service')).toMatchObject({ ordinal: 3, predecessor: issuanceId });
  });

  it('opens the next ordinal after a refusal only when something has changed', async () => {
    const name = freshName();
    await approved(world, { name });
    const received = await receive(world, { name });
    await validateEnrollments(world.validatePorts, [received.record.issuanceId]);
    expect(await again(received)).toMatchObject({ ordinal: 1, state: 'rejected' });
    await world.store.ledger.releaseName(`dns:${name}`, world.now);
    expect(await again(received)).toMatchObject({ ordinal: 2, state: 'received' });
  });

  it('opens the next ordinal after a refusal under another policy, and for another credential of the principal', async () => {
    const received = await receive(world, { name: 'a.elsewhere.example' });
    await validateEnrollments(world.validatePorts, [received.record.issuanceId]);
    expect((await again(received)).ordinal).toBe(1);
    const other = await createCaller(world, { principal: received.caller.principal });
    const second = await receiveEnrollment(world.receivePorts, other, 'device', received.csrDer);
    expect(second.ordinal).toBe(2);
    await validateEnrollments(world.validatePorts, [second.issuanceId]);
    const hierarchy = { ...world.hierarchy, policyVersion: 'another' };
    const third = await receiveEnrollment({ ...world.receivePorts, hierarchy }, other, 'device', received.csrDer);
    expect(third).toMatchObject({ ordinal: 3, policyVersion: 'another' });
  });

  it('waits with a frozen CA: a repeat opens nothing that could not move', async () => {
    const received = await receive(world);
    await issue(received);
    await world.store.authorities.setFrozen('devices', true, world.now, 'test');
    expect((await again(received)).ordinal).toBe(1);
  });

  it('opens the next ordinal once another generation can take the place of a frozen CA', async () => {
    const received = await receive(world);
    await issue(received);
    const first = (await world.authorities.newest('devices'))!;
    const second = { ...first, generation: 2 };
    const authorities = { ...world.authorities, newest: async () => second };
    const ports = { ...world.receivePorts, authorities };
    expect((await receiveEnrollment(ports, received.caller, 'device', received.csrDer)).ordinal).toBe(1);
    await world.store.authorities.setFrozen('devices', true, world.now, 'test');
    expect(await receiveEnrollment(ports, received.caller, 'device', received.csrDer)).toMatchObject({
      ordinal: 2,
      generation: 2,
    });
  });
});

describe('a request that is refused at the door', () => {
  it('stores nothing, counts nothing, sends nothing', async () => {
    const caller = await createCaller(world, { profiles: ['device'] });
    const sound = requestFor([dns(freshName())]);
    const broken = Uint8Array.from(sound);
    broken[broken.length - 1]! ^= 1;
    const refusals: readonly (readonly [string, string, Uint8Array])[] = [
      ['profile-unknown', 'nope', sound],
      ['profile-not-allowed', 'service', sound],
      ['policy-refused', 'device', sampleDer('openssl-challenge-password.csr')],
      ['policy-refused', 'device', sampleDer('openssl-rsa1024-weak.csr')],
      ['policy-refused', 'device', sampleDer('openssl-md5-signature.csr')],
      ['policy-refused', 'device', sampleDer('openssl-ed448.csr')],
      ['possession-not-proven', 'device', broken],
      ['der-trailing-bytes', 'device', Uint8Array.from([...sound, 0])],
    ];
    for (const [code, profile, der] of refusals)
      expect(await codeOf(() => receiveEnrollment(world.receivePorts, caller, profile, der))).toBe(code);
    expect(await usedOf(caller.id)).toBe(0);
    expect(world.enrolment.sent).toEqual([]);
  });

  it('is 503 while the CA or its backend is not there', async () => {
    const caller = await createCaller(world);
    const der = requestFor([dns(freshName())]);
    const without = { ...world.receivePorts, backends: new Set(['acm-pca']) };
    expect(await codeOf(() => receiveEnrollment(without, caller, 'service', der))).toBe('backend-unavailable');
    const authorities = { ...world.authorities, newest: async () => undefined };
    expect(await codeOf(() => receiveEnrollment({ ...world.receivePorts, authorities }, caller, 'device', der))).toBe(
      'backend-unavailable',
    );
    expect(await usedOf(caller.id)).toBe(0);
  });

  it('is refused when its credential was revoked, or used up, since it was read', async () => {
    const caller = await createCaller(world, { countMax: 1 });
    await receive(world, { caller });
    expect(await codeOf(() => receive(world, { caller }))).toBe('policy-refused');
    await world.store.credentials.revoke(caller.id, world.now);
    expect(await codeOf(() => receive(world, { caller }))).toBe('credential-invalid');
  });

  it('gives way with 429 when its ordinal is taken from it round after round', async () => {
    const caller = await createCaller(world);
    const ledger = { ...world.store.ledger, receive: async () => ({ kind: 'conflict' }) as const };
    const der = requestFor([dns(freshName())]);
    expect(await codeOf(() => receiveEnrollment({ ...world.receivePorts, ledger }, caller, 'device', der))).toBe(
      'too-many-requests',
    );
  });

  it('does not lose what was stored when the same name stands twice in it', async () => {
    const key = newP256();
    const attributes = attributesOf(extensionRequest(altNames(dns('twice.fleet.example'), dns('TWICE.fleet.example'))));
    const der = makeRequest({ spki: spkiOf(key.publicKey), privateKey: key.privateKey, attributes });
    const caller = await createCaller(world);
    const record = await receiveEnrollment(world.receivePorts, caller, 'device', der);
    expect(record.names).toEqual(['dns:twice.fleet.example']);
  });
});
