import { sign as signBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { whenItStandsNoMore } from '../../shared/issuance/batch.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { IssueCertificatePorts } from '../../shared/issuance/signer-ports.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { assembleCertificate, subjectAltNameExtension } from '../../shared/pki/certificate-builder.ts';
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
import { dns, freshName, newP256 } from '../support/service.ts';

let world: IssuanceWorld;
beforeEach(async () => {
  world = await openIssuanceWorld();
});
afterEach(() => world.close());

const sign = (ids: readonly string[], ports: IssueCertificatePorts = world.signerPorts()) =>
  issueCertificates(ports, ids);
const done = (issuanceId: string) => ({ kind: 'done', issuanceId });
const again = (issuanceId: string, code: string) => ({ kind: 'again', issuanceId, code });

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
    world.workloads.onSubmit = ({ issuanceId }) => ({
      kind: 'refused',
      issuanceId,
      code: 'MalformedCSRException',
      message: 'not this',
    });
    expect(await sign([id])).toEqual([done(id)]);
    expect(await recordOf(world, id)).toMatchObject({
      state: 'failed',
      lastError: { code: 'MalformedCSRException', message: 'not this' },
    });
  });

  it.each(['retry', 'unavailable'] as const)(
    '%s: the intent stays, the attempt is counted, and the next signs the same',
    async (kind) => {
      const id = await approved(world, { profile: 'service' });
      world.workloads.onSubmit = ({ issuanceId }) => ({
        kind,
        issuanceId,
        code: 'ThrottlingException',
        message: 'later',
        retryAfterMs: 5,
      });
      const standstill = whenItStandsNoMore({ issuanceId: id, attempts: 0 }, 'ThrottlingException', 'pkcs11');
      expect(await sign([id])).toEqual([kind === 'retry' ? again(id, 'ThrottlingException') : standstill]);
      expect(await recordOf(world, id)).toMatchObject({
        state: 'intended',
        attempts: 1,
        lastError: { code: 'ThrottlingException' },
      });
      world.workloads.onSubmit = undefined;
      expect(await sign([id])).toEqual([done(id)]);
      const record = await recordOf(world, id);
      expect(Buffer.compare(parseCertificate(record.certificateDer!).tbs.der, tbsIntentOf(record).tbsDer)).toBe(0);
    },
  );

  it('of one message does not touch the others of its batch', async () => {
    const ids = await Promise.all([1, 2, 3, 4].map(() => approved(world, { profile: 'service' })));
    world.workloads.onSubmit = ({ issuanceId }) => {
      if (issuanceId === ids[0]) return { kind: 'refused', issuanceId, code: 'no', message: 'no' };
      if (issuanceId === ids[1]) return { kind: 'unavailable', issuanceId, code: 'gone', message: 'gone' };
      return undefined;
    };
    expect((await sign(ids)).map(({ kind }) => kind)).toEqual(['done', 'later', 'done', 'done']);
    expect(await Promise.all(ids.map((id) => stateOf(world, id)))).toEqual(['failed', 'intended', 'issued', 'issued']);
  });

  it('out of order, or too few: nothing is believed', async () => {
    const ids = [await approved(world, { profile: 'service' }), await approved(world, { profile: 'service' })];
    const ports = world.signerPorts();
    const backend = {
      ...world.workloads,
      submit: async (batch: Parameters<typeof world.workloads.submit>[0]) =>
        (await world.workloads.submit(batch)).toReversed(),
    };
    expect(await sign(ids, { ...ports, backendOf: () => backend })).toEqual(
      ids.map((id) => again(id, 'signer-failed')),
    );
    const silent = { ...backend, submit: async () => [] };
    expect(await sign(ids, { ...ports, backendOf: () => silent })).toEqual(ids.map((id) => again(id, 'signer-failed')));
    for (const id of ids) expect(await stateOf(world, id)).toBe('intended');
  });
});

describe('each outcome of collect', () => {
  it('failed: failed, and the same POST starts anew', async () => {
    const id = await approved(world);
    world.devices.onCollect = (issuanceId) => ({
      kind: 'failed',
      issuanceId,
      code: 'RequestFailedException',
      message: 'no',
    });
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
      const edit = (fields: Parameters<NonNullable<Parameters<typeof signTemplate>[3]>>[0]) => ({
        ...fields,
        serialNumber: new Uint8Array(16).fill(0x44),
      });
      return {
        kind: 'issued',
        issuanceId,
        certificateDer: await signTemplate(
          world.folder,
          issuer,
          { csrDer: record.csrDer, intent: record.intent! },
          edit,
        ),
      };
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
      return {
        kind: 'issued',
        issuanceId,
        certificateDer: await signTemplate(world.folder, issuer, { csrDer, intent: intent! }, edit),
      };
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
    [
      'a name more',
      (fields) => ({
        ...fields,
        extensions: fields.extensions.map((one) =>
          one.oid === oids.subjectAltName
            ? subjectAltNameExtension([dns('a.fleet.example'), dns('b.fleet.example')], false)
            : one,
        ),
      }),
    ],
    [
      'no names',
      (fields) => ({ ...fields, extensions: fields.extensions.filter(({ oid }) => oid !== oids.subjectAltName) }),
    ],
    [
      'names that are no DER',
      (fields) => ({
        ...fields,
        extensions: fields.extensions.map((one) =>
          one.oid === oids.subjectAltName ? { ...one, value: Uint8Array.of(0x30, 0x80) } : one,
        ),
      }),
    ],
    [
      'an empty list of names',
      (fields) => ({
        ...fields,
        extensions: fields.extensions.map((one) =>
          one.oid === oids.subjectAltName ? { ...one, value: Uint8Array.of(0x30, 0) } : one,
        ),
      }),
    ],
    [
      'no basic constraints',
      (fields) => ({ ...fields, extensions: fields.extensions.filter(({ oid }) => oid !== oids.basicConstraints) }),
    ],
    [
      'an extension more',
      (fields) => ({
        ...fields,
        extensions: [...fields.extensions, { oid: '1.2.3.4', critical: false, value: Uint8Array.of(5, 0) }],
      }),
    ],
    [
      'key usage of a CA',
      (fields) => ({
        ...fields,
        extensions: fields.extensions.map((one) =>
          one.oid === oids.keyUsage ? { ...one, value: Uint8Array.of(3, 2, 1, 6) } : one,
        ),
      }),
    ],
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
    world.workloads.onSubmit = ({ issuanceId, intent }) => {
      if (intent.kind !== 'tbs') throw new Error('a tbs intent is expected');
      const signature = signBytes('sha256', intent.tbsDer, newP256().privateKey);
      const certificateDer = assembleCertificate(intent.tbsDer, intent.signingAlgorithm, signature);
      return { kind: 'signed', issuanceId, certificateDer };
    };
    await sign([id]);
    expect(await stateOf(world, id)).toBe('misissued');
    expect(world.told.join()).toContain("the signature does not verify under the issuer's key");
  });
});
