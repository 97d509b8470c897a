import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { CrlObjects } from '../../shared/issuance/publish-crls.ts';
import { unique } from '../support/ledger-fixtures.ts';

/** A key that nothing else has. */
const newKey = () => `${unique('ca')}/1-0`;

/** The contract of `CrlObjects`. */
export function crlObjectsSuite(name: string, open: () => CrlObjects): void {
  describe(`CRLs as objects, on ${name}`, () => {
    it('are not there before they are published, and then are what was published (crl-object)', async () => {
      const objects = open();
      const key = newKey();
      expect(await objects.current(key)).toBeUndefined();
      expect(await objects.read(key)).toBeUndefined();
      const bytes = randomBytes(100_000);
      expect(await objects.replace(key, bytes, undefined)).toBe('replaced');
      expect(Buffer.from((await objects.read(key))!).equals(bytes)).toBe(true);
      expect(Buffer.from((await open().current(key))!.bytes).equals(bytes)).toBe(true);
    });

    it('are replaced by who saw the version that is there, and by nobody else (crl-object-version)', async () => {
      const objects = open();
      const key = newKey();
      const [one, two, three] = [randomBytes(10), randomBytes(10), randomBytes(10)];
      await objects.replace(key, one, undefined);
      const first = (await objects.current(key))!;
      expect(await objects.replace(key, two, undefined)).toBe('conflict');
      expect(await objects.replace(key, two, first.version)).toBe('replaced');
      expect(await objects.replace(key, three, first.version)).toBe('conflict');
      const second = (await objects.current(key))!;
      expect(second.version).not.toBe(first.version);
      expect(Buffer.from(second.bytes).equals(two)).toBe(true);
      expect(await objects.replace(newKey(), three, second.version)).toBe('conflict');
    });

    it('are replaced once by many that saw the same (crl-object-race)', async () => {
      const objects = open();
      const key = newKey();
      await objects.replace(key, randomBytes(10), undefined);
      const { version } = (await objects.current(key))!;
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, () => objects.replace(key, randomBytes(10), version)),
      );
      expect(outcomes.filter((one) => one === 'replaced')).toHaveLength(1);
    });

    it('have keys of a CA, a generation and a shard, and no other path (crl-object-key)', async () => {
      const objects = open();
      for (const key of ['../1-0', 'devices/..', 'devices/1-0/x', '/1-0', 'devices/1-0.crl', 'a b/1-0', '']) {
        expect(await objects.read(key), key).toBeUndefined();
        await expect(objects.replace(key, randomBytes(1), undefined), key).rejects.toThrow('no key of a CRL');
      }
    });
  });
}
