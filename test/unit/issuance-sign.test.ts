import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { whenItStandsNoMore } from '../../shared/issuance/batch.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import type { IssuanceLedger, Transition } from '../../shared/issuance/ports.ts';
import type { IssueCertificatePorts } from '../../shared/issuance/signer-ports.ts';
import { crlDistributionPointsOf, parseCertificate } from '../../shared/pki/certificate.ts';
import { approved, type IssuanceWorld, openIssuanceWorld, recordOf, stateOf } from '../support/issuance-world.ts';
import { newEd25519 } from '../support/service.ts';

let world: IssuanceWorld;
beforeEach(async () => {
  world = await openIssuanceWorld();
});
afterEach(() => world.close());

const sign = (ids: readonly string[], ports: IssueCertificatePorts = world.signerPorts()) =>
  issueCertificates(ports, ids);
const done = (issuanceId: string) => ({ kind: 'done', issuanceId });
const again = (issuanceId: string, code: string) => ({ kind: 'again', issuanceId, code });

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
          record === undefined
            ? record
            : { ...record, scope: { ...record.scope, names: { dns: [], spiffe: [], ip: [] } } },
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
    const leaf = await approved(world, { profile: 'service' });
    await sign([leaf]);
    const id = await approved(world, { profile: 'service' });
    const issuer = (await world.authorities.newest('workloads'))!;
    const certificate = parseCertificate((await recordOf(world, leaf)).certificateDer!);
    const authorities = { ...world.authorities, generation: async () => ({ ...issuer, certificate }) };
    expect(await sign([id], world.signerPorts({ authorities }))).toEqual([done(id)]);
    const { state, lastError } = await recordOf(world, id);
    expect([state, lastError?.code]).toEqual(['failed', 'lint-failed']);
    expect(lastError?.message).toContain('issuer-is-ca');
    expect(world.workloads.submitted).toHaveLength(1);
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
    expect(await sign([id], world.signerPorts({ backendOf: () => undefined }))).toEqual([
      again(id, 'backend-unavailable'),
    ]);
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
    const [device, service] = [
      await approved(world, { profile: 'device' }),
      await approved(world, { profile: 'service' }),
    ];
    world.devices.onSubmit = () => {
      throw new Error('gone');
    };
    expect(await sign([device, service])).toEqual([again(device, 'signer-failed'), done(service)]);
  });
});

/** Not a failure of the message: it comes when the CA may have been mended. */
function standsStill(issuanceId: string, code: string, backend: string) {
  return whenItStandsNoMore({ issuanceId, attempts: 0 }, code, backend);
}

describe('custody', () => {
  it('that stops keeps every message and signs nothing; a repair takes effect at once', async () => {
    const ids = [await approved(world, { profile: 'service' }), await approved(world, { profile: 'svid' })];
    const ports = world.signerPorts();
    world.workloads.onDescribe = (honest) => ({ ...honest, attributes: { ...honest.attributes!, extractable: true } });
    expect(await sign(ids, ports)).toEqual(ids.map((id) => standsStill(id, 'custody-stopped', 'pkcs11')));
    expect(world.told).toEqual([expect.stringMatching(/^custodyStopped workloads key-extractable/)]);
    expect(world.workloads.submitted).toEqual([]);
    for (const id of ids) expect(await stateOf(world, id)).toBe('approved');
    world.workloads.onDescribe = undefined;
    expect(await sign(ids, ports)).toEqual(ids.map(done));
  });

  it('that cannot be read is not assumed', async () => {
    const id = await approved(world);
    world.devices.onDescribe = () => Promise.reject(new Error('no answer'));
    expect(await sign([id])).toEqual([standsStill(id, 'custody-unknown', 'acm-pca')]);
    expect(world.told).toEqual(['custodyUnknown devices']);
  });

  it('of a key that was swapped stops, though everything else is as demanded', async () => {
    const id = await approved(world);
    world.devices.onDescribe = (honest) => ({
      ...honest,
      spkiSha256: '0'.repeat(64),
      keyId: `sha256:${'0'.repeat(64)}`,
    });
    expect(await sign([id])).toEqual([standsStill(id, 'custody-stopped', 'acm-pca')]);
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
    expect(await sign([device, service])).toEqual([standsStill(device, 'custody-stopped', 'acm-pca'), done(service)]);
  });
});

describe('the CRL shard of a certificate', () => {
  it('is in its distribution point, and in the ledger, for the CA whose CRL is ours', async () => {
    const id = await approved(world, { profile: 'service' });
    await sign([id]);
    const record = await recordOf(world, id);
    expect(record.crlShard).toBe(0);
    expect(crlDistributionPointsOf(parseCertificate(record.certificateDer!).tbs)).toEqual([
      'http://crl.fleet.example/v1/crls/workloads/1-0',
    ]);
    const device = await approved(world);
    await sign([device]);
    expect((await recordOf(world, device)).crlShard).toBeUndefined();
  });
});
