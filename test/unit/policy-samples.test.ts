import { describe, expect, it } from 'vitest';
import { evaluateRequest, type PolicyDecision } from '../../shared/hierarchy/policy.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { sampleDer, sampleManifest } from '../support/certification-requests.ts';
import { hierarchyOf, profileOf, sampleScope } from '../support/hierarchies.ts';

const hierarchy = hierarchyOf();
const now = Date.parse('2026-11-23T12:00:00Z');

function decide(file: string, profile: string): PolicyDecision {
  const request = parseCertificationRequest(sampleDer(file));
  return evaluateRequest(hierarchy, profileOf(hierarchy, profile), request, sampleScope, now);
}

function violationsOf(decision: PolicyDecision): readonly string[] {
  return decision.kind === 'deny' ? decision.violations.map(({ code, field }) => `${code} at ${field}`) : [];
}

const refused: Readonly<Record<string, readonly string[]>> = {
  'gnutls-dns-and-spiffe.csr': ['name-kind-not-allowed at subjectAltName[1]'],
  'openssl-1500-sans.csr': ['names-too-many at subjectAltName'],
  'openssl-asks-ca.csr': [
    'ca-requested at extensionRequest.basicConstraints',
    'key-usage-not-allowed at extensionRequest.keyUsage',
  ],
  'openssl-asks-codesigning.csr': ['extended-key-usage-not-allowed at extensionRequest.extendedKeyUsage'],
  'openssl-challenge-password.csr': ['challenge-password at attributes.challengePassword'],
  'openssl-ed448.csr': ['key-type-not-allowed at subjectPublicKeyInfo.algorithm'],
  'openssl-email.csr': ['name-kind-not-allowed at subjectAltName[1]'],
  'openssl-empty-subject-no-san.csr': ['names-missing at subjectAltName'],
  'openssl-foreign-name.csr': [
    'name-out-of-scope at subjectAltName[0]',
    'name-outside-constraints at subjectAltName[0]',
  ],
  'openssl-ip.csr': ['name-kind-not-allowed at subjectAltName[1]', 'name-kind-not-allowed at subjectAltName[2]'],
  'openssl-md5-signature.csr': ['signature-algorithm-not-allowed at signatureAlgorithm'],
  'openssl-no-san.csr': ['names-missing at subjectAltName'],
  'openssl-p192-weak.csr': ['key-type-not-allowed at subjectPublicKeyInfo.algorithm'],
  'openssl-p256-explicit-params.csr': ['ec-explicit-parameters at subjectPublicKeyInfo.algorithm.parameters'],
  'openssl-rsa1024-weak.csr': ['key-too-small at subjectPublicKeyInfo.subjectPublicKey.modulus'],
  'openssl-rsa2048-exponent3.csr': ['rsa-exponent-too-small at subjectPublicKeyInfo.subjectPublicKey.publicExponent'],
  'openssl-rsapss-key.csr': ['key-type-not-allowed at subjectPublicKeyInfo.algorithm'],
  'openssl-secp256k1.csr': ['key-type-not-allowed at subjectPublicKeyInfo.algorithm'],
  'openssl-sha1-signature.csr': ['signature-algorithm-not-allowed at signatureAlgorithm'],
  'openssl-spiffe-two-uris.csr': ['spiffe-id-count at subjectAltName'],
  'openssl-wildcard.csr': ['wildcard-not-allowed at subjectAltName[0]'],
  'pyca-hardware-module-name.csr': ['name-kind-not-allowed at subjectAltName[1]'],
};

describe('the certification requests of real tools', () => {
  const parseable = sampleManifest.filter((sample) => sample.expect !== 'malformed');

  it.each(parseable.filter((sample) => sample.expect === 'issued'))('permits $file for $profile: $note', (sample) => {
    const decision = decide(sample.file, sample.profile);
    expect(violationsOf(decision)).toEqual([]);
    expect(decision.kind).toBe('permit');
  });

  it.each(parseable.filter((sample) => sample.expect === 'refused'))('denies $file for $profile: $note', (sample) => {
    expect(violationsOf(decide(sample.file, sample.profile))).toEqual(refused[sample.file]);
  });

  it('are 25 to permit and 22 to deny', () => {
    const kinds = parseable.map((sample) => decide(sample.file, sample.profile).kind);
    expect([kinds.filter((kind) => kind === 'permit').length, kinds.filter((kind) => kind === 'deny').length]).toEqual([
      25, 22,
    ]);
    expect(Object.keys(refused)).toHaveLength(22);
  });

  it('drop tlsFeature where the profile says so and report it', () => {
    const decision = decide('openssl-must-staple.csr', 'device');
    expect(decision.kind === 'permit' && decision.template.droppedExtensions).toEqual(['tlsFeature']);
    expect(violationsOf(decide('openssl-must-staple.csr', 'service'))).toEqual([
      'extension-not-allowed at extensionRequest.tlsFeature',
    ]);
  });

  it('put nothing of their subjects into the template', () => {
    const decision = decide('openssl-utf8-subject.csr', 'device');
    expect(decision.kind === 'permit' && decision.template).toMatchObject({
      commonName: 'utf8.fleet.example',
      names: [{ kind: 'dns', value: 'utf8.fleet.example' }],
      sanCritical: false,
    });
  });

  it('for another profile are told all that does not fit it', () => {
    expect(violationsOf(decide('openssl-asks-ca.csr', 'svid'))).toEqual([
      'name-kind-not-allowed at subjectAltName[0]',
      'spiffe-id-count at subjectAltName',
      'ca-requested at extensionRequest.basicConstraints',
      'key-usage-not-allowed at extensionRequest.keyUsage',
    ]);
    expect(violationsOf(decide('openssl-rsa4096.csr', 'svid'))).toEqual([
      'key-type-not-allowed at subjectPublicKeyInfo',
      'name-kind-not-allowed at subjectAltName[0]',
      'spiffe-id-count at subjectAltName',
    ]);
  });
});
