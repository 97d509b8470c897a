import { randomBytes } from 'node:crypto';
import type { Handle, PKCS11 } from 'pkcs11js';
import { describe, expect } from 'vitest';
import { createPkcs11Backend } from '../../shared/adapters/pkcs11/backend.ts';
import { cka, cko } from '../../shared/adapters/pkcs11/constants.ts';
import { createPkcs11Provisioner } from '../../shared/adapters/pkcs11/provisioner.ts';
import { readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import type { TokenOptions } from '../../shared/adapters/pkcs11/token.ts';
import type { ClusterDescription } from '../../shared/custody/key-description.ts';
import { parseCertificate, verifyCertificateSignature } from '../../shared/pki/certificate.ts';
import { clusterOf } from '../support/clusters.ts';
import {
  buildHeldAuthority,
  type HeldAuthority,
  heldAuthority,
  heldKeyTime,
  newTbsIssuance,
} from '../support/held-key-issuance.ts';
import {
  interposed,
  itWithSoftHsm,
  newSoftHsmToken,
  relabelKey,
  returnValue,
  withObjects,
} from '../support/softhsm.ts';

const tokenLabel = 'backend-tests';

function open() {
  const { library, pinFile } = newSoftHsmToken(tokenLabel);
  const readPin = () => readPinFile(pinFile);
  const provisioner = createPkcs11Provisioner({ library, readPin, random: randomBytes });
  const newCa = (id: string, keyAlgorithm: 'EC_prime256v1' | 'RSA_2048' = 'EC_prime256v1') =>
    buildHeldAuthority(provisioner, heldAuthority('pkcs11', { id, tokenLabel, keyAlgorithm }));
  const backendOf = ({ authority, issuer, ref }: HeldAuthority, openLibrary?: TokenOptions['openLibrary']) => {
    const { id: caId, signingAlgorithm } = authority;
    return createPkcs11Backend({
      library,
      authority: { caId, ref, spkiSha256: issuer.spkiSha256, signingAlgorithm },
      readPin,
      clock: () => heldKeyTime,
      ...(openLibrary === undefined ? {} : { openLibrary }),
    });
  };
  return { library, newCa, backendOf };
}

const batchOf = (ca: HeldAuthority, count: number) =>
  Array.from({ length: count }, (_, index) => newTbsIssuance(ca, { id: `${ca.authority.id}-${index}` }));

/** Fails the calls of C_Sign that `failing` answers a return value for; counts from 1, after the probe of the key. */
function failingSignatures(failing: (call: number) => string | undefined) {
  let calls = -1;
  const openLibrary = interposed((real) => ({
    C_Sign: ((session: Handle, data: Buffer, out: Buffer) => {
      calls += 1;
      // The operation that C_SignInit began is ended by a C_Sign that fails; here the real one is left to end it.
      const signature = real.C_Sign(session, data, out);
      const name = calls === 0 ? undefined : failing(calls);
      if (name !== undefined) throw returnValue(name);
      return signature;
    }) as PKCS11['C_Sign'],
  }));
  return { openLibrary, calls: () => calls };
}

describe('signing through PKCS #11 when calls fail', () => {
  itWithSoftHsm('lets one bad message fail alone', async () => {
    const { backendOf, newCa } = open();
    const ca = await newCa('one-bad');
    const { openLibrary } = failingSignatures((call) => (call === 2 ? 'CKR_DATA_LEN_RANGE' : undefined));
    const outcomes = await backendOf(ca, openLibrary).submit(batchOf(ca, 4));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['signed', 'refused', 'signed', 'signed']);
    expect(outcomes[1]).toMatchObject({ code: 'CKR_DATA_LEN_RANGE' });
  });

  itWithSoftHsm('signs the same bytes again on a new session when the session is lost', async () => {
    const { backendOf, newCa } = open();
    const ca = await newCa('lost-session');
    const { openLibrary, calls } = failingSignatures((call) => (call === 2 ? 'CKR_SESSION_HANDLE_INVALID' : undefined));
    const batch = batchOf(ca, 3);
    const outcomes = await backendOf(ca, openLibrary).submit(batch);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['signed', 'signed', 'signed']);
    // Three messages, one of them twice, and the key was bound anew for the new sessions.
    expect(calls()).toBe(5);
    for (const outcome of outcomes) {
      if (outcome.kind !== 'signed') continue;
      const certificate = parseCertificate(outcome.certificateDer);
      expect(await verifyCertificateSignature(certificate, ca.issuer.certificate.tbs.publicKey)).toBe(true);
    }
  });

  itWithSoftHsm('answers retry for a token that is busy, and gives up on the batch when it stays so', async () => {
    const { backendOf, newCa } = open();
    const ca = await newCa('busy');
    const { openLibrary, calls } = failingSignatures(() => 'CKR_FUNCTION_FAILED');
    const outcomes = await backendOf(ca, openLibrary).submit(batchOf(ca, 6));
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['retry']));
    expect(outcomes[0]).toMatchObject({ code: 'CKR_FUNCTION_FAILED', retryAfterMs: 1000 });
    expect(calls()).toBe(3);
  });

  itWithSoftHsm('goes on after a token that was busy once', async () => {
    const { backendOf, newCa } = open();
    const ca = await newCa('busy-once');
    const { openLibrary } = failingSignatures((call) => (call === 1 ? 'CKR_FUNCTION_FAILED' : undefined));
    const outcomes = await backendOf(ca, openLibrary).submit(batchOf(ca, 3));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['retry', 'signed', 'signed']);
  });

  for (const name of ['CKR_DEVICE_ERROR', 'CKR_TOKEN_NOT_PRESENT', 'CKR_DEVICE_REMOVED']) {
    itWithSoftHsm(`answers unavailable for the rest of a batch when ${name} stays`, async () => {
      const { backendOf, newCa } = open();
      const ca = await newCa('no-device');
      const { openLibrary } = failingSignatures((call) => (call >= 2 ? name : undefined));
      const outcomes = await backendOf(ca, openLibrary).submit(batchOf(ca, 5));
      expect(outcomes.map(({ kind }) => kind)).toEqual([
        'signed',
        'unavailable',
        'unavailable',
        'unavailable',
        'unavailable',
      ]);
    });
  }

  itWithSoftHsm('answers unavailable without asking when the library is not there', async () => {
    const { newCa, library } = open();
    const ca = await newCa('no-library');
    const { authority, ref, issuer } = ca;
    const backend = createPkcs11Backend({
      library: { ...library, path: '/nonexistent/libpkcs11.so' },
      authority: {
        caId: authority.id,
        ref,
        spkiSha256: issuer.spkiSha256,
        signingAlgorithm: authority.signingAlgorithm,
      },
      readPin: () => '',
      clock: () => heldKeyTime,
    });
    expect(await backend.submit(batchOf(ca, 2))).toMatchObject([
      { kind: 'unavailable', code: 'library-missing' },
      { kind: 'unavailable', code: 'library-missing' },
    ]);
    await expect(backend.describeKey()).rejects.toMatchObject({ code: 'backend-unavailable' });
  });

  itWithSoftHsm('signs with RSA over several sessions, and each message is its own', async () => {
    const { backendOf, newCa } = open();
    const ca = await newCa('rsa', 'RSA_2048');
    const batch = batchOf(ca, 24);
    const outcomes = await backendOf(ca).submit(batch);
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.kind !== 'signed') throw new Error(JSON.stringify(outcome));
      const certificate = parseCertificate(outcome.certificateDer);
      const { intent } = batch[index]!;
      expect(intent.kind === 'tbs' && Buffer.compare(certificate.tbs.der, intent.tbsDer)).toBe(0);
      expect(await verifyCertificateSignature(certificate, ca.issuer.certificate.tbs.publicKey)).toBe(true);
    }
  });
});

describe('evidence of a key on a token', () => {
  itWithSoftHsm('reports the attributes of the private key and what the module says of itself', async () => {
    const { backendOf, newCa } = open();
    const key = await backendOf(await newCa('evidence')).describeKey();
    expect(key.attributes).toEqual({
      token: true,
      sensitive: true,
      extractable: false,
      neverExtractable: true,
      alwaysSensitive: true,
      local: true,
      sign: true,
    });
    expect(key.module).toMatchObject({ manufacturer: 'SoftHSM project', model: 'SoftHSM v2' });
    expect(key).toMatchObject({ source: 'emulator', securityLevel: 0, cmvpStatus: 'unknown', status: 'usable' });
  });

  itWithSoftHsm(
    'finds a key that was replaced under the same label and CKA_ID, and does not sign with it',
    async () => {
      const { backendOf, newCa, library } = open();
      const [ca, other] = [await newCa('replaced'), await newCa('replacement')];
      const backend = backendOf(ca);
      expect((await backend.describeKey()).spkiSha256).toBe(ca.issuer.spkiSha256);
      const label = { tokenLabel, keyLabel: 'replaced-g1' };
      const id = idOf(library, 'replaced-g1');
      relabelKey(library, label, 'put aside');
      setId(library, 'put aside', Buffer.from('put aside'));
      relabelKey(library, { tokenLabel, keyLabel: 'replacement-g1' }, 'replaced-g1');
      setId(library, 'replaced-g1', id);

      expect(await backend.describeKey()).toMatchObject({ status: 'usable', spkiSha256: other.issuer.spkiSha256 });
      expect(await backend.submit(batchOf(ca, 1))).toMatchObject([{ kind: 'unavailable', code: 'key-changed' }]);
    },
  );

  itWithSoftHsm('finds a private key that does not belong to its public key', async () => {
    const { backendOf, newCa, library } = open();
    const ca = await newCa('half-replaced');
    await newCa('half-replacement');
    const id = idOf(library, 'half-replaced-g1');
    const privateOnly = (keyLabel: string, label: string, newId: Buffer) =>
      withObjects(library, tokenLabel, keyLabel, ({ api, session, objects }) => {
        for (const object of objects) {
          const [objectClass] = api.C_GetAttributeValue(session, object, [{ type: cka.class }]);
          if ((objectClass!.value as Buffer)[0] !== cko.privateKey) continue;
          api.C_SetAttributeValue(session, object, [
            { type: cka.label, value: Buffer.from(label) },
            { type: cka.id, value: newId },
          ]);
        }
      });
    privateOnly('half-replaced-g1', 'put aside too', Buffer.from('aside'));
    privateOnly('half-replacement-g1', 'half-replaced-g1', id);

    const backend = backendOf(ca);
    expect(await backend.describeKey()).toMatchObject({ status: 'disabled', spkiSha256: '' });
    expect(await backend.submit(batchOf(ca, 1))).toMatchObject([{ kind: 'unavailable', code: 'key-unbound' }]);
  });

  itWithSoftHsm('does not choose between two private keys of one label', async () => {
    const { backendOf, newCa, library } = open();
    const ca = await newCa('twice');
    await newCa('twin');
    relabelKey(library, { tokenLabel, keyLabel: 'twin-g1' }, 'twice-g1');
    const backend = backendOf(ca);
    await expect(backend.describeKey()).rejects.toMatchObject({ code: 'backend-unavailable' });
    expect(await backend.submit(batchOf(ca, 1))).toMatchObject([{ kind: 'unavailable', code: 'key-ambiguous' }]);
  });

  itWithSoftHsm("has the validation of its cluster's HSMs, except of an emulator", async () => {
    const { newCa, library } = open();
    const { authority, ref, issuer } = await newCa('validation');
    const backendAs = (manufacturerID: string, model: string, cluster: ClusterDescription) =>
      createPkcs11Backend({
        library,
        authority: {
          caId: authority.id,
          ref,
          spkiSha256: issuer.spkiSha256,
          signingAlgorithm: authority.signingAlgorithm,
        },
        readPin: () => '',
        clock: () => heldKeyTime,
        describeCluster: async () => cluster,
        openLibrary: interposed((real) => ({
          C_GetTokenInfo: (slot) => ({ ...real.C_GetTokenInfo(slot), manufacturerID, model }),
        })),
      });
    const cluster = clusterOf({ readAt: heldKeyTime });
    expect(await backendAs('Example', 'HSM 1', cluster).describeKey()).toMatchObject({
      source: 'module',
      securityLevel: 3,
      standard: 'FIPS 140-3',
      certificateNumber: '4703',
      cmvpStatus: 'active',
      cluster,
    });
    const soft = await backendAs('SoftHSM project', 'SoftHSM v2', cluster).describeKey();
    expect(soft).toMatchObject({ source: 'emulator', securityLevel: 0, cmvpStatus: 'unknown' });
    expect(soft.certificateNumber).toBeUndefined();
    const restored = clusterOf({ readAt: heldKeyTime, sourceBackupId: 'backup-abcdefghijk' });
    expect((await backendAs('Example', 'HSM 1', restored).describeKey()).origin).toEqual({
      kind: 'restored',
      knownBy: 'provider',
      backupId: 'backup-abcdefghijk',
    });
  });

  itWithSoftHsm('has no evidence when the cluster cannot be asked', async () => {
    const { newCa, library } = open();
    const { authority, ref, issuer } = await newCa('no-cluster');
    const { spkiSha256 } = issuer;
    const backend = createPkcs11Backend({
      library,
      authority: { caId: authority.id, ref, spkiSha256, signingAlgorithm: authority.signingAlgorithm },
      readPin: () => '',
      clock: () => heldKeyTime,
      describeCluster: () => Promise.reject(new Error('no answer')),
    });
    await expect(backend.describeKey()).rejects.toThrow('no answer');
  });
});

function idOf(library: Parameters<typeof withObjects>[0], keyLabel: string): Buffer {
  return withObjects(library, tokenLabel, keyLabel, ({ api, session, objects }) => {
    const [id] = api.C_GetAttributeValue(session, objects[0]!, [{ type: cka.id }]);
    return Buffer.from(id!.value as Buffer);
  });
}

function setId(library: Parameters<typeof withObjects>[0], keyLabel: string, id: Buffer): void {
  withObjects(library, tokenLabel, keyLabel, ({ api, session, objects }) => {
    for (const object of objects) api.C_SetAttributeValue(session, object, [{ type: cka.id, value: id }]);
  });
}
