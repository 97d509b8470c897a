import type { Logger } from '@aws-lambda-powertools/logger';
import { type AlarmName, alarms, type RaiseAlarm } from '../../issuance/alarms.ts';
import type { Clock } from '../../issuance/ports.ts';

/** A sampled alarm of one CA or queue is logged at most once in this time. */
const sampleMs = 1_000;
/** Alarms remembered for sampling: names × CAs. Beyond it the oldest is forgotten, and may be logged again. */
const rememberedMax = 256;

interface Sample {
  loggedAt: number;
  suppressed: number;
}

/**
 * The one way to the log's levels ERROR and CRITICAL: message, level and the field `alarm` come from the list of alarms,
 * so that what is logged and what is alarmed on cannot drift apart.
 */
export function createAlarmLog(logger: Pick<Logger, 'error' | 'critical'>, clock: Clock): RaiseAlarm {
  const samples = new Map<string, Sample>();

  /** How many were left out since the last entry; undefined when this one is left out too. */
  function passes(name: AlarmName, fields: Readonly<Record<string, unknown>>): number | undefined {
    const key = `${name} ${String(fields.caId ?? fields.queue ?? fields.backend ?? '')}`;
    const now = clock();
    const sample = samples.get(key);
    if (sample !== undefined && now >= sample.loggedAt && now - sample.loggedAt < sampleMs) {
      sample.suppressed += 1;
      return undefined;
    }
    samples.delete(key);
    samples.set(key, { loggedAt: now, suppressed: 0 });
    if (samples.size > rememberedMax) samples.delete(samples.keys().next().value!);
    return sample?.suppressed ?? 0;
  }

  return (name, fields) => {
    const { message, severity, sampled } = alarms[name];
    const suppressed = sampled ? passes(name, fields) : 0;
    if (suppressed === undefined) return;
    const entry = { alarm: name, ...fields, ...(suppressed === 0 ? {} : { suppressed }) };
    if (severity === 'page') logger.critical(message, entry);
    else logger.error(message, entry);
  };
}
