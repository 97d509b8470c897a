import { DatabaseSync } from 'node:sqlite';
import type { BlastRadius } from '../../shared/inventory/blast-radius.ts';

/** Counts every certificate, and answers what of a blast radius is not so. `caIds`: those that it includes. */
export function differencesFrom(path: string, radius: BlastRadius, caIds: readonly string[]): readonly string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return compare(database, radius, caIds);
  } finally {
    database.close();
  }
}

function compare(database: DatabaseSync, radius: BlastRadius, caIds: readonly string[]): readonly string[] {
  const { asOf: at, issued } = radius;
  const from = `FROM issuances i JOIN certificates c ON c.issuance = i.issuance JOIN requests r ON r.issuance = i.issuance
    WHERE i.ca_id IN (${caIds.map((id) => `'${id}'`).join(', ')}) AND i.state IN ('issued', 'revoked')`;
  const standing = `${from} AND i.state = 'issued' AND c.not_after >= ${at}`;
  const one = (sql: string) => Number(Object.values(database.prepare(sql).get()!)[0] ?? 0);
  const differences: string[] = [];
  const hold = (what: string, told: unknown, counted: unknown) => {
    if (JSON.stringify(told) !== JSON.stringify(counted))
      differences.push(`${what}: ${JSON.stringify(told)}, and ${JSON.stringify(counted)} were counted`);
  };
  const outstanding = one(`SELECT count(*) ${standing}`);
  hold('total', issued.total, one(`SELECT count(*) ${from}`));
  hold('revoked', issued.revoked, one(`SELECT count(*) ${from} AND i.state = 'revoked'`));
  if (issued.exact) hold('outstanding', issued.outstanding, outstanding);
  else if (outstanding < issued.outstandingMin || outstanding > issued.outstanding)
    differences.push(`outstanding: ${issued.outstandingMin} to ${issued.outstanding}, and ${outstanding} were counted`);
  if (!issued.exact) return differences;
  hold('expired', issued.expired, one(`SELECT count(*) ${from} AND i.state = 'issued' AND c.not_after < ${at}`));
  const columns = {
    owner: 'r.owner',
    fleet: 'r.fleet',
    profile: 'r.profile',
    keyType: 'r.key_type',
    credential: 'r.credential_id',
  };
  for (const [dimension, column] of Object.entries(columns)) {
    const breakdown = issued.by[dimension as keyof typeof columns]!;
    const top = database
      .prepare(`SELECT ${column} AS value, count(*) AS outstanding ${standing} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10`)
      .all();
    hold(`by ${dimension}`, breakdown.values, top);
    if (breakdown.exact) hold(`${dimension}s`, breakdown.total, one(`SELECT count(DISTINCT ${column}) ${standing}`));
  }
  const points = issued.exposureCurve;
  for (const { at: when, outstanding: left } of [points[0]!, points[points.length >> 1]!, points.at(-1)!])
    hold(`left at ${when}`, left, one(`SELECT count(*) ${standing} AND c.not_after >= ${when}`));
  // A revoked one may be the last of its bucket: then the figure is later than the last outstanding one, by less than a day.
  const last = one(`SELECT max(c.not_after) ${standing}`);
  const told = issued.lastNotAfter ?? 0;
  if (told < last || told - last >= 86_400_000) differences.push(`lastNotAfter: ${told}, and ${last} was counted`);
  return differences;
}
