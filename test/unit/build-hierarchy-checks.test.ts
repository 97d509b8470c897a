import { describe, expect, it } from 'vitest';
import type { AuthorityProvisioner } from '../../shared/issuance/ports.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { basicConstraintsExtension, keyUsageExtension } from '../../shared/pki/certificate-builder.ts';
import { encodeDistinguishedName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { build, causeOf, dayMs, newWorld } from '../support/hierarchy-world.ts';
import type { MemoryProvisionerOptions } from '../support/memory-provisioner.ts';

describe('what came back is checked, not what was asked', () => {
  const alterOf = (caId: string, alter: NonNullable<MemoryProvisionerOptions['alter']>) =>
    newWorld({ alter: (fields, order) => (order.authority.id === caId ? alter(fields, order) : fields) });

  const wrong: readonly (readonly [string, RegExp, NonNullable<MemoryProvisionerOptions['alter']>])[] = [
    [
      'another subject',
      /subject is CN=Other/,
      (fields) => ({ ...fields, subject: encodeDistinguishedName('CN=Other') }),
    ],
    [
      'another key',
      /key is not the request's/,
      (fields, order) => ({ ...fields, publicKey: parseCertificate(order.issuerCertificateDer!).tbs.publicKey.der }),
    ],
    [
      'another issuer',
      /issuer is not the CA/,
      (fields) => ({ ...fields, issuer: encodeDistinguishedName('CN=Other') }),
    ],
    [
      'a longer path length',
      /path length is 2, not 1/,
      (fields) => ({
        ...fields,
        extensions: [basicConstraintsExtension({ ca: true, pathLen: 2 }), ...fields.extensions.slice(1)],
      }),
    ],
    [
      'no path length',
      /path length is none, not 1/,
      (fields) => ({ ...fields, extensions: [basicConstraintsExtension({ ca: true }), ...fields.extensions.slice(1)] }),
    ],
    [
      'no CA',
      /do not say CA/,
      (fields) => ({
        ...fields,
        extensions: [basicConstraintsExtension({ ca: false }), ...fields.extensions.slice(1)],
      }),
    ],
    [
      'basic constraints that are not critical',
      /basic constraints are not critical/,
      (fields) => ({
        ...fields,
        extensions: fields.extensions.map((one) =>
          one.oid === oids.basicConstraints ? { ...one, critical: false } : one,
        ),
      }),
    ],
    [
      'a key usage that cannot sign certificates',
      /key usage lacks/,
      (fields) => ({
        ...fields,
        extensions: fields.extensions.map((one) => (one.oid === oids.keyUsage ? keyUsageExtension(['cRLSign']) : one)),
      }),
    ],
    [
      'no name constraints',
      /name constraints are not those/,
      (fields) => ({ ...fields, extensions: fields.extensions.filter(({ oid }) => oid !== oids.nameConstraints) }),
    ],
    [
      'name constraints that are not critical',
      /name constraints are not critical/,
      (fields) => ({
        ...fields,
        extensions: fields.extensions.map((one) =>
          one.oid === oids.nameConstraints ? { ...one, critical: false } : one,
        ),
      }),
    ],
    [
      'no subject key identifier',
      /no subject key identifier/,
      (fields) => ({ ...fields, extensions: fields.extensions.filter(({ oid }) => oid !== oids.subjectKeyIdentifier) }),
    ],
    [
      'no authority key identifier',
      /authority key identifier/,
      (fields) => ({
        ...fields,
        extensions: fields.extensions.filter(({ oid }) => oid !== oids.authorityKeyIdentifier),
      }),
    ],
    ['a later end', /notAfter is not the one ordered/, (fields) => ({ ...fields, notAfter: fields.notAfter + 1000 })],
    [
      'an end after its issuer',
      /validity is not inside/,
      (fields) => ({ ...fields, notAfter: fields.notAfter + 20 * 365 * dayMs }),
    ],
    [
      'an earlier beginning',
      /notBefore is not the one ordered/,
      (fields) => ({ ...fields, notBefore: fields.notBefore - 1000 }),
    ],
    [
      'another signature algorithm',
      /signature is not SHA384WITHECDSA/,
      (fields) => ({ ...fields, signingAlgorithm: 'SHA256WITHECDSA' }),
    ],
    [
      'a critical extension of somebody else',
      /1\.2\.3\.4 is critical/,
      (fields) => ({
        ...fields,
        extensions: [...fields.extensions, { oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }],
      }),
    ],
  ];

  it.each(wrong)('refuses a CA certificate with %s', async (_, message, alter) => {
    const world = alterOf('subordinate', alter);
    const { outcome, steps } = await build(world);
    expect(outcome).toMatchObject({ built: ['root'], failed: ['subordinate'], skipped: ['devices', 'workloads'] });
    expect(causeOf(steps, 'subordinate')).toMatch(message);
    expect(world.pca.installed.size).toBe(1);
    expect(world.registry.entries).toHaveLength(1);
  });

  it('refuses a request that does not prove possession (RFC 2986 4.2)', async () => {
    const world = newWorld({
      alterRequest: (der) => {
        const altered = Uint8Array.from(der);
        altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
        return altered;
      },
    });
    const { steps } = await build(world);
    expect(causeOf(steps, 'root')).toMatch(/possession/);
  });

  it('refuses a key of another kind than the file describes', async () => {
    const world = newWorld();
    const weaker: AuthorityProvisioner = {
      ...world.pca,
      createAuthority: (authority) => world.pca.createAuthority({ ...authority, keyAlgorithm: 'EC_prime256v1' }),
    };
    const { steps } = await build({ ...world, provisioners: { ...world.provisioners, 'acm-pca': weaker } });
    expect(causeOf(steps, 'root')).toMatch(/key is P-256, not P-384/);
  });
});
