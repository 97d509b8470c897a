import type { IssuanceState } from '../../issuance/issuance-state.ts';
import type { EpochMs } from '../../pki/epoch.ts';

/** One change of state. `detail` says what the move carried: who asked, what decided, which intent, which certificate. */
export interface HistoryEntry {
  readonly at: EpochMs;
  /** Undefined for the first. */
  readonly from: IssuanceState | undefined;
  readonly to: IssuanceState;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What `historyQuery` selects. */
export interface HistoryRow {
  readonly at: number;
  readonly from_state: string | null;
  readonly to_state: string;
  readonly detail: string;
}

/** In the order the changes were committed. */
export const historyQuery = 'SELECT at, from_state, to_state, detail FROM history WHERE issuance = ? ORDER BY change';

export function historyEntryOf(row: HistoryRow): HistoryEntry {
  return {
    at: row.at,
    from: (row.from_state ?? undefined) as IssuanceState | undefined,
    to: row.to_state as IssuanceState,
    detail: JSON.parse(row.detail) as Record<string, unknown>,
  };
}
