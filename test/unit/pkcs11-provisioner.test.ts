import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { cka, ckm } from '../../shared/adapters/pkcs11/constants.ts';
import { createPkcs11Provisioner } from '../../shared/adapters/pkcs11/provisioner.ts';
import { formatReference, parseReference } from '../../shared/adapters/pkcs11/reference.ts';
import { readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import { certificateFaults, requestFaults } from '../../shared/issuance/authority-certificate.ts';
import type { AuthoritySigningOrder } from '../../shared/issuance/ports.ts';
import { parseCertificate } from '../../shared/pki/certificate.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import * as der from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import { buildHeldAuthority, heldAuthority, heldKeyTime } from '../support/held-key-issuance.ts';
import { interposed, itWithSoftHsm, newSoftHsmToken, withObjects } from '../support/softhsm.ts';

const tokenLabel = 'provisioner tests';

function open(openLibrary?: ReturnType<typeof interposed>) {
  const { library, pinFile } = newSoftHsmToken(tokenLabel);
  const provisioner = createPkcs11Provisioner({
    library,
    readPin: () => readPinFile(pinFile),
    random: randomBytes,
    ...(openLibrary === undefined ? {} : { openLibrary }),
  });
  return { library, provisioner };
}

describe('building CAs with keys on a token', () => {
  for (const keyAlgorithm of ['EC_prime256v1', 'EC_secp384r1', 'EC_secp521r1', 'RSA_2048'] as const) {
    itWithSoftHsm(`makes a CA with an ${keyAlgorithm} key that certifies itself`, async () => {
      const { provisioner } = open();
      const authority = heldAuthority('pkcs11', { id: keyAlgorithm, keyAlgorithm, tokenLabel });
      const { ref, issuer } = await buildHeldAuthority(provisioner, authority);
      const request = parseCertificationRequest(await provisioner.certificationRequest(ref, authority));
      expect(await requestFaults(request, authority)).toEqual([]);
      const { notBefore, notAfter, certificate } = issuer;
      const order: AuthoritySigningOrder = {
        authority,
        requestDer: request.der,
        issuer: authority,
        issuerRef: ref,
        issuerCertificateDer: undefined,
        notBefore,
        notAfter,
      };
      expect(await certificateFaults(certificate, request, certificate, order)).toEqual([]);
    });
  }

  itWithSoftHsm('signs the CA below with its path length, name constraints and key identifiers', async () => {
    const { provisioner } = open();
    const root = await buildHeldAuthority(
      provisioner,
      heldAuthority('pkcs11', { id: 'upper', tokenLabel, pathLen: 1 }),
    );
    const below = heldAuthority('pkcs11', {
      id: 'lower',
      tier: 'issuance',
      parent: 'upper',
      tokenLabel,
      nameConstraints: { permitted: { dns: ['fleet.example'], uri: ['fleet.example'] } },
    });
    const { ref } = await provisioner.createAuthority(below);
    const request = parseCertificationRequest(await provisioner.certificationRequest(ref, below));
    const order: AuthoritySigningOrder = {
      authority: below,
      requestDer: request.der,
      issuer: root.authority,
      issuerRef: root.ref,
      issuerCertificateDer: root.issuer.certificateDer,
      notBefore: heldKeyTime,
      notAfter: root.issuer.notAfter,
    };
    const certificate = parseCertificate(await provisioner.signAuthority(order));
    expect(await certificateFaults(certificate, request, root.issuer.certificate, order)).toEqual([]);
    await expect(
      provisioner.installCertificate(ref, certificate.der, [root.issuer.certificateDer]),
    ).resolves.toBeUndefined();
    await expect(provisioner.installCertificate(ref, root.issuer.certificateDer, [])).rejects.toThrow('not on the key');
  });

  itWithSoftHsm('finds its key again instead of making a second one', async () => {
    const { provisioner, library } = open();
    const authority = heldAuthority('pkcs11', { id: 'converges', tokenLabel });
    const first = await provisioner.createAuthority(authority);
    const request = await provisioner.certificationRequest(first.ref, authority);
    expect(await provisioner.createAuthority(authority)).toEqual(first);
    const again = await provisioner.certificationRequest(first.ref, authority);
    expect(parseCertificationRequest(again).publicKey.sha256).toBe(parseCertificationRequest(request).publicKey.sha256);
    withObjects(library, tokenLabel, 'converges-g1', ({ objects }) => expect(objects).toHaveLength(2));
  });

  itWithSoftHsm('takes no key that may leave the module', async () => {
    const { provisioner, library } = open();
    const authority = heldAuthority('pkcs11', { id: 'loose', tokenLabel });
    await provisioner.createAuthority(heldAuthority('pkcs11', { id: 'any', tokenLabel }));
    withObjects(library, tokenLabel, 'none', ({ api, session }) => {
      const named = [
        { type: cka.token, value: true },
        { type: cka.label, value: Buffer.from('loose-g1') },
        { type: cka.id, value: Buffer.from('loose') },
      ];
      api.C_GenerateKeyPair(
        session,
        { mechanism: ckm.ecKeyPairGen },
        [...named, { type: cka.ecParams, value: Buffer.from(der.oid(oids.secp256r1)) }],
        [...named, { type: cka.sign, value: true }, { type: cka.extractable, value: true }],
      );
    });
    await expect(provisioner.createAuthority(authority)).rejects.toThrow(
      /not sensitive, neverExtractable, alwaysSensitive, notExtractable/,
    );
  });

  itWithSoftHsm('signs no request that is not the one of the CA described', async () => {
    const { provisioner } = open();
    const root = await buildHeldAuthority(
      provisioner,
      heldAuthority('pkcs11', { id: 'strict', tokenLabel, pathLen: 1 }),
    );
    const asked = heldAuthority('pkcs11', { id: 'asked', tokenLabel });
    const { ref } = await provisioner.createAuthority(asked);
    const order: AuthoritySigningOrder = {
      authority: { ...asked, subject: 'CN=Somebody else' },
      requestDer: await provisioner.certificationRequest(ref, asked),
      issuer: root.authority,
      issuerRef: root.ref,
      issuerCertificateDer: root.issuer.certificateDer,
      notBefore: heldKeyTime,
      notAfter: root.issuer.notAfter,
    };
    await expect(provisioner.signAuthority(order)).rejects.toThrow('subject');
    const otherIssuer = { ...order, authority: asked, issuerRef: ref };
    await expect(provisioner.signAuthority(otherIssuer)).rejects.toThrow('not the one that its certificate names');
  });

  itWithSoftHsm(
    'asks for every attribute that decides whether a key can leave (PKCS #11 defaults differ)',
    async () => {
      const asked: Record<number, unknown> = {};
      const { provisioner } = open(
        interposed((real) => ({
          C_GenerateKeyPair: ((...args: Parameters<typeof real.C_GenerateKeyPair>) => {
            for (const { type, value } of args[3]) asked[type] = value;
            return real.C_GenerateKeyPair(args[0], args[1], args[2], args[3]);
          }) as typeof real.C_GenerateKeyPair,
        })),
      );
      await provisioner.createAuthority(heldAuthority('pkcs11', { id: 'explicit', tokenLabel }));
      const wanted = {
        [cka.token]: true,
        [cka.private]: true,
        [cka.sensitive]: true,
        [cka.extractable]: false,
        [cka.sign]: true,
      };
      expect(asked).toMatchObject(wanted);
    },
  );
});

describe('references to keys on tokens', () => {
  it('come back as they were written (RFC 7512)', () => {
    const reference = { tokenLabel: 'a token; with=signs', keyLabel: 'größe g1' };
    expect(parseReference(formatReference(reference))).toEqual(reference);
    expect(formatReference({ tokenLabel: 'issuance', keyLabel: 'workloads-g1' })).toBe(
      'pkcs11:token=issuance;object=workloads-g1;type=private',
    );
  });

  it.each(['', 'workloads-g1', 'pkcs11:token=a', 'pkcs11:token=a;object=b;type=private;pin-value=1'])(
    'refuses %j',
    (text) => {
      expect(() => parseReference(text)).toThrow(RangeError);
    },
  );
});
