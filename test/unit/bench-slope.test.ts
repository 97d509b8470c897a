import { describe, expect, it } from 'vitest';
import { isGrowing, slopeOf } from '../../bench/soak/slope.ts';
import { createRandom } from '../crash/simulator/random.ts';

const minuteMs = 60_000;

function points(valueAt: (minute: number) => number) {
  return Array.from({ length: 60 }, (_, minute) => ({ atMs: minute * minuteMs, value: valueAt(minute) }));
}

describe('the verdict of a soak', () => {
  it('finds the slope of a line, with no bound around it', () => {
    const slope = slopeOf(points((minute) => 100 + minute));
    expect(slope?.perHour).toBeCloseTo(60);
    expect(slope?.boundPerHour).toBeCloseTo(0);
    expect(isGrowing(slope!, 0.02)).toBe(true);
  });

  it('says nothing of two points, or of points of one instant', () => {
    expect(slopeOf(points(() => 1).slice(0, 2))).toBeUndefined();
    expect(slopeOf(points(() => 1).map(({ value }) => ({ atMs: 5, value })))).toBeUndefined();
  });

  it('takes what moves up and down for no growth', () => {
    const random = createRandom(5);
    expect(isGrowing(slopeOf(points(() => 100 + random.between(-20, 20)))!, 0.02)).toBe(false);
  });

  it('sees growth through what moves up and down', () => {
    const random = createRandom(5);
    const slope = slopeOf(points((minute) => 100 + minute + random.between(-20, 20)))!;
    expect(isGrowing(slope, 0.02)).toBe(true);
    expect(Math.abs(slope.perHour - 60)).toBeLessThan(slope.boundPerHour * 2);
  });

  it('takes less than its share of the mean an hour for none, and what falls', () => {
    expect(isGrowing(slopeOf(points((minute) => 100 + minute / 60))!, 0.02)).toBe(false);
    expect(isGrowing(slopeOf(points((minute) => 100 - minute))!, 0.02)).toBe(false);
  });
});
