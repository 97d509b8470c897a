import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SoftwareIdentity } from '../../shared/ceremony/record.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';

const root = join(import.meta.dirname, '..', '..');

/** What runs here: version and commit as they are claimed, and a digest of the sources, which is not a claim. */
export function softwareIdentity(): SoftwareIdentity {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
  return {
    version,
    commit: commit(),
    sourceSha256: sourceDigest(root),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}

/**
 * SHA-256 over a line `path NUL sha256 LF` for each .ts file of cli/ and shared/, in the order of the paths (by code unit,
 * '/' between steps): anybody with the commit computes the same.
 */
export function sourceDigest(folder: string): string {
  const files = ['cli', 'shared'].flatMap((part) =>
    readdirSync(join(folder, part), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${part}/${name.split('\\').join('/')}`),
  );
  const digest = createHash('sha256');
  for (const file of files.sort()) digest.update(`${file}\0${sha256Hex(readFileSync(join(folder, file)))}\n`);
  return digest.digest('hex');
}

/** 'unknown' outside a checkout: a copy of the sources has no commit, only their digest. */
function commit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', root, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5_000,
    });
  try {
    const head = git('rev-parse', '--verify', 'HEAD').trim();
    if (!/^[0-9a-f]{40,64}$/.test(head)) return 'unknown';
    return git('status', '--porcelain', '--', 'cli', 'shared').trim() === '' ? head : `${head}-modified`;
  } catch {
    return 'unknown';
  }
}
