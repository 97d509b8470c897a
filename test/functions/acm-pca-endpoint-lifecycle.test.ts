import { X509Certificate } from 'node:crypto';
import {
  type ACMPCAClient,
  DeleteCertificateAuthorityCommand,
  DescribeCertificateAuthorityCommand,
  GetCertificateAuthorityCertificateCommand,
  GetCertificateAuthorityCsrCommand,
  GetCertificateCommand,
  ImportCertificateAuthorityCertificateCommand,
  type KeyAlgorithm,
  ListCertificateAuthoritiesCommand,
  ListTagsCommand,
  RestoreCertificateAuthorityCommand,
  TagCertificateAuthorityCommand,
  UntagCertificateAuthorityCommand,
  UpdateCertificateAuthorityCommand,
} from '@aws-sdk/client-acm-pca';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  activate,
  createAuthority,
  dayMs,
  errorNameOf,
  issue,
  issueAndGet,
  newCsr,
  newRoot,
  newSubordinate,
  startTestEndpoint,
  type TestEndpoint,
} from '../support/acm-pca-endpoint.ts';

let endpoint: TestEndpoint;
let client: ACMPCAClient;

beforeEach(async () => {
  endpoint = await startTestEndpoint();
  client = endpoint.client;
});
afterEach(() => endpoint.dispose());

async function statusOf(arn: string): Promise<string | undefined> {
  const { CertificateAuthority } = await client.send(
    new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: arn }),
  );
  return CertificateAuthority?.Status;
}

async function setStatus(arn: string, Status: 'ACTIVE' | 'DISABLED'): Promise<unknown> {
  return client.send(new UpdateCertificateAuthorityCommand({ CertificateAuthorityArn: arn, Status }));
}

function importInto(arn: string, pem: string, chain?: string): Promise<unknown> {
  return client.send(
    new ImportCertificateAuthorityCertificateCommand({
      CertificateAuthorityArn: arn,
      Certificate: Buffer.from(pem),
      ...(chain === undefined ? {} : { CertificateChain: Buffer.from(chain) }),
    }),
  );
}

/** A certificate for the CA's CSR, from `parentArn`. */
async function certify(arn: string, parentArn: string, template: string, days = 365) {
  const { Csr } = await client.send(new GetCertificateAuthorityCsrCommand({ CertificateAuthorityArn: arn }));
  const Validity = { Type: 'DAYS', Value: days } as const;
  return issueAndGet(client, parentArn, { Csr: Buffer.from(Csr!), template, Validity });
}

describe('the life of a certificate authority', () => {
  it('is CREATING, answers its CSR with RequestInProgress, then waits for a certificate (ca-states)', async () => {
    const slow = await startTestEndpoint({ createDelayMs: 1000 });
    try {
      const arn = await createAuthority(slow.client);
      const describeIt = new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: arn });
      const getCsr = new GetCertificateAuthorityCsrCommand({ CertificateAuthorityArn: arn });
      expect((await slow.client.send(describeIt)).CertificateAuthority?.Status).toBe('CREATING');
      expect(await errorNameOf(slow.client.send(getCsr))).toBe('RequestInProgressException');
      slow.advance(1000);
      expect((await slow.client.send(describeIt)).CertificateAuthority?.Status).toBe('PENDING_CERTIFICATE');
      expect((await slow.client.send(getCsr)).Csr).toContain('BEGIN CERTIFICATE REQUEST');
    } finally {
      await slow.dispose();
    }
  });

  it('becomes ACTIVE with its certificate and describes it (import)', async () => {
    const arn = await createAuthority(client);
    expect(await errorNameOf(issue(client, arn))).toBe('InvalidStateException');
    const getOwn = new GetCertificateAuthorityCertificateCommand({ CertificateAuthorityArn: arn });
    expect(await errorNameOf(client.send(getOwn))).toBe('InvalidStateException');
    await activate(client, arn);
    const { CertificateAuthority } = await client.send(
      new DescribeCertificateAuthorityCommand({ CertificateAuthorityArn: arn }),
    );
    const { Certificate, CertificateChain } = await client.send(getOwn);
    const certificate = new X509Certificate(Certificate!);
    expect(CertificateChain).toBeUndefined();
    expect(CertificateAuthority).toMatchObject({
      Arn: arn,
      OwnerAccount: '000000000000',
      Type: 'ROOT',
      Status: 'ACTIVE',
      KeyStorageSecurityStandard: 'FIPS_140_2_LEVEL_3_OR_HIGHER',
      UsageMode: 'GENERAL_PURPOSE',
      RevocationConfiguration: { CrlConfiguration: { Enabled: false }, OcspConfiguration: { Enabled: false } },
      Serial: BigInt(`0x${certificate.serialNumber}`).toString(),
      NotAfter: new Date(certificate.validTo),
    });
    expect(CertificateAuthority?.CertificateAuthorityConfiguration?.Subject?.CommonName).toBe('Test Root');
  });

  it('builds root, subordinate and issuance CA whose chain is returned parent first (chain)', async () => {
    const root = await newRoot(client);
    const subordinate = await newSubordinate(client, root, 1);
    const issuance = await newSubordinate(client, subordinate, 0, { commonName: 'Test Issuance', days: 1000 });
    const { pem, chain } = await issueAndGet(client, issuance);
    const path = [pem, ...chain!.split(/(?<=-----END CERTIFICATE-----)\n/)].map((one) => new X509Certificate(one));
    expect(path).toHaveLength(4);
    for (const [index, certificate] of path.entries()) {
      const issuer = path[index + 1] ?? certificate;
      expect(certificate.checkIssued(issuer)).toBe(true);
      expect(certificate.verify(issuer.publicKey)).toBe(true);
    }
    expect(pem.endsWith('-----END CERTIFICATE-----')).toBe(true);
  });

  it('makes every supported key and refuses a signing algorithm of another family (algorithm-family)', async () => {
    const algorithms = [
      ['EC_secp384r1', 'SHA384WITHECDSA'],
      ['EC_secp521r1', 'SHA512WITHECDSA'],
      ['RSA_2048', 'SHA256WITHRSA'],
    ] as const;
    for (const [keyAlgorithm, signingAlgorithm] of algorithms) {
      const arn = await createAuthority(client, { keyAlgorithm: keyAlgorithm as KeyAlgorithm, signingAlgorithm });
      await activate(client, arn, { more: { SigningAlgorithm: signingAlgorithm } });
      expect(await statusOf(arn)).toBe('ACTIVE');
    }
    const mixed = createAuthority(client, { keyAlgorithm: 'RSA_2048', signingAlgorithm: 'SHA256WITHECDSA' });
    expect(await errorNameOf(mixed)).toBe('InvalidArgsException');
    const unsupported = createAuthority(client, { keyAlgorithm: 'ML_DSA_65' as 'RSA_2048' });
    expect(await errorNameOf(unsupported)).toBe('InvalidArgsException');
  });

  it('answers the same CA to the same token for five minutes (create-idempotency)', async () => {
    const more = { IdempotencyToken: 'root-g1' };
    const [first, atOnce] = await Promise.all([createAuthority(client, { more }), createAuthority(client, { more })]);
    expect(atOnce).toBe(first);
    endpoint.advance(299_999);
    expect(await createAuthority(client, { more })).toBe(first);
    endpoint.advance(1);
    expect(await createAuthority(client, { more })).not.toBe(first);
  });

  it('stops issuing while DISABLED and goes on when ACTIVE again (ca-states)', async () => {
    const root = await newRoot(client);
    const { arn } = await issueAndGet(client, root);
    await setStatus(root, 'DISABLED');
    expect(await errorNameOf(issue(client, root))).toBe('InvalidStateException');
    const get = new GetCertificateCommand({ CertificateAuthorityArn: root, CertificateArn: arn });
    expect((await client.send(get)).Certificate).toContain('BEGIN CERTIFICATE');
    await setStatus(root, 'ACTIVE');
    expect(await errorNameOf(issue(client, root))).toBe('no error');
    const toExpired = client.send(
      new UpdateCertificateAuthorityCommand({ CertificateAuthorityArn: root, Status: 'EXPIRED' }),
    );
    expect(await errorNameOf(toExpired)).toBe('InvalidArgsException');
    const pending = await createAuthority(client);
    expect(await errorNameOf(setStatus(pending, 'DISABLED'))).toBe('InvalidStateException');
  });

  it('is EXPIRED after its certificate, until a new one is imported (ca-states)', async () => {
    const root = await createAuthority(client);
    await activate(client, root, { days: 10 });
    endpoint.advance(10 * dayMs + 1000);
    expect(await statusOf(root)).toBe('EXPIRED');
    expect(await errorNameOf(issue(client, root, { Validity: { Type: 'DAYS', Value: 1 } }))).toBe(
      'InvalidStateException',
    );
    await activate(client, root, { days: 10 });
    expect(await statusOf(root)).toBe('ACTIVE');
  });

  it('is deleted only when disabled, restorable for the days asked for, and gone after them (deletion)', async () => {
    const root = await newRoot(client);
    const remove = new DeleteCertificateAuthorityCommand({
      CertificateAuthorityArn: root,
      PermanentDeletionTimeInDays: 7,
    });
    const restore = new RestoreCertificateAuthorityCommand({ CertificateAuthorityArn: root });
    expect(await errorNameOf(client.send(remove))).toBe('InvalidStateException');
    expect(await errorNameOf(client.send(restore))).toBe('InvalidStateException');
    await setStatus(root, 'DISABLED');
    await client.send(remove);
    expect(await statusOf(root)).toBe('DELETED');
    expect(await errorNameOf(issue(client, root))).toBe('InvalidStateException');
    endpoint.advance(7 * dayMs - 1);
    await client.send(restore);
    expect(await statusOf(root)).toBe('DISABLED');
    await client.send(remove);
    endpoint.advance(7 * dayMs);
    expect(await errorNameOf(statusOf(root))).toBe('ResourceNotFoundException');
    expect((await client.send(new ListCertificateAuthoritiesCommand({}))).CertificateAuthorities).toEqual([]);
  });

  it('lists in pages and refuses a token that is not its own (pagination)', async () => {
    const arns = [];
    for (let count = 0; count < 5; count += 1) arns.push(await createAuthority(client));
    const listed: (string | undefined)[] = [];
    let token: string | undefined;
    do {
      const page: { CertificateAuthorities?: { Arn?: string }[]; NextToken?: string } = await client.send(
        new ListCertificateAuthoritiesCommand({ MaxResults: 2, ...(token === undefined ? {} : { NextToken: token }) }),
      );
      expect(page.CertificateAuthorities?.length).toBeLessThanOrEqual(2);
      listed.push(...(page.CertificateAuthorities ?? []).map(({ Arn }) => Arn));
      token = page.NextToken;
    } while (token !== undefined);
    expect(listed).toEqual(arns);
    const forged = client.send(new ListCertificateAuthoritiesCommand({ NextToken: 'bm90IG91cnM' }));
    expect(await errorNameOf(forged)).toBe('InvalidNextTokenException');
    const others = await client.send(new ListCertificateAuthoritiesCommand({ ResourceOwner: 'OTHER_ACCOUNTS' }));
    expect(others.CertificateAuthorities).toEqual([]);
  });

  it('carries at most fifty tags, replaced by key and removed by key or by key and value (tags)', async () => {
    const arn = await createAuthority(client, { more: { Tags: [{ Key: 'tier', Value: 'root' }] } });
    const on = { CertificateAuthorityArn: arn };
    const tag = (Tags: { Key: string; Value?: string }[]) =>
      client.send(new TagCertificateAuthorityCommand({ ...on, Tags }));
    const untag = (Key: string, Value?: string) =>
      client.send(
        new UntagCertificateAuthorityCommand({ ...on, Tags: [Value === undefined ? { Key } : { Key, Value }] }),
      );
    const tags = async () => (await client.send(new ListTagsCommand(on))).Tags;
    await tag([{ Key: 'tier', Value: 'issuance' }, { Key: 'owner' }]);
    expect(await tags()).toEqual([{ Key: 'tier', Value: 'issuance' }, { Key: 'owner' }]);
    await untag('tier', 'root');
    expect(await tags()).toHaveLength(2);
    await untag('tier', 'issuance');
    await untag('owner');
    expect(await tags()).toEqual([]);
    expect(await errorNameOf(tag([{ Key: 'aws:x', Value: '1' }]))).toBe('InvalidTagException');
    await tag(Array.from({ length: 50 }, (_, index) => ({ Key: `k${index}` })));
    expect(await errorNameOf(tag([{ Key: 'one more' }]))).toBe('TooManyTagsException');
  });

  it('refuses revocation configurations that contradict themselves (revocation-configuration)', async () => {
    const CustomCname = 'crl.fleet.example';
    const refused = [
      { CrlConfiguration: { Enabled: false, CustomCname } },
      { CrlConfiguration: { Enabled: true, CustomCname } },
      { CrlConfiguration: { Enabled: true, S3BucketName: 'bucket', CustomCname: `http://${CustomCname}` } },
      {
        CrlConfiguration: {
          Enabled: true,
          S3BucketName: 'bucket',
          CustomCname,
          CrlDistributionPointExtensionConfiguration: { OmitExtension: true },
        },
      },
      { OcspConfiguration: { Enabled: false, OcspCustomCname: 'ocsp.fleet.example' } },
    ];
    for (const RevocationConfiguration of refused) {
      expect(await errorNameOf(createAuthority(client, { more: { RevocationConfiguration } }))).toBe(
        'InvalidArgsException',
      );
    }
  });
});

describe('importing the certificate of a CA', () => {
  it('refuses what is not one certificate, or not a CA certificate (import)', async () => {
    const root = await newRoot(client);
    const pending = await createAuthority(client, { type: 'SUBORDINATE', commonName: 'Sub' });
    const good = await certify(pending, root, 'SubordinateCACertificate_PathLen0');
    const leaf = await certify(pending, root, 'EndEntityCertificate');
    const malformed = 'MalformedCertificateException';
    expect(await errorNameOf(importInto(pending, 'not PEM', good.chain))).toBe(malformed);
    expect(await errorNameOf(importInto(pending, `${good.pem}\n${good.pem}`, good.chain))).toBe(malformed);
    expect(await errorNameOf(importInto(pending, leaf.pem, leaf.chain))).toBe(malformed);
    expect(await errorNameOf(importInto(pending, good.pem, 'no chain'))).toBe(malformed);
    await importInto(pending, good.pem, good.chain);
    expect(await statusOf(pending)).toBe('ACTIVE');
  });

  it('refuses another key, another chain, a missing chain and a self-signed subordinate (import)', async () => {
    const root = await newRoot(client);
    const otherRoot = await newRoot(client, { commonName: 'Other Root' });
    const pending = await createAuthority(client, { type: 'SUBORDINATE', commonName: 'Sub' });
    const sibling = await createAuthority(client, { type: 'SUBORDINATE', commonName: 'Sibling' });
    const good = await certify(pending, root, 'SubordinateCACertificate_PathLen0');
    const ofSibling = await certify(sibling, root, 'SubordinateCACertificate_PathLen0');
    const { Certificate: rootPem } = await client.send(
      new GetCertificateAuthorityCertificateCommand({ CertificateAuthorityArn: root }),
    );
    const { Certificate: otherPem } = await client.send(
      new GetCertificateAuthorityCertificateCommand({ CertificateAuthorityArn: otherRoot }),
    );
    const mismatch = 'CertificateMismatchException';
    expect(await errorNameOf(importInto(pending, ofSibling.pem, ofSibling.chain))).toBe(mismatch);
    expect(await errorNameOf(importInto(pending, good.pem, otherPem!))).toBe(mismatch);
    expect(await errorNameOf(importInto(pending, good.pem, `${rootPem}\n${otherPem}`))).toBe(mismatch);
    expect(await errorNameOf(importInto(pending, good.pem))).toBe('InvalidRequestException');
    expect(await errorNameOf(importInto(pending, rootPem!, rootPem!))).toBe('InvalidRequestException');
    expect(await errorNameOf(importInto(root, good.pem))).toBe('InvalidRequestException');
    expect(await errorNameOf(importInto(root, rootPem!, rootPem!))).toBe('InvalidRequestException');
    expect(await statusOf(pending)).toBe('PENDING_CERTIFICATE');
  });

  it('takes no certificate for a disabled CA or a deleted one (import)', async () => {
    const root = await newRoot(client);
    const subordinate = await newSubordinate(client, root, 0);
    const renewed = await certify(subordinate, root, 'SubordinateCACertificate_PathLen0', 400);
    await setStatus(subordinate, 'DISABLED');
    expect(await errorNameOf(importInto(subordinate, renewed.pem, renewed.chain))).toBe('InvalidStateException');
    expect(await statusOf(subordinate)).toBe('DISABLED');
    await client.send(new DeleteCertificateAuthorityCommand({ CertificateAuthorityArn: subordinate }));
    expect(await errorNameOf(importInto(subordinate, renewed.pem, renewed.chain))).toBe('InvalidStateException');
  });

  it('issues a root certificate for the CSR of the root itself only (root-template)', async () => {
    const pending = await createAuthority(client);
    const foreign = issue(client, pending, { Csr: newCsr(), template: 'RootCACertificate' });
    expect(await errorNameOf(foreign)).toBe('InvalidArgsException');
    const root = await newRoot(client);
    const subordinate = await newSubordinate(client, root, 0);
    expect(await errorNameOf(certify(subordinate, subordinate, 'RootCACertificate'))).toBe('InvalidArgsException');
  });
});
