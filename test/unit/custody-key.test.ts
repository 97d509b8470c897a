import { describe, expect, it } from 'vitest';
import {
  type CustodyRequirement,
  custodyFindingCodes,
  evaluateCustody,
  evidenceAgeMsMax,
  type KeyAttributes,
  type KeyDescription,
} from '../../shared/custody/custody.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const spkiSha256 = '9f'.repeat(32);
const expected = { spkiSha256, keyAlgorithm: 'EC_prime256v1' };

const attributes: KeyAttributes = {
  token: true,
  sensitive: true,
  extractable: false,
  neverExtractable: true,
  alwaysSensitive: true,
  local: true,
  sign: true,
};

/** A key of a validated HSM, as it should be. */
const hsmKey: KeyDescription = {
  source: 'module',
  model: 'self-managed-hsm',
  keyId: `sha256:${spkiSha256}`,
  spkiSha256,
  keyAlgorithm: 'EC_prime256v1',
  attributes,
  securityLevel: 3,
  standard: 'FIPS 140-3',
  certificateNumber: '4703',
  cmvpStatus: 'active',
  module: {
    manufacturer: 'Marvell Semiconductors, Inc.',
    model: 'CloudHSM',
    serial: '1',
    firmware: '5.0',
    library: '5.16',
  },
  status: 'usable',
  readAt: now - 1_000,
};

const { attributes: _none, module: _noModule, ...withoutModule } = hsmKey;
const managedKey: KeyDescription = {
  ...withoutModule,
  source: 'provider',
  model: 'managed-ca',
  cmvpStatus: 'historical',
};
const softwareKey: KeyDescription = { ...withoutModule, source: 'process', model: 'software', securityLevel: 0 };

const hsm: CustodyRequirement = { model: 'self-managed-hsm', securityLevelMin: 3, cmvpAccepted: ['active'] };
const managed: CustodyRequirement = {
  model: 'managed-ca',
  securityLevelMin: 3,
  cmvpAccepted: ['active', 'historical'],
};
const software: CustodyRequirement = { model: 'software', securityLevelMin: 0, cmvpAccepted: [] };

function judge(
  key: Partial<KeyDescription>,
  requirement = hsm,
  stage: 'dev' | 'prod' = 'prod',
  base = hsmKey,
): string[] {
  const { findings } = evaluateCustody(requirement, expected, { ...base, ...key }, stage, now);
  return findings.map((finding) => `${finding.severity} ${finding.code}`);
}

describe('custody of a key', () => {
  it.each([
    ['an HSM', hsm, hsmKey],
    ['a managed CA', managed, managedKey],
  ])('in %s that is as it should be has no finding in any stage', (_, requirement, key) => {
    for (const stage of ['dev', 'prod'] as const) {
      expect(evaluateCustody(requirement, expected, key, stage, now)).toEqual({ ok: true, findings: [] });
    }
  });

  const drift: readonly [string, Partial<KeyDescription>, string][] = [
    [
      'another key under the same label',
      { spkiSha256: '00'.repeat(32), keyId: `sha256:${'00'.repeat(32)}` },
      'key-swapped',
    ],
    ['a key id that is not its fingerprint', { keyId: `sha256:${'00'.repeat(32)}` }, 'key-swapped'],
    ['another algorithm', { keyAlgorithm: 'EC_secp384r1' }, 'key-algorithm-changed'],
    ['a disabled key', { status: 'disabled' }, 'key-not-usable'],
    ['a key that is gone', { status: 'gone' }, 'key-not-usable'],
    ['a key of its session', { attributes: { ...attributes, token: false } }, 'key-not-on-token'],
    ['a key that can be read', { attributes: { ...attributes, sensitive: false } }, 'key-not-sensitive'],
    ['a key that can be taken away', { attributes: { ...attributes, extractable: true } }, 'key-extractable'],
    [
      'a key that could be taken away',
      { attributes: { ...attributes, neverExtractable: false } },
      'key-was-extractable',
    ],
    ['a key that could be read', { attributes: { ...attributes, alwaysSensitive: false } }, 'key-was-not-sensitive'],
    ['a key that was brought in', { attributes: { ...attributes, local: false } }, 'key-not-local'],
    ['a key that does not sign', { attributes: { ...attributes, sign: false } }, 'key-cannot-sign'],
    ['evidence of a minute and a millisecond', { readAt: now - evidenceAgeMsMax - 1 }, 'evidence-stale'],
    ['evidence from the future', { readAt: now + evidenceAgeMsMax + 1 }, 'evidence-stale'],
  ];

  it.each(drift)('stops in every stage on %s', (_, change, code) => {
    expect(judge(change, hsm, 'prod')).toEqual([`stop ${code}`]);
    expect(judge(change, hsm, 'dev')).toEqual([`stop ${code}`]);
  });

  it('stops on attributes the module did not report, all or one', () => {
    const { attributes: _all, ...rest } = hsmKey;
    expect(evaluateCustody(hsm, expected, rest, 'dev', now).findings.map((f) => f.code)).toEqual([
      'attributes-unknown',
    ]);
    const { local: _one, ...partial } = attributes;
    expect(judge({ attributes: partial as KeyAttributes })).toEqual(['stop key-not-local']);
  });

  it('accepts evidence of exactly a minute', () => {
    expect(judge({ readAt: now - evidenceAgeMsMax })).toEqual([]);
  });

  it('stops on evidence without a time', () => {
    expect(judge({ readAt: 0 })).toEqual(['stop evidence-stale']);
  });

  it('stops on another model than the hierarchy demands', () => {
    expect(judge({}, hsm, 'dev', managedKey)).toContain('stop model-mismatch');
  });

  it.each([
    [hsm, hsmKey, 'process'],
    [hsm, hsmKey, 'provider'],
    [managed, managedKey, 'module'],
    [software, softwareKey, 'module'],
  ] as const)('stops on evidence whose source does not fit its model: %#', (requirement, key, source) => {
    expect(judge({ source }, requirement, 'dev', key)).toContain('stop source-mismatch');
  });

  const shortfalls: readonly [string, Partial<KeyDescription>, readonly string[]][] = [
    ['level 2', { securityLevel: 2 }, ['security-level-too-low']],
    ['a historical validation that is not accepted', { cmvpStatus: 'historical' }, ['cmvp-status-not-accepted']],
    ['a revoked validation', { cmvpStatus: 'revoked' }, ['cmvp-status-not-accepted']],
    ['an unknown status', { cmvpStatus: 'unknown' }, ['cmvp-status-unknown']],
    ['an emulator', { source: 'emulator' }, ['emulator-evidence', 'security-level-too-low', 'cmvp-status-unknown']],
  ];

  it.each(shortfalls)('advises in dev and stops in prod on %s', (_, change, codes) => {
    expect(judge(change, hsm, 'dev')).toEqual(codes.map((code) => `advice ${code}`));
    expect(judge(change, hsm, 'prod')).toEqual(codes.map((code) => `stop ${code}`));
  });

  it('knows SoftHSM by what it calls itself, whatever level it claims', () => {
    const module = {
      manufacturer: 'SoftHSM project',
      model: 'SoftHSM v2',
      serial: '1',
      firmware: '2.6',
      library: '2.6',
    };
    for (const source of ['module', 'emulator'] as const) {
      const codes = ['softhsm-outside-dev', 'security-level-too-low', 'cmvp-status-unknown'];
      expect(judge({ module, source }, hsm, 'prod')).toEqual(codes.map((code) => `stop ${code}`));
      expect(judge({ module, source }, hsm, 'dev')).toEqual(codes.map((code) => `advice ${code}`));
    }
  });

  it('lets a software key sign in dev and says so; stops it in prod', () => {
    expect(judge({}, software, 'dev', softwareKey)).toEqual(['advice software-key']);
    expect(judge({}, software, 'prod', softwareKey)).toEqual(['stop software-key', 'stop security-level-too-low']);
  });

  it('demands level 3 in prod even where a hierarchy asks for less', () => {
    const requirement = { ...hsm, securityLevelMin: 1 };
    expect(judge({ securityLevel: 2 }, requirement, 'prod')).toEqual(['stop security-level-too-low']);
    expect(judge({ securityLevel: 2 }, requirement, 'dev')).toEqual([]);
  });

  it('is told all that is wrong at once', () => {
    const all = judge({
      spkiSha256: '00'.repeat(32),
      keyAlgorithm: 'RSA_2048',
      status: 'expired',
      attributes: {
        token: false,
        sensitive: false,
        extractable: true,
        neverExtractable: false,
        alwaysSensitive: false,
        local: false,
        sign: false,
      },
      readAt: 0,
      securityLevel: 0,
      cmvpStatus: 'revoked',
    });
    expect(all).toHaveLength(13);
    expect(new Set(all).size).toBe(13);
  });

  it('shows nothing unprintable that a module reports', () => {
    const { findings } = evaluateCustody(
      hsm,
      expected,
      { ...hsmKey, keyAlgorithm: `\u001b[2J${'x'.repeat(500)}` },
      'prod',
      now,
    );
    for (const finding of findings) expect(finding.message).toMatch(/^[\x20-\x7e]{10,300}$/);
  });

  it('has codes that do not repeat', () => {
    expect(new Set(custodyFindingCodes).size).toBe(custodyFindingCodes.length);
  });
});
