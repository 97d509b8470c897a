import { describe, expect, it } from 'vitest';
import {
  cmvpModules,
  cmvpStatusAt,
  evaluateCluster,
  evaluateCustody,
  evidenceAgeMsMax,
  fips1402HistoricalSince,
  validationOfCluster,
} from '../../shared/custody/custody.ts';
import type { ClusterDescription, KeyDescription } from '../../shared/custody/key-description.ts';
import { clusterOf } from '../support/clusters.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const hourMs = 3_600_000;

function judge(changes: Partial<ClusterDescription>, stage: 'dev' | 'prod' = 'prod'): readonly string[] {
  return evaluateCluster(clusterOf({ readAt: now, ...changes }), stage, now, evidenceAgeMsMax).map(
    ({ severity, code }) => `${severity} ${code}`,
  );
}

const oneHsm = clusterOf({ readAt: now }).hsms.slice(0, 1);
const backup = { backupId: 'backup-1', mode: 'FIPS', neverExpires: false } as const;

describe('the cluster behind a key', () => {
  it('as it should be has no finding in any stage', () => {
    expect(judge({}, 'prod')).toEqual([]);
    expect(judge({}, 'dev')).toEqual([]);
  });

  it.each<readonly [string, Partial<ClusterDescription>, string]>([
    ['that is not active', { state: 'UNINITIALIZED' }, 'cluster-not-active'],
    ['that is gone', { state: 'gone' }, 'cluster-not-active'],
    ['whose state is not known', { state: 'unknown' }, 'cluster-not-active'],
    ['of a state that is new', { state: 'MODIFY_IN_PROGRESS' }, 'cluster-not-active'],
    ['whose mode nobody says', { mode: 'unknown' }, 'cluster-mode-unknown'],
    ['that is not in FIPS mode', { mode: 'NON_FIPS' }, 'cluster-mode-not-fips'],
    ['that the library does not connect to', { foreignServers: ['10.9.9.9'] }, 'cluster-foreign-server'],
  ])('%s stops its CA in prod, and is advice in dev', (_, changes, code) => {
    expect(judge(changes, 'prod')).toEqual([`stop ${code}`]);
    expect(judge(changes, 'dev')).toEqual([`advice ${code}`]);
  });

  it('that the library is not known to connect to stops its CA in prod', () => {
    const { foreignServers: _, ...unlinked } = clusterOf({ readAt: now });
    expect(evaluateCluster(unlinked, 'prod', now, evidenceAgeMsMax).map(({ code }) => code)).toEqual([
      'cluster-link-unknown',
    ]);
  });

  it('whose description is older than a minute stops in every stage', () => {
    expect(judge({ readAt: now - 60_001 }, 'dev')).toEqual(['stop evidence-stale']);
    expect(judge({ readAt: now - 60_000 }, 'prod')).toEqual([]);
  });

  it.each<readonly [string, Partial<ClusterDescription>, string]>([
    ['that is degraded', { state: 'DEGRADED' }, 'cluster-not-active'],
    ['with one HSM', { hsms: oneHsm }, 'cluster-not-redundant'],
    ['with two HSMs in one zone', { hsms: [...oneHsm, ...oneHsm] }, 'cluster-not-redundant'],
    ['without a backup', { latestBackup: undefined, backupCount: 0 }, 'backup-missing'],
    [
      'whose newest backup is of two days ago',
      { latestBackup: { ...backup, createdAt: now - 48 * hourMs - 1 } },
      'backup-old',
    ],
  ])('%s goes on signing, with advice', (_, changes, code) => {
    expect(judge(changes, 'prod')).toEqual([`advice ${code}`]);
  });

  it('whose backups nobody tells goes on signing, with advice', () => {
    const { backupCount: _, latestBackup: __, ...untold } = clusterOf({ readAt: now });
    expect(evaluateCluster(untold, 'prod', now, evidenceAgeMsMax)).toMatchObject([
      { code: 'backup-missing', severity: 'advice' },
    ]);
  });

  it('has the validation of its type of HSM in FIPS mode alone, and of an emulator none (CMVP)', () => {
    const validation = (changes: Partial<ClusterDescription>) => validationOfCluster(clusterOf(changes), now);
    expect(validation({})).toEqual({
      securityLevel: 3,
      standard: 'FIPS 140-3',
      certificateNumber: '4703',
      cmvpStatus: 'active',
    });
    expect(validation({ hsmType: 'hsm1.medium' })).toEqual({
      securityLevel: 3,
      standard: 'FIPS 140-2',
      certificateNumber: '4218',
      cmvpStatus: 'historical',
    });
    const none = { securityLevel: 0, cmvpStatus: 'unknown' };
    for (const changes of [
      { mode: 'unknown' },
      { mode: 'NON_FIPS' },
      { source: 'emulator' },
      { hsmType: 'hsm9.large' },
      { hsmType: 'acm-pca' },
      { hsmType: 'toString' },
    ] as const) {
      expect(validation(changes), JSON.stringify(changes)).toEqual(none);
    }
  });

  it('moves every FIPS 140-2 certificate to the historical list on 2026-09-21 at the latest', () => {
    for (const module of Object.values(cmvpModules)) {
      const sunset = Date.parse(fips1402HistoricalSince);
      expect(cmvpStatusAt(module, sunset)).toBe(module.standard === 'FIPS 140-2' ? 'historical' : 'active');
      expect(module.source).toMatch(/^https:\/\//);
      expect(module.statusAsOf).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    }
    expect(cmvpStatusAt(cmvpModules['acm-pca'], Date.parse('2026-09-20T23:59:59Z'))).toBe('active');
  });

  it('is part of what is judged of a key, as is that the key was restored', () => {
    const spkiSha256 = '9f'.repeat(32);
    const key: KeyDescription = {
      source: 'module',
      model: 'self-managed-hsm',
      keyId: `sha256:${spkiSha256}`,
      spkiSha256,
      keyAlgorithm: 'EC_prime256v1',
      attributes: {
        token: true,
        sensitive: true,
        extractable: false,
        neverExtractable: true,
        alwaysSensitive: true,
        local: true,
        sign: true,
      },
      ...validationOfCluster(clusterOf({}), now),
      cluster: clusterOf({ readAt: now, state: 'DELETED' }),
      origin: { kind: 'restored', knownBy: 'provider', backupId: 'backup-abcdefghijk' },
      status: 'usable',
      readAt: now,
    };
    const requirement = { model: 'self-managed-hsm', securityLevelMin: 3, cmvpAccepted: ['active'] } as const;
    const expected = { spkiSha256, keyAlgorithm: 'EC_prime256v1' };
    const { ok, findings } = evaluateCustody(requirement, expected, key, 'prod', now);
    expect(ok).toBe(false);
    expect(findings.map(({ code }) => code)).toEqual(['cluster-not-active', 'key-restored']);
    expect(findings[1]!.message).toContain('backup-abcdefghijk');
  });
});
