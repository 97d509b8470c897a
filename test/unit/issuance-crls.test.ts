import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSoftwareBackend } from '../../shared/adapters/software/backend.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import { crlPeriodMs, type PublishCrlsPorts, publishCrls } from '../../shared/issuance/publish-crls.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { parseCertificateList } from '../../shared/pki/certificate-list.ts';
import { type IssuanceWorld, openIssuanceWorld, receive, recordOf } from '../support/issuance-world.ts';
import { opensslCrlCheck } from '../support/openssl-crl.ts';

let world: IssuanceWorld;
let objects: Map<string, Uint8Array>;
beforeEach(async () => {
  world = await openIssuanceWorld();
  objects = new Map();
});
afterEach(() => world.close());

function backendOf({ backendRef: ref, caId, spkiSha256 }: IssuingAuthority) {
  if (caId !== 'workloads') return undefined;
  const { signingAlgorithm } = world.hierarchy.authorities.find(({ id }) => id === caId)!;
  const clock = () => world.now;
  const authority = { caId, ref, spkiSha256, signingAlgorithm };
  const { signCrl } = createSoftwareBackend({ stage: 'dev', folder: world.folder, clock, authority });
  return { ...world.workloads, signCrl: signCrl! };
}

const faults: unknown[] = [];
function publish() {
  const ports: PublishCrlsPorts = {
    hierarchy: world.hierarchy,
    authorities: world.authorities,
    crlSource: world.store.revocations,
    crlObjects: {
      read: async (key) => objects.get(key),
      replace: async (key, bytes) => void objects.set(key, bytes),
    },
    backendOf,
    custody: createCustodyGate(world.hierarchy, () => world.now),
    clock: () => world.now,
  };
  return publishCrls(ports, (_caId, cause) => faults.push(cause));
}

async function issue() {
  const { record } = await receive(world, { profile: 'service' });
  await validateEnrollments(world.validatePorts, [record.issuanceId]);
  await issueCertificates(world.signerPorts(), [record.issuanceId]);
  const issued = await recordOf(world, record.issuanceId);
  expect(issued.state).toBe('issued');
  return issued;
}

const list = () => parseCertificateList(objects.get('workloads/1-0')!);

describe('the CRL of a shard', () => {
  it('is there before anything is revoked, and has what is revoked at the next run (crl-published)', async () => {
    const [bad, good] = [await issue(), await issue()];
    expect([await publish(), faults]).toEqual([{ published: 1, failed: 0 }, []]);
    expect(list()).toMatchObject({ entries: [], number: 1n });
    const [first] = [list()];
    expect(await publish()).toEqual({ published: 0, failed: 0 });
    const reason = 'superseded';
    const { issuanceId } = bad;
    await world.store.ledger.advance([{ to: 'revoked', issuanceId, from: 'issued', at: world.now, reason }]);
    expect(await publish()).toEqual({ published: 1, failed: 0 });
    expect(list()).toMatchObject({ entries: [{ serial: bad.serial, reason }], number: 2n });
    expect(list().number > first!.number).toBe(true);
    const issuer = (await world.authorities.newest('workloads'))!;
    const chain = [issuer.certificateDer, ...issuer.chain];
    const check = (der: Uint8Array) => opensslCrlCheck(der, chain, objects.get('workloads/1-0')!, world.now);
    expect(check(bad.certificateDer!).output).toContain('certificate revoked');
    expect(check(good.certificateDer!).output).toContain('OK');
    expect(parseCertificate(good.certificateDer!).tbs.serialHex).toBe(good.serial);
  });

  it('is made anew before the last one ends, and keeps an expired certificate for one CRL after its end (crl-renewed)', async () => {
    const { issuanceId, notAfter } = await issue();
    await world.store.ledger.advance([
      { to: 'revoked', issuanceId, from: 'issued', at: world.now, reason: 'superseded' },
    ]);
    await publish();
    world.now += crlPeriodMs / 2 + 1;
    expect(await publish()).toEqual({ published: 1, failed: 0 });
    world.now = notAfter! + 2 * crlPeriodMs;
    await publish();
    expect(list().entries).toHaveLength(1);
    world.now += crlPeriodMs;
    await publish();
    expect(list().entries).toEqual([]);
  });
});
