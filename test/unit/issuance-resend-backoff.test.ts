import { describe, expect, it } from 'vitest';
import { createResendBackoff } from '../../shared/issuance/resend-backoff.ts';

const minute = 60_000;

function sendsIn(minutes: number): number {
  const backoff = createResendBackoff();
  let sends = 0;
  for (let at = 0; at < minutes * minute; at += minute) if (backoff.due('one', 'approved', at)) sends += 1;
  return sends;
}

describe('the backoff of resending', () => {
  it('sends at once, then after two minutes, four, eight, up to an hour', () => {
    const backoff = createResendBackoff();
    const sent: number[] = [];
    for (let at = 0; at <= 300; at++) if (backoff.due('one', 'approved', at * minute)) sent.push(at);
    expect(sent).toEqual([0, 2, 6, 14, 30, 62, 122, 182, 242]);
  });

  it('keeps one stuck issuance from filling the queue', () => {
    expect(sendsIn(60)).toBe(5);
  });

  it('starts anew when the issuance has moved', () => {
    const backoff = createResendBackoff();
    expect(backoff.due('one', 'received', 0)).toBe(true);
    expect(backoff.due('one', 'approved', 1)).toBe(true);
    expect(backoff.due('one', 'approved', 2)).toBe(false);
  });

  it('forgets the oldest beyond its bound, which sends once more', () => {
    const backoff = createResendBackoff();
    for (let n = 0; n <= 50_000; n++) backoff.due(String(n), 'approved', 0);
    expect(backoff.due('0', 'approved', 1)).toBe(true);
    expect(backoff.due('50000', 'approved', 1)).toBe(false);
  });
});
