/** What the commands of the inventory share in reading and printing answers. */
import { isObject } from '../http-client.ts';

export type Json = Readonly<Record<string, unknown>>;

export function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function objectIn(value: unknown): Json {
  return isObject(value) ? value : {};
}

export function numberText(value: unknown): string {
  return typeof value === 'number' ? value.toLocaleString('en') : '–';
}

const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const;

/** Seconds as two units at most: `2 d 3 h`, `45 s`. */
export function durationText(value: unknown): string {
  if (typeof value !== 'number') return '–';
  const index = units.findIndex(([, seconds]) => value >= seconds);
  const unit = units[index];
  if (unit === undefined) return `${Math.round(value)} s`;
  const [name, seconds] = unit;
  const whole = Math.floor(value / seconds);
  const below = units[index + 1];
  const rest = below === undefined ? 0 : Math.floor((value - whole * seconds) / below[1]);
  return rest === 0 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${below![0]}`;
}
