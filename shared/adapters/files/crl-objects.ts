import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CrlObjects, CrlReplaced, PublishedCrl } from '../../issuance/publish-crls.ts';

const keyForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\/[0-9]{1,9}-[0-9]{1,9}$/;

/**
 * CRLs as files of a folder, each replaced as a whole: written beside, flushed, renamed. A key that is none is not there. The
 * folder is one process's, in which the replacements of a key go one after another.
 */
export function createFileCrlObjects(folder: string): CrlObjects {
  const pathOf = (key: string) => join(folder, `${key}.crl`);
  const turns = new Map<string, Promise<unknown>>();

  async function current(key: string): Promise<PublishedCrl | undefined> {
    if (!keyForm.test(key)) return undefined;
    try {
      const bytes = await readFile(pathOf(key));
      return { bytes, version: createHash('sha256').update(bytes).digest('hex') };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async function replace(key: string, bytes: Uint8Array, expected: string | undefined): Promise<CrlReplaced> {
    if ((await current(key))?.version !== expected) return 'conflict';
    const path = pathOf(key);
    await mkdir(dirname(path), { recursive: true });
    const partial = `${path}.${process.pid}.partial`;
    await writeFlushed(partial, bytes);
    await rename(partial, path);
    return 'replaced';
  }

  return {
    current,
    read: async (key) => (await current(key))?.bytes,
    async replace(key, bytes, expected) {
      if (!keyForm.test(key)) throw new Error('no key of a CRL');
      const turn = (turns.get(key) ?? Promise.resolve()).then(() => replace(key, bytes, expected));
      const settled = turn.then(
        () => undefined,
        () => undefined,
      );
      turns.set(key, settled);
      void settled.then(() => turns.get(key) === settled && turns.delete(key));
      return turn;
    },
  };
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
