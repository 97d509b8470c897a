import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CrlObjects } from '../../issuance/publish-crls.ts';

const keyForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\/[0-9]{1,9}-[0-9]{1,9}$/;

/** CRLs as files of a folder, each replaced as a whole: written beside, flushed, renamed. A key that is none is not there. */
export function createFileCrlObjects(folder: string): CrlObjects {
  const pathOf = (key: string) => join(folder, `${key}.crl`);
  return {
    async read(key) {
      if (!keyForm.test(key)) return undefined;
      try {
        return await readFile(pathOf(key));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async replace(key, bytes) {
      if (!keyForm.test(key)) throw new Error('no key of a CRL');
      const path = pathOf(key);
      await mkdir(dirname(path), { recursive: true });
      const partial = `${path}.${process.pid}.partial`;
      await writeFlushed(partial, bytes);
      await rename(partial, path);
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
