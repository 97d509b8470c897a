import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchesOf, batchLimits, sendInBatches } from '../../shared/adapters/sqs/batches.ts';
import { defaultCallOptions } from '../../shared/adapters/sqs/calls.ts';

const bytesOf = (entry: string) => entry.length;
const options = { ...defaultCallOptions, sleep: async () => undefined };

describe('batches of SQS', () => {
  it('have ten entries and a mebibyte at most', () => {
    expect(batchLimits).toEqual({ entriesMax: 10, bytesMax: 2 ** 20 });
    const half = 'x'.repeat(2 ** 19);
    expect(batchesOf([half, half, 'x', half, half], bytesOf, batchLimits).map((batch) => batch.length)).toEqual([
      2, 2, 1,
    ]);
  });

  it('keep every entry and its place, and only one that is over by itself is over (property)', () => {
    const limits = { entriesMax: 4, bytesMax: 20 };
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 25 })), (entries) => {
        const batches = batchesOf(entries, bytesOf, limits);
        expect(batches.flat()).toEqual(entries);
        for (const batch of batches) {
          expect(batch.length).toBeGreaterThanOrEqual(1);
          expect(batch.length).toBeLessThanOrEqual(limits.entriesMax);
          const bytes = batch.reduce((sum, entry) => sum + bytesOf(entry), 0);
          expect(batch.length === 1 || bytes <= limits.bytesMax).toBe(true);
        }
      }),
    );
  });

  it('reach what they are to reach whatever fails on the way, each entry as often as it is needed (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('ok', 'fails-once', 'fails-twice', 'never'), { maxLength: 35 }),
        async (fates) => {
          const tries = fates.map(() => 0);
          const refused = await sendInBatches(
            options,
            fates.map((fate, index) => ({ fate, index })),
            {
              bytesOf: () => 1,
              async send(batch) {
                expect(batch.length).toBeLessThanOrEqual(10);
                const Successful: { Id: string }[] = [];
                const Failed: { Id: string; Code: string; SenderFault: boolean }[] = [];
                batch.forEach(({ fate, index }, place) => {
                  const Id = String(place);
                  const count = (tries[index] ?? 0) + 1;
                  tries[index] = count;
                  if (fate === 'never') Failed.push({ Id, Code: 'Bad', SenderFault: true });
                  else if (fate === 'fails-twice' && count <= 2) Failed.push({ Id, Code: 'Ill', SenderFault: false });
                  else if (fate === 'fails-once' && count === 1) return;
                  else Successful.push({ Id });
                });
                return { Successful, Failed };
              },
            },
          );
          const wanted = { ok: 1, 'fails-once': 2, 'fails-twice': 3, never: 1 };
          expect(tries).toEqual(fates.map((fate) => wanted[fate]));
          expect(refused.map(({ entry }) => entry.fate)).toEqual(fates.filter((fate) => fate === 'never'));
        },
      ),
    );
  });
});
