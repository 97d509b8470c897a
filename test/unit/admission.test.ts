import { describe, expect, it } from 'vitest';
import { clearMsMax, createAdmissionControl, createRateMeter } from '../../shared/issuance/admission.ts';
import type { QueueDepth } from '../../shared/issuance/ports.ts';

/** A pipeline in virtual time: a validator and signers that complete at a rate each, as long as they have work. */
function pipeline(rates: Readonly<Record<string, number>>, options: { readonly validatedPerSecond?: number } = {}) {
  const { validatedPerSecond = 2_000 } = options;
  let now = 1_000_000;
  const reads = { count: 0, fail: false };
  const perSecond: Record<string, number> = { ...rates };
  interface Line {
    depth: number;
    done: number;
    credit: number;
  }
  const newLine = (): Line => ({ depth: 0, done: 0, credit: 0 });
  const enrolment = { ...newLine(), of: [] as string[] };
  const signing = new Map(Object.keys(rates).map((backend) => [backend, newLine()]));
  const depthOf = (line: Line) => async (): Promise<QueueDepth> => {
    reads.count += 1;
    if (reads.fail) throw new Error('the queue cannot be read');
    return { visible: line.depth, inFlight: 0, oldestAgeMs: 0, acknowledgedTotal: line.done };
  };
  const control = createAdmissionControl({
    enrolmentQueue: { depth: depthOf(enrolment) },
    signingQueue: (backend) => {
      const line = signing.get(backend);
      return line === undefined ? undefined : { depth: depthOf(line) };
    },
    priorPerSecond: () => 25,
    validatedPerSecondPrior: 500,
    clock: () => now,
  });
  const work = (line: Line, rate: number, ms: number) => {
    line.credit = line.depth === 0 ? 0 : line.credit + (rate * ms) / 1000;
    const completed = Math.min(line.depth, Math.floor(line.credit));
    line.credit -= completed;
    line.depth -= completed;
    line.done += completed;
    return completed;
  };
  return {
    control,
    reads,
    perSecond,
    depth: (backend: string) => signing.get(backend)!.depth,
    now: () => now,
    elapse(ms: number) {
      const stepMs = 50;
      for (let left = ms; left > 0; left -= stepMs) {
        const step = Math.min(stepMs, left);
        now += step;
        for (const backend of enrolment.of.splice(0, work(enrolment, validatedPerSecond, step)))
          signing.get(backend)!.depth += 1;
        for (const [backend, line] of signing) work(line, perSecond[backend]!, step);
      }
    },
    /** Asks, and enters when admitted; the Retry-After when not. */
    async enrol(backend: string): Promise<number | undefined> {
      const verdict = await control.check(backend);
      if (verdict.kind === 'refuse') return verdict.retryAfterMs;
      control.accepted(backend);
      enrolment.depth += 1;
      enrolment.of.push(backend);
      return undefined;
    },
  };
}

type Pipeline = ReturnType<typeof pipeline>;

/** Offers `perSecond` for a while. Answers how many were admitted, how many not, and the longest line there was. */
async function offer(p: Pipeline, backend: string, perSecond: number, seconds: number) {
  const seen = { admitted: 0, refused: 0, depthMax: 0, retryAfterMs: [] as number[] };
  for (let tick = 0; tick < seconds * 10; tick++) {
    for (let n = 0; n < perSecond / 10; n++) {
      const retryAfterMs = await p.enrol(backend);
      if (retryAfterMs === undefined) seen.admitted += 1;
      else {
        seen.refused += 1;
        seen.retryAfterMs.push(retryAfterMs);
      }
    }
    p.elapse(100);
    seen.depthMax = Math.max(seen.depthMax, p.depth(backend));
  }
  return seen;
}

describe('the rate of a queue', () => {
  it('is the prior until something is seen', () => {
    expect(createRateMeter(25).rate(0)).toEqual({ perSecond: 25, stalled: false });
  });

  it('becomes what is completed while there is work', () => {
    const meter = createRateMeter(25);
    for (let second = 0; second <= 60; second++) meter.observe(second * 1000, 1_000, second * 100);
    const { perSecond } = meter.rate(60_000);
    expect(perSecond).toBeGreaterThan(90);
    expect(perSecond).toBeLessThanOrEqual(100);
  });

  it('does not fall while there is little to do: an idle queue says nothing of how fast it could be', () => {
    const meter = createRateMeter(25);
    for (let second = 0; second <= 120; second++) meter.observe(second * 1000, 2, second);
    expect(meter.rate(120_000)).toEqual({ perSecond: 25, stalled: false });
  });

  it('takes what an idle queue has completed as a lower bound', () => {
    const meter = createRateMeter(25);
    meter.observe(0, 0, 0);
    meter.observe(1_000, 0, 2_000);
    expect(meter.rate(1_000).perSecond).toBeGreaterThan(300);
  });

  it('forgets what is older than a minute', () => {
    const meter = createRateMeter(25);
    meter.observe(0, 1_000, 0);
    meter.observe(1_000, 1_000, 5_000);
    expect(meter.rate(1_000).perSecond).toBeGreaterThan(500);
    expect(meter.rate(62_000).perSecond).toBe(25);
  });

  it('says that a queue stands still after half a minute of work and no completion, never for a few messages', () => {
    const meter = createRateMeter(25);
    const few = createRateMeter(25);
    for (let second = 0; second <= 40; second++) {
      meter.observe(second * 1000, 50, 7);
      few.observe(second * 1000, 9, 7);
    }
    expect(meter.rate(40_000).stalled).toBe(true);
    expect(few.rate(40_000)).toEqual({ perSecond: 25, stalled: false });
    meter.observe(41_000, 49, 8);
    expect(meter.rate(41_000).stalled).toBe(false);
  });

  it('learns nothing from a clock that was set back, a process that began anew, or a queue that does not tell', () => {
    const meter = createRateMeter(25);
    meter.observe(10_000, 100, 100);
    meter.observe(9_000, 100, 200);
    meter.observe(10_000, 100, 0);
    meter.observe(11_000, 100, undefined);
    meter.observe(12_000, 100, 400);
    expect(meter.rate(12_000)).toEqual({ perSecond: 25, stalled: false });
  });
});

describe('back-pressure', () => {
  it('admits what is signed as fast as it comes', async () => {
    const p = pipeline({ 'acm-pca': 25 });
    const { refused, depthMax } = await offer(p, 'acm-pca', 20, 180);
    expect([refused, depthMax < 25]).toEqual([0, true]);
  });

  it('admits a burst that clears within a minute, and refuses what would not', async () => {
    const p = pipeline({ 'acm-pca': 25 });
    for (let n = 0; n < 1_400; n++) expect(await p.enrol('acm-pca')).toBeUndefined();
    let refusedAfter = 0;
    while (refusedAfter < 500 && (await p.enrol('acm-pca')) === undefined) refusedAfter += 1;
    expect(refusedAfter).toBeGreaterThanOrEqual(99);
    expect(refusedAfter).toBeLessThanOrEqual(101);
  });

  it('keeps the line at about a minute under four times the load, and the signer busy all the time', async () => {
    const p = pipeline({ 'acm-pca': 25 });
    const { admitted, refused, depthMax } = await offer(p, 'acm-pca', 100, 300);
    expect(refused).toBeGreaterThan(20_000);
    expect(depthMax).toBeLessThan((25 * clearMsMax * 1.05) / 1000);
    expect(admitted).toBeGreaterThan(25 * 300);
  });

  it('learns that a backend is slower than its quota, and lets no more than a minute of it in', async () => {
    const p = pipeline({ 'acm-pca': 5 });
    await offer(p, 'acm-pca', 50, 120);
    expect(p.depth('acm-pca')).toBeLessThan(1_500);
    const later = await offer(p, 'acm-pca', 50, 600);
    expect(later.refused).toBeGreaterThan(0);
    // A prior of five seconds in a window of sixty: (25 × 5 + 5 × 60) / 65 = 6.5 a second at most.
    expect(p.depth('acm-pca')).toBeLessThan(6.6 * 60);
  });

  it('learns that a backend is faster than its prior before it would refuse what it can sign', async () => {
    const p = pipeline({ pkcs11: 800 });
    const { refused } = await offer(p, 'pkcs11', 1_000, 60);
    expect(refused).toBe(0);
    expect(p.depth('pkcs11')).toBeLessThan(60 * 800);
  });

  it('says when to come back by the rate, to each a later time, and there is room for most who do', async () => {
    const p = pipeline({ 'acm-pca': 25 });
    while ((await p.enrol('acm-pca')) === undefined);
    const returning: { readonly at: number; readonly tries: number }[] = [];
    for (let n = 0; n < 500; n++) returning.push({ at: p.now() + (await p.enrol('acm-pca'))!, tries: 1 });
    const times = returning.map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    // 500 at 25 a second: the last is asked to come in 20 s.
    expect(times.at(-1)! - p.now()).toBeGreaterThan(19_000);
    expect(times.at(-1)! - p.now()).toBeLessThan(22_000);
    const tries: number[] = [];
    for (let tick = 0; tick < 1_200 && returning.length > 0; tick++) {
      p.elapse(100);
      for (const one of returning.splice(0).sort((a, b) => a.at - b.at)) {
        if (one.at > p.now()) returning.push(one);
        else {
          const retryAfterMs = await p.enrol('acm-pca');
          if (retryAfterMs === undefined) tries.push(one.tries);
          else returning.push({ at: p.now() + retryAfterMs, tries: one.tries + 1 });
        }
      }
    }
    expect(tries).toHaveLength(500);
    expect(Math.max(...tries)).toBeLessThanOrEqual(4);
  });

  it('closes the door of a backend that is down alone, within half a minute, and opens it when it is back', async () => {
    const p = pipeline({ 'acm-pca': 25, pkcs11: 0 });
    for (let second = 0; second < 120; second++) {
      expect(await p.enrol('acm-pca'), `second ${second}`).toBeUndefined();
      await p.enrol('pkcs11');
      p.elapse(1_000);
    }
    const refusals: number[] = [];
    for (let second = 0; second < 60; second++) {
      expect(await p.enrol('acm-pca')).toBeUndefined();
      const retryAfterMs = await p.enrol('pkcs11');
      if (retryAfterMs !== undefined) refusals.push(retryAfterMs);
      p.elapse(1_000);
    }
    // One in five seconds goes through, to see whether it moves again.
    expect(refusals.length).toBeGreaterThanOrEqual(46);
    expect(Math.min(...refusals)).toBeGreaterThanOrEqual(30_000);
    p.perSecond.pkcs11 = 250;
    p.elapse(10_000);
    await p.enrol('pkcs11');
    p.elapse(1_000);
    expect(await p.enrol('pkcs11')).toBeUndefined();
    expect(p.depth('pkcs11')).toBeLessThan(5);
  });

  it('does not hold the requests of one backend against another while they wait for the validator', async () => {
    const p = pipeline({ 'acm-pca': 25, pkcs11: 2_000 }, { validatedPerSecond: 300 });
    for (let second = 0; second < 20; second++) {
      for (let n = 0; n < 500; n++) await p.enrol('pkcs11');
      expect(await p.enrol('acm-pca')).toBeUndefined();
      p.elapse(1_000);
    }
  });

  it('refuses when the validator itself is the narrow place', async () => {
    const p = pipeline({ pkcs11: 2_000 }, { validatedPerSecond: 10 });
    const { refused } = await offer(p, 'pkcs11', 200, 60);
    expect(refused).toBeGreaterThan(0);
  });

  it('looks at a queue at most once in 250 ms, however many ask at once', async () => {
    const p = pipeline({ 'acm-pca': 25 });
    await Promise.all(Array.from({ length: 100 }, () => p.enrol('acm-pca')));
    expect(p.reads.count).toBe(2);
    for (let n = 0; n < 10; n++) {
      p.elapse(100);
      await p.enrol('acm-pca');
    }
    expect(p.reads.count).toBeLessThanOrEqual(2 + 2 * 4);
  });

  it('admits while a depth cannot be read, and where a deployment has no queue for the backend', async () => {
    const p = pipeline({ 'acm-pca': 25 });
    p.reads.fail = true;
    expect(await p.enrol('acm-pca')).toBeUndefined();
    expect(await p.control.check('software')).toEqual({ kind: 'admit' });
  });
});
