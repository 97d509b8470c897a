import { randomUUID } from 'node:crypto';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crl } from '../../functions/certificates/crl.ts';
import { createTable } from '../../shared/adapters/dynamodb/calls.ts';
import { createDynamoCredentials } from '../../shared/adapters/dynamodb/credentials.ts';
import { createDynamoCrlSource } from '../../shared/adapters/dynamodb/crl-source.ts';
import { createDynamoLedger } from '../../shared/adapters/dynamodb/ledger.ts';
import { createDynamoRevocations } from '../../shared/adapters/dynamodb/revocations.ts';
import { createS3Client } from '../../shared/adapters/s3/client.ts';
import { createS3CrlObjects } from '../../shared/adapters/s3/crl-objects.ts';
import { createCrlReader } from '../../shared/adapters/s3/crl-reader.ts';
import { createSignedReader } from '../../shared/adapters/s3/signed-reader.ts';
import { createSoftwareBackend } from '../../shared/adapters/software/backend.ts';
import type { IssuingAuthority } from '../../shared/issuance/authority-directory.ts';
import { createCustodyGate } from '../../shared/issuance/custody-gate.ts';
import type { IssuanceRecord } from '../../shared/issuance/issuance-record.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import { publishCrls } from '../../shared/issuance/publish-crls.ts';
import { revokeCertificate } from '../../shared/issuance/revoke-certificate.ts';
import { validateEnrollments } from '../../shared/issuance/validate-enrollment.ts';
import { parseCertificateList } from '../../shared/pki/certificate-list.ts';
import { createTestTable, type TestTable } from '../support/dynamodb-table.ts';
import { emulatorCredentials, emulatorEndpoint, emulatorRegion } from '../support/emulators.ts';
import { type IssuanceWorld, openIssuanceWorld, receive, recordOf } from '../support/issuance-world.ts';
import { guideTo, moves } from '../support/ledger-fixtures.ts';
import { makePrepared } from '../support/make-prepared.ts';
import { opensslCrlCheck } from '../support/openssl-crl.ts';

const bucket = `sealwright-${randomUUID()}`;
const s3 = { region: emulatorRegion, endpoint: emulatorEndpoint('S3'), credentials: emulatorCredentials };
const client = createS3Client(s3);
const crlObjects = createS3CrlObjects(client, bucket);
const handedOut = createCrlReader(createSignedReader({ ...s3, credentials: async () => emulatorCredentials }), bucket);

let world: IssuanceWorld;
let test: TestTable;
beforeAll(async () => {
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  world = await openIssuanceWorld();
  test = await createTestTable();
});
afterAll(async () => {
  client.destroy();
  await world.close();
  await test.drop();
});

/** A certificate of `workloads`, issued by the pipeline, as the table of a deployment has it: of shard 0. */
async function issueInto(ledger: ReturnType<typeof createDynamoLedger>): Promise<IssuanceRecord> {
  const { record } = await receive(world, { profile: 'service' });
  await validateEnrollments(world.validatePorts, [record.issuanceId]);
  await issueCertificates(world.signerPorts(), [record.issuanceId]);
  const { certificateDer: der, fingerprint, notAfter, notBefore, serial } = await recordOf(world, record.issuanceId);
  const ports = { ledger, credentials: createDynamoCredentials(createTable(test)) };
  const { issuanceId } = await guideTo('received', ports, { issuance: { caId: 'workloads' } });
  const certificate = {
    der: der!,
    fingerprint: fingerprint!,
    notAfter: notAfter!,
    notBefore: notBefore!,
    serial: serial!,
  };
  const steps = [
    moves.approve(issuanceId, { caId: 'workloads' }),
    moves.intend(makePrepared(issuanceId, 'workloads', { serial: serial! }), 0),
    moves.issue(issuanceId, certificate),
  ];
  for (const step of steps) expect(await ledger.advance([step])).toEqual([{ kind: 'moved' }]);
  return (await ledger.get(issuanceId))!;
}

function backendOf({ backendRef: ref, caId, spkiSha256 }: IssuingAuthority) {
  const { signingAlgorithm } = world.hierarchy.authorities.find(({ id }) => id === caId)!;
  const authority = { caId, ref, spkiSha256, signingAlgorithm };
  const clock = () => world.now;
  const { signCrl } = createSoftwareBackend({ stage: 'dev', folder: world.folder, clock, authority });
  return { ...world.workloads, signCrl: signCrl! };
}

describe('a revocation on DynamoDB', () => {
  it('is on the CRL in the bucket after the next run, and openssl judges by it (crl-aws-end-to-end)', async () => {
    const table = createTable(test);
    const ledger = createDynamoLedger(test);
    const { authorities, hierarchy } = world;
    const clock = () => world.now;
    const ports = { crlSource: createDynamoCrlSource(table), crlObjects, authorities, backendOf, clock, hierarchy };
    const custody = createCustodyGate(hierarchy, clock);
    const faults: unknown[] = [];
    const publish = () => publishCrls({ ...ports, custody }, (_caId, cause) => faults.push(cause));
    const [bad, good] = [await issueInto(ledger), await issueInto(ledger)];
    expect([await publish(), faults]).toEqual([{ published: 1, failed: 0, left: 0 }, []]);
    const revocations = createDynamoRevocations(table);
    const { operatorLog } = world.store;
    const revoked = await revokeCertificate(
      { ledger, revocations, authorities, clock, operatorLog, backendOf: () => undefined },
      'operator-1',
      bad.fingerprint!,
      'keyCompromise',
    );
    expect(revoked).toMatchObject({ status: 'revoked', record: { state: 'revoked' } });
    expect(await publish()).toEqual({ published: 1, failed: 0, left: 0 });
    expect(await publish()).toEqual({ published: 0, failed: 0, left: 0 });

    const event = { pathParameters: { authority: 'workloads', shard: '1-0' } };
    const answer = await crl({ clock, crlObjects: handedOut }, event as unknown as Parameters<typeof crl>[1]);
    const bytes = Buffer.from(answer.body!, 'base64');
    expect(parseCertificateList(bytes)).toMatchObject({
      entries: [{ serial: bad.serial, reason: 'keyCompromise' }],
      number: 2n,
      distributionPoint: 'http://crl.fleet.example/v1/crls/workloads/1-0',
    });
    const issuer = (await authorities.newest('workloads'))!;
    const chain = [issuer.certificateDer, ...issuer.chain];
    const check = ({ certificateDer }: IssuanceRecord) => opensslCrlCheck(certificateDer!, chain, bytes, world.now);
    expect(check(bad).output).toContain('certificate revoked');
    expect(check(good).output).toContain('OK');
  });
});
