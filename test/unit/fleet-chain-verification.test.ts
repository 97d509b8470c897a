import { beforeAll, describe, expect, it } from 'vitest';
import { createChainVerifier } from '../../localstack/embedded/fleet/chain-verification.ts';
import {
  type Extension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
} from '../../localstack/embedded/fleet/x509.ts';
import {
  type CertificateWish,
  caExtensions,
  type FakeHierarchy,
  makeCertificate,
  makeHierarchy,
  makeKeys,
} from '../support/fake-ca.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const name = 'a.fleet.example';
const san = (value: string, type: 'dns' | 'url' = 'dns', critical = true): Extension =>
  new SubjectAlternativeNameExtension([{ type, value }], critical);

let hierarchy: FakeHierarchy;
let keys: Awaited<ReturnType<typeof makeKeys>>;
let spkiDer: Uint8Array;

beforeAll(async () => {
  hierarchy = await makeHierarchy(now);
  keys = await makeKeys();
  spkiDer = new Uint8Array(await crypto.subtle.exportKey('spki', keys.publicKey));
});

function leaf(change: Partial<CertificateWish> = {}): Promise<X509Certificate> {
  return makeCertificate({
    subject: '',
    publicKey: keys.publicKey,
    issuer: hierarchy.issuing,
    now,
    extensions: [san(name)],
    ...change,
  });
}

const verify = (chainPem: string, names: readonly string[] = [`dns:${name}`], at = now) =>
  createChainVerifier(hierarchy.rootPem)(chainPem, { spkiDer, names }, at);
const withoutRoot = (chainPem: string) => chainPem.slice(0, chainPem.lastIndexOf('-----BEGIN'));

describe('a chain that holds', () => {
  it('verifies with the root at its end and without it (RFC 5280, 6.1)', async () => {
    const chain = hierarchy.chainOf(await leaf());
    expect(verify(chain)).toBeUndefined();
    expect(verify(withoutRoot(chain))).toBeUndefined();
  });

  it('verifies a SPIFFE id inside the URI constraint', async () => {
    const id = 'spiffe://fleet.example/run/1';
    expect(verify(hierarchy.chainOf(await leaf({ extensions: [san(id, 'url')] })), [`url:${id}`])).toBeUndefined();
  });

  it('compares DNS names without regard to case', async () => {
    expect(verify(hierarchy.chainOf(await leaf({ extensions: [san('A.Fleet.example')] })))).toBeUndefined();
  });
});

describe('a chain that does not', () => {
  it('is refused under another root of the same names', async () => {
    const other = await makeHierarchy(now);
    expect(createChainVerifier(other.rootPem)(hierarchy.chainOf(await leaf()), {}, now)).toBe(
      'the chain does not lead to the pinned root',
    );
  });

  it('is refused when a certificate in the middle is missing', async () => {
    const blocks = hierarchy.chainOf(await leaf()).split(/(?=-----BEGIN)/);
    expect(verify([blocks[0], ...blocks.slice(2)].join(''))).toBe(
      'certificate 1 of the chain was not issued by the next one',
    );
  });

  it('is refused when the leaf is signed by a key of the same name', async () => {
    const impostor = { certificate: hierarchy.issuing.certificate, keys: await makeKeys() };
    expect(verify(hierarchy.chainOf(await leaf({ issuer: impostor })))).toBe(
      'certificate 1 of the chain was not issued by the next one',
    );
  });

  it('is refused before notBefore and after notAfter', async () => {
    const chain = hierarchy.chainOf(await leaf({ notAfter: now + 1000 }));
    expect(verify(chain, undefined, now + 2000)).toBe('certificate 1 of the path is not valid now');
    expect(verify(chain, undefined, now - 7_200_000)).toBe('certificate 1 of the path is not valid now');
  });

  it('is refused when a leaf signs a leaf (RFC 5280, 4.2.1.9)', async () => {
    const issuer = { keys, certificate: await leaf({ subject: 'CN=not a CA' }) };
    const below = await leaf({ issuer });
    const above = hierarchy
      .chainOf(below)
      .split(/(?=-----BEGIN)/)
      .slice(1);
    const chain = [`${below.toString('pem')}\n`, `${issuer.certificate.toString('pem')}\n`, ...above].join('');
    expect(verify(chain)).toMatch(/is no CA|was not issued by/);
  });

  it('is refused when pathLen does not leave room (RFC 5280, 4.2.1.9)', async () => {
    const tight = await makeHierarchy(now, { subordinatePathLen: 0 });
    const chain = tight.chainOf(await leaf({ issuer: tight.issuing }));
    expect(createChainVerifier(tight.rootPem)(chain, {}, now)).toBe('the path is longer than certificate 3 allows');
  });

  it('is refused for a name outside the constraints (RFC 5280, 4.2.1.10)', async () => {
    const dns = hierarchy.chainOf(await leaf({ extensions: [san('a.fleet.example.net')] }));
    const uri = hierarchy.chainOf(await leaf({ extensions: [san('spiffe://sub.fleet.example/a', 'url')] }));
    for (const chain of [dns, uri])
      expect(createChainVerifier(hierarchy.rootPem)(chain, {}, now)).toBe(
        'a name outside the constraints of certificate 3',
      );
  });

  it('is refused when the leaf is a CA', async () => {
    expect(verify(hierarchy.chainOf(await leaf({ extensions: [san(name), ...caExtensions(0)] })))).toBe(
      'the leaf is a CA certificate',
    );
  });

  it("is refused for another device's key", async () => {
    const { publicKey } = await makeKeys();
    expect(verify(hierarchy.chainOf(await leaf({ publicKey })))).toBe("the certificate's key is not the device's");
  });

  it('is refused for a name more, a name less and another name', async () => {
    const chain = hierarchy.chainOf(await leaf());
    for (const names of [[], [`dns:${name}`, 'dns:b.fleet.example'], ['dns:b.fleet.example'], [`url:${name}`]]) {
      expect(verify(chain, names)).toBe("the certificate's names are not those asked for");
    }
  });

  it('is refused when the subject is empty and the SAN is not critical (RFC 5280, 4.2.1.6)', async () => {
    expect(verify(hierarchy.chainOf(await leaf({ extensions: [san(name, 'dns', false)] })))).toBe(
      'an empty subject needs a critical subjectAltName',
    );
  });

  it('is refused, not thrown at, when it is garbage', () => {
    const garbage = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(verify('')).toBe('no certificate in the answer');
    expect(verify(garbage)).toMatch(/^a certificate cannot be read/);
    expect(verify(garbage.repeat(9))).toBe('a chain of more than 8 certificates');
  });
});

it('takes no verifier without an anchor', () => {
  expect(() => createChainVerifier('no pem')).toThrow('no certificate among the trust anchors');
});
