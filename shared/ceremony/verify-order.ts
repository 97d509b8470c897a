import type { Refusal, RefusalCode } from './reason.ts';
import { actsWithBegin, type CeremonyRecord } from './record.ts';
import type { CeremonyScript } from './script.ts';

/** Every way in which the acts that were recorded are not those of the script, in their order. */
export function verifyOrder(records: readonly CeremonyRecord[], script: CeremonyScript): readonly Refusal[] {
  const refusals: Refusal[] = [];
  const refuse = (code: RefusalCode, message: string, record?: number) =>
    refusals.push({ code, message, ...(record === undefined ? {} : { record }) });
  const done = new Set<number>();
  const begun = new Set<number>();
  let highest = 0;
  for (const record of records.slice(1)) {
    const { kind, step, act, index } = record;
    if (kind === 'opened') refuse('act-repeated', 'a ceremony is opened once', index);
    if (kind === 'opened' || kind === 'resumed') continue;
    const scripted = script.acts[step - 1];
    if (scripted?.act !== act || authorityOf(record) !== scripted.authority) {
      refuse('act-differs-from-script', `act ${step} of the script is ${nameOf(scripted)}, not ${act}`, index);
      continue;
    }
    const place = kind === 'done' ? done : begun;
    if (place.has(step)) refuse('act-repeated', `act ${step}, ${act}, is there again`, index);
    else if (step < highest || (kind === 'begun' && done.has(step)))
      refuse('act-out-of-order', `act ${step}, ${act}, comes after act ${highest}`, index);
    else if (kind === 'done' && actsWithBegin.has(scripted.act) && !begun.has(step))
      refuse('act-without-begin', `act ${step}, ${act}, was done without saying before what it would do`, index);
    place.add(step);
    highest = Math.max(highest, step);
  }
  for (const [index, { act }] of script.acts.entries()) {
    if (done.has(index + 1)) continue;
    // What is left out in the middle is missing; of what stops early, the end is.
    if (act === 'close') refuse('not-closed', 'the ceremony was not closed');
    else refuse('act-missing', `act ${index + 1}, ${act}, is not there`);
  }
  const last = records.at(-1);
  if (done.has(script.acts.length) && (last?.kind !== 'done' || last.act !== 'close'))
    refuse('act-out-of-order', 'records follow the close of the ceremony', last?.index ?? 0);
  return refusals;
}

function authorityOf(record: CeremonyRecord): string | undefined {
  return record.act === 'certify-subordinate' ? record.body.authority : undefined;
}

function nameOf(act: CeremonyScript['acts'][number] | undefined): string {
  if (act === undefined) return 'none';
  return act.authority === undefined ? act.act : `${act.act} ${act.authority}`;
}
