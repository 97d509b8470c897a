import { describe, expect, it } from 'vitest';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { evaluateKey } from '../../shared/pki/key-policy.ts';
import { formatDistinguishedName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import { decodeCertificationRequestBody } from '../../shared/pki/pem.ts';
import { malformedBy, sampleBody, sampleDer, sampleManifest } from '../support/certification-requests.ts';

const malformedCodes: Readonly<Record<string, string>> = {
  'broken-a-certificate-instead.csr': 'not-a-certification-request',
  'broken-deep-nesting.csr': 'der-too-deep',
  'broken-empty.csr': 'body-empty',
  'broken-indefinite-length.csr': 'der-not-canonical',
  'broken-length-lies.csr': 'der-truncated',
  'broken-not-base64.csr': 'not-base64',
  'broken-point-off-curve.csr': 'public-key-invalid',
  'broken-trailing-bytes.csr': 'der-trailing-bytes',
  'broken-truncated.csr': 'der-truncated',
  'broken-two-in-one-file.csr': 'more-than-one-request',
};

const keyFaults: Readonly<Record<string, string>> = {
  'openssl-ed448.csr': 'key-type-not-allowed',
  'openssl-md5-signature.csr': 'signature-algorithm-not-allowed',
  'openssl-p192-weak.csr': 'key-type-not-allowed',
  'openssl-p256-explicit-params.csr': 'ec-explicit-parameters',
  'openssl-rsa1024-weak.csr': 'key-too-small',
  'openssl-rsa2048-exponent3.csr': 'rsa-exponent-too-small',
  'openssl-rsapss-key.csr': 'key-type-not-allowed',
  'openssl-secp256k1.csr': 'key-type-not-allowed',
  'openssl-sha1-signature.csr': 'signature-algorithm-not-allowed',
};

// Well-formed in every respect but the signature.
const withoutPossession = ['broken-signature.csr', 'broken-subject-changed.csr'];

describe('requests of real tools', () => {
  it.each(sampleManifest.filter(({ file }) => file in malformedCodes))(
    '$file is malformed: $note',
    ({ file, expect: outcome }) => {
      const error = malformedBy(() => parseCertificationRequest(decodeCertificationRequestBody(sampleBody(file))));
      expect(error?.code).toBe(malformedCodes[file]);
      expect(outcome).toBe('malformed');
    },
  );

  it.each(sampleManifest.filter(({ file }) => !(file in malformedCodes)))(
    '$file parses, with its faults of key and signature: $note',
    ({ file, expect: outcome }) => {
      const request = parseCertificationRequest(sampleDer(file));
      const faults = evaluateKey(request.publicKey, request.signatureAlgorithm).map(({ code }) => code);
      expect(faults).toEqual(keyFaults[file] === undefined ? [] : [keyFaults[file]]);
      expect(outcome === 'malformed').toBe(withoutPossession.includes(file));
    },
  );

  it('are all told apart by the manifest', () => {
    const known = [...Object.keys(malformedCodes), ...withoutPossession];
    expect(
      sampleManifest
        .filter((sample) => sample.expect === 'malformed')
        .map(({ file }) => file)
        .sort(),
    ).toEqual(known.sort());
  });

  it.each([
    ['openssl-asks-ca.csr', { basicConstraints: { ca: true, pathLen: 0 }, keyUsage: ['keyCertSign', 'cRLSign'] }],
    [
      'openssl-asks-codesigning.csr',
      { extendedKeyUsage: [oids.codeSigning, oids.ocspSigning], keyUsage: ['digitalSignature'] },
    ],
    ['gnutls-p256.csr', { basicConstraints: { ca: false }, keyUsage: ['digitalSignature'] }],
    [
      'openssl-challenge-password.csr',
      { challengePassword: true, attributeOids: [oids.unstructuredName, oids.challengePassword] },
    ],
    [
      'openssl-p256.csr',
      { challengePassword: false, attributeOids: [], names: [{ kind: 'dns', value: 'p256.fleet.example' }] },
    ],
    [
      'openssl-ip.csr',
      {
        names: [
          { kind: 'dns', value: 'ip.fleet.example' },
          { kind: 'ip', value: '10.1.2.3' },
          { kind: 'ip', value: '2001:db8::7' },
        ],
      },
    ],
    [
      'openssl-email.csr',
      {
        names: [
          { kind: 'dns', value: 'email.fleet.example' },
          { kind: 'email', value: 'ops@fleet.example' },
        ],
      },
    ],
    ['openssl-spiffe.csr', { names: [{ kind: 'uri', value: 'spiffe://fleet.example/ns/edge/sa/collector' }] }],
    ['openssl-no-san.csr', { names: [], extensions: [] }],
    ['pyca-hardware-module-name.csr', { names: [{ kind: 'dns' }, { kind: 'other', typeId: oids.hardwareModuleName }] }],
    ['openssl-rsa2048-pss-signature.csr', { signatureAlgorithm: { kind: 'rsa-pss', hash: 'sha256' } }],
  ])('%s says what it asks for', (file, fields) => {
    expect(parseCertificationRequest(sampleDer(file))).toMatchObject(fields);
  });

  it.each([
    ['openssl-utf8-subject.csr', 'CN=Prüfgerät-日本-0001,O=Exämple'],
    ['openssl-multi-rdn.csr', 'CN=multi+serialNumber=SN-77,O=Example Fleet'],
    ['openssl-empty-subject-san.csr', ''],
  ])('%s has its subject', (file, subject) => {
    expect(formatDistinguishedName(parseCertificationRequest(sampleDer(file)).subject)).toBe(subject);
  });

  it('may ask for 1,500 names', () => {
    expect(parseCertificationRequest(sampleDer('openssl-1500-sans.csr')).names).toHaveLength(1_500);
  });
});
