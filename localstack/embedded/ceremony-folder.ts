/** Where a ceremony leaves the certificates of the CAs that it made: `authorities/<caId>-g<generation>.pem`. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Authority } from '../../shared/hierarchy/hierarchy.ts';
import { decodePemBlocks } from '../../shared/pki/pem.ts';

/** Looked into by `npm start` and `hierarchy apply` without being told. */
export function defaultCeremonyDir(stateDir: string): string {
  return join(stateDir, 'ceremony');
}

const pemBytesMax = 64 * 1024;

/** The certificate for a CA, DER; undefined when there is none. Throws when the file is there and is no certificate. */
export function ceremonyFolder(
  dir: string | undefined,
): (authority: Pick<Authority, 'id' | 'generation'>) => Uint8Array | undefined {
  return ({ id, generation }) => {
    if (dir === undefined) return undefined;
    const file = join(dir, 'authorities', `${id}-g${generation}.pem`);
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined) return undefined;
    if (size > pemBytesMax) throw new Error(`${file} is too long for a certificate`);
    const [der] = decodePemBlocks(readFileSync(file, 'latin1'), 'CERTIFICATE', 1);
    if (der === undefined) throw new Error(`${file} holds no certificate`);
    return der;
  };
}
