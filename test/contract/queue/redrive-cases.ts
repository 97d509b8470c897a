import { expect, it } from 'vitest';
import type { DeadLetter, DeadLetterStore } from '../../../shared/issuance/ports.ts';
import { disposable } from '../../support/disposable.ts';
import { bodies, type QueueCases, type QueueHarness, takeAll } from './harness.ts';

/** Sends, and lets every delivery fail with `error`, until all are given up. */
async function giveUp(
  { work, elapse }: QueueHarness,
  { visibilityMs, receiveCountMax }: QueueCases,
  sent: readonly string[],
  error?: string,
): Promise<void> {
  await work.send(sent);
  for (let delivery = 0; delivery <= receiveCountMax; delivery++) {
    const messages = await takeAll(work, visibilityMs);
    await work.release(
      messages.map(({ receipt }) => receipt),
      0,
      error,
    );
  }
  expect(await takeAll(work, visibilityMs)).toEqual([]);
  await elapse(visibilityMs);
}

async function lettersOf(store: DeadLetterStore, countMax = 10): Promise<readonly DeadLetter[]> {
  const letters: DeadLetter[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({ countMax, ...(cursor === undefined ? {} : { cursor }) });
    expect(page.letters.length).toBeLessThanOrEqual(countMax);
    letters.push(...page.letters);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return letters;
}

/** Dead letters: what is kept of them, and that a redrive is a delivery and no more. */
export function redriveCases(cases: QueueCases): void {
  const { open, visibilityMs, receiveCountMax, keepsLastError, tellsDeadAt } = cases;

  it('tells of a message that was given up from where, how often and since when (dead-letter)', async () => {
    await using h = disposable(await open());
    expect(await lettersOf(h.deadLetters)).toEqual([]);
    await giveUp(h, cases, ['poison.1'], 'CKR_DEVICE_ERROR');
    const letters = await lettersOf(h.deadLetters);
    expect(letters).toMatchObject([{ body: 'poison.1', receiveCount: receiveCountMax }]);
    const [letter] = letters;
    expect(letter!.lastError).toBe(keepsLastError ? 'CKR_DEVICE_ERROR' : undefined);
    if (tellsDeadAt) expect(letter!.deadAt).toBeGreaterThanOrEqual(letter!.sentAt);
    else expect(letter).not.toHaveProperty('deadAt');
    expect([...(await h.deadLetters.counts())]).toEqual([[letter!.queue, 1]]);
    expect(await h.deadLetters.get(letter!.id)).toEqual(letter);
  });

  it('pages through them, of one queue or of all (dead-letter-pages)', async () => {
    await using h = disposable(await open());
    const sent = Array.from({ length: 7 }, (_, n) => `request-${n}.1`);
    await giveUp(h, cases, sent);
    const letters = await lettersOf(h.deadLetters, 3);
    expect(letters.map(({ body }) => body).sort()).toEqual(sent);
    const { queue } = letters[0]!;
    expect((await h.deadLetters.list({ queue, countMax: 10 })).letters).toHaveLength(7);
    expect((await h.deadLetters.list({ queue: 'another', countMax: 10 })).letters).toEqual([]);
    for (const countMax of [0, 1_001]) await expect(h.deadLetters.list({ countMax })).rejects.toThrow();
  });

  it('sends one back as a new message, once, and leaves the others (dead-letter-redrive)', async () => {
    await using h = disposable(await open());
    await giveUp(h, cases, ['poison.1', 'other.1']);
    const letter = (await lettersOf(h.deadLetters)).find(({ body }) => body === 'poison.1')!;
    expect(await h.deadLetters.redrive(letter.id)).toBe(true);
    expect(await h.deadLetters.redrive(letter.id)).toBe(false);
    expect(await h.deadLetters.get(letter.id)).toBeUndefined();
    expect(await takeAll(h.work, visibilityMs)).toMatchObject([{ body: 'poison.1', receiveCount: 1 }]);
    expect((await lettersOf(h.deadLetters)).map(({ body }) => body)).toEqual(['other.1']);
  });

  it('sends one back once when two ask at the same time (dead-letter-redrive-twice)', async () => {
    await using h = disposable(await open());
    await giveUp(h, cases, ['poison.1']);
    const [letter] = await lettersOf(h.deadLetters);
    const answers = await Promise.all([1, 2].map(() => h.deadLetters.redrive(letter!.id)));
    expect(answers.filter((redriven) => redriven)).toHaveLength(1);
    expect(bodies(await takeAll(h.work, visibilityMs))).toEqual(['poison.1']);
  });

  it('gives up again what fails again, under another id (dead-letter-again)', async () => {
    await using h = disposable(await open());
    await giveUp(h, cases, ['poison.1']);
    const [first] = await lettersOf(h.deadLetters);
    await h.deadLetters.redrive(first!.id);
    await giveUp(h, cases, []);
    const letters = await lettersOf(h.deadLetters);
    expect(letters).toMatchObject([{ body: 'poison.1' }]);
    expect(letters[0]!.id).not.toBe(first!.id);
  });

  it('knows no dead letter by an id that is none (dead-letter-unknown)', async () => {
    await using h = disposable(await open());
    await h.work.send(['a.1']);
    for (const id of ['', 'nonsense', '1-1', '../1', '9'.repeat(40)]) {
      expect(await h.deadLetters.get(id)).toBeUndefined();
      expect(await h.deadLetters.redrive(id)).toBe(false);
    }
    expect((await h.deadLetters.list({ countMax: 10, cursor: 'nonsense' })).letters).toEqual([]);
    expect(bodies(await takeAll(h.work, visibilityMs))).toEqual(['a.1']);
  });
}
