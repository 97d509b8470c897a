import { webcrypto } from 'node:crypto';
import type { KeyType, PlannedDevice } from './fleet-plan.ts';
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from './x509.ts';

type KeyGenAlgorithm = webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams | webcrypto.Algorithm;

interface KeyRecipe {
  readonly generate: KeyGenAlgorithm;
  readonly sign: webcrypto.Algorithm | webcrypto.EcdsaParams;
}

function ec(namedCurve: string, hash: string): KeyRecipe {
  return { generate: { name: 'ECDSA', namedCurve }, sign: { name: 'ECDSA', hash } };
}

function rsa(modulusLength: number): KeyRecipe {
  const name = 'RSASSA-PKCS1-v1_5';
  return {
    generate: { name, modulusLength, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
    sign: { name },
  };
}

const recipes: Readonly<Record<KeyType, KeyRecipe>> = {
  'P-256': ec('P-256', 'SHA-256'),
  'P-384': ec('P-384', 'SHA-384'),
  'P-521': ec('P-521', 'SHA-512'),
  Ed25519: { generate: { name: 'Ed25519' }, sign: { name: 'Ed25519' } },
  'RSA-2048': rsa(2048),
  'RSA-3072': rsa(3072),
  'RSA-4096': rsa(4096),
};

/** A device with its key made and its request signed. The private key is dropped: nothing here needs it again. */
export interface PreparedDevice extends PlannedDevice {
  readonly csrPem: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spkiDer: Uint8Array;
}

/** Generates the key (on the thread pool) and the PKCS#10 request: empty subject, one subjectAltName. */
export async function prepareDevice(device: PlannedDevice): Promise<PreparedDevice> {
  const recipe = recipes[device.keyType];
  const generated = await webcrypto.subtle.generateKey(recipe.generate, true, ['sign', 'verify']);
  const keys = generated as webcrypto.CryptoKeyPair;
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      keys,
      signingAlgorithm: recipe.sign,
      extensions: [
        new SubjectAlternativeNameExtension([{ type: device.nameKind === 'dns' ? 'dns' : 'url', value: device.name }]),
      ],
    },
    webcrypto,
  );
  return {
    ...device,
    csrPem: `${request.toString('pem')}\n`,
    spkiDer: new Uint8Array(await webcrypto.subtle.exportKey('spki', keys.publicKey)),
  };
}
