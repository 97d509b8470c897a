/**
 * Looks at the custody of every CA whether anything is signed or not: a key that drifts on a quiet day is told that day, and so
 * are keys of CAs above the issuance tier, which sign once in years.
 */
import type { CustodyFinding } from '../custody/custody.ts';
import { evaluateCustody } from '../custody/custody.ts';
import { type AlarmName, alarmOfCustodyFailure, type RaiseAlarm } from './alarms.ts';
import type { ReportCustodyPorts } from './report-custody.ts';

export type WatchCustodyPorts = Pick<ReportCustodyPorts, 'hierarchy' | 'authorities' | 'evidenceOf' | 'clock'> & {
  readonly raise: RaiseAlarm;
};

/** What became of one CA. `unseen`: not installed, or its key cannot be asked about here. */
export interface WatchedAuthority {
  readonly caId: string;
  readonly status: 'holds' | 'stopped' | 'unknown' | 'unseen';
}

const backupCodes: ReadonlySet<CustodyFinding['code']> = new Set(['backup-missing', 'backup-old']);

export async function watchCustody(ports: WatchCustodyPorts): Promise<readonly WatchedAuthority[]> {
  const { authorities, clock, evidenceOf, hierarchy } = ports;
  const raise = (name: AlarmName, fields: Readonly<Record<string, unknown>>) => ports.raise(name, fields);
  return Promise.all(
    hierarchy.authorities.map(async (authority): Promise<WatchedAuthority> => {
      const { id: caId } = authority;
      const issuer = await authorities.newest(caId);
      const source = issuer === undefined ? undefined : evidenceOf(issuer);
      if (issuer === undefined || source === undefined) return { caId, status: 'unseen' };
      try {
        const key = await source.describeKey();
        const expected = { spkiSha256: issuer.spkiSha256, keyAlgorithm: authority.keyAlgorithm };
        const { ok, findings } = evaluateCustody(authority.custody, expected, key, hierarchy.stage, clock());
        if (!ok) raise('custody-stopped', { caId, findings });
        const ofBackups = findings.filter(({ code }) => backupCodes.has(code));
        if (ofBackups.length > 0) raise('hsm-backup-old', { caId, findings: ofBackups });
        return { caId, status: ok ? 'holds' : 'stopped' };
      } catch (cause) {
        raise(alarmOfCustodyFailure(cause), { caId, error: cause });
        return { caId, status: 'unknown' };
      }
    }),
  );
}
