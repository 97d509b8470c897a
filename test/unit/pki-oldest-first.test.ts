import { describe, expect, it } from 'vitest';
import { oldestOut } from '../../shared/pki/oldest-first.ts';

describe('the oldest entry of a map', () => {
  it('is taken out, in the order they were put in', () => {
    const map = new Map([
      ['a', 1],
      ['b', 2],
    ]);
    const out = oldestOut(map);
    expect(out()).toBe(1);
    map.set('c', 3);
    expect([out(), out(), map.size]).toEqual([2, 3, 0]);
  });

  it('is found again after the map was empty, and after it was cleared', () => {
    const map = new Map<string, number>();
    const out = oldestOut(map);
    expect(out()).toBeUndefined();
    map.set('a', 1);
    expect(out()).toBe(1);
    expect(out()).toBeUndefined();
    map.set('b', 2).set('c', 3);
    map.clear();
    map.set('d', 4);
    expect([out(), out()]).toEqual([4, undefined]);
  });

  it('keeps a map within its bound over many times its size', () => {
    const map = new Map<number, number>();
    const out = oldestOut(map);
    for (let key = 0; key < 5_000; key++) {
      map.set(key, key);
      if (map.size > 10) expect(out()).toBe(key - 10);
    }
    expect([...map.keys()]).toEqual(Array.from({ length: 10 }, (_, index) => 4_990 + index));
  });
});
