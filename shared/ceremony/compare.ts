/** A run held against its rehearsal: what is not allowed to differ has to be the same. */
import { canonicalJson } from '../hierarchy/canonical-json.ts';
import type { Refusal } from './reason.ts';
import type { CeremonyRecord } from './record.ts';
import type { CeremonyScript, DifferenceName } from './script.ts';

/** Under which name a member of a record's body may differ; one that is not here never may. */
const names: Readonly<Record<string, DifferenceName>> = {
  'open.software': 'software',
  'identify-participants.people': 'people',
  'identify-participants.witnesses': 'witnesses',
  'check-module.module': 'module',
  'check-module.emulator': 'module',
  'generate-key.spki': 'key',
  'generate-key.spkiSha256': 'key',
  'generate-key.request': 'key',
  'generate-key.requestSha256': 'key',
  'generate-key.foundAgain': 'key',
  'present-key.spki': 'key',
  'present-key.spkiSha256': 'key',
  'present-key.certificate': 'certificates',
  'present-key.certificateSha256': 'certificates',
  'self-sign.tbs': 'certificates',
  'self-sign.tbsSha256': 'certificates',
  'self-sign.certificate': 'certificates',
  'self-sign.certificateSha256': 'certificates',
  'certify-subordinate.request': 'requests',
  'certify-subordinate.requestSha256': 'requests',
  'certify-subordinate.tbs': 'certificates',
  'certify-subordinate.tbsSha256': 'certificates',
  'certify-subordinate.certificate': 'certificates',
  'certify-subordinate.certificateSha256': 'certificates',
  'read-evidence.evidence': 'evidence',
  'read-evidence.findings': 'evidence',
  'close.certificates': 'certificates',
};

/** A rehearsal and a run differ in their mode; times and digests of the chain are not compared. */
const neverCompared: ReadonlySet<string> = new Set(['open.mode']);

/** `differs-from-rehearsal`, one for each member that differs and may not. Resumptions are passed over: they are incidents. */
export function compareWithRehearsal(
  run: readonly CeremonyRecord[],
  rehearsal: readonly CeremonyRecord[],
  script: Pick<CeremonyScript, 'mayDiffer'>,
): readonly Refusal[] {
  const refusals: Refusal[] = [];
  const before = new Map(rehearsal.map((record) => [placeOf(record), record]));
  for (const record of run) {
    if (record.kind === 'resumed') continue;
    const earlier = before.get(placeOf(record));
    const refuse = (message: string) =>
      refusals.push({ code: 'differs-from-rehearsal', message, record: record.index });
    if (earlier === undefined) {
      refuse(`${record.act} was not rehearsed`);
      continue;
    }
    const then = earlier.body as Readonly<Record<string, unknown>>;
    const now = record.body as Readonly<Record<string, unknown>>;
    for (const member of new Set([...Object.keys(then), ...Object.keys(now)])) {
      const path = `${record.act}.${member}`;
      const name = names[path];
      if (neverCompared.has(path) || (name !== undefined && script.mayDiffer.includes(name))) continue;
      if (canonicalJson(then[member] ?? null) === canonicalJson(now[member] ?? null)) continue;
      refuse(`${path} is not as rehearsed${name === undefined ? '' : `, and '${name}' is not in mayDiffer`}`);
    }
  }
  return refusals;
}

function placeOf({ kind, step, act }: CeremonyRecord): string {
  return `${kind}/${step}/${act}`;
}
