import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

/** Where everything that outlives a restart lies. One folder, one running service. */
export interface StateFolder {
  readonly dir: string;
  readonly tokensFile: string;
  readonly logFile: string;
  readonly acmPcaLogFile: string;
  readonly acmPcaDir: string;
  readonly pkcs11Dir: string;
  /** The root the sample fleet trusts: handed over here, apart from the service's answers. */
  readonly trustFile: string;
}

export class StateFolderError extends Error {
  readonly code = 'state-folder';
}

/** Says that a folder is ours: `--fresh` empties no other. */
const markerName = 'sealwright-state';

/** Makes or opens the state folder. Throws `StateFolderError` that says what to do. */
export function openStateFolder(dir: string, fresh: boolean): StateFolder {
  const absolute = resolve(dir);
  const marker = join(absolute, markerName);
  try {
    if (fresh && existsSync(absolute)) {
      if (!existsSync(marker) && readdirSync(absolute).length > 0) {
        throw new StateFolderError(
          `--fresh empties only a state folder of Sealwright's, and ${absolute} is none: remove it by hand, or name another with --state DIR`,
        );
      }
      rmSync(absolute, { recursive: true, force: true });
    }
    mkdirSync(absolute, { recursive: true, mode: 0o700 });
    accessSync(absolute, constants.R_OK | constants.W_OK | constants.X_OK);
    if (!existsSync(marker)) {
      if (readdirSync(absolute).length > 0)
        throw new StateFolderError(`${absolute} holds other things: name an empty folder with --state DIR`);
      writeFileSync(
        marker,
        'The state of a Sealwright service. Delete the folder to begin anew, or start with --fresh.\n',
        { mode: 0o600 },
      );
    }
  } catch (cause) {
    if (cause instanceof StateFolderError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new StateFolderError(`the state folder ${absolute} cannot be used (${code}): name another with --state DIR`);
  }
  return {
    dir: absolute,
    tokensFile: join(absolute, 'tokens.json'),
    logFile: join(absolute, 'service.log'),
    acmPcaLogFile: join(absolute, 'acm-pca.log'),
    acmPcaDir: join(absolute, 'acm-pca'),
    pkcs11Dir: join(absolute, 'pkcs11'),
    trustFile: join(absolute, 'root.pem'),
  };
}

/** Writes a file whole or not at all, readable by its owner only. */
export function writePrivate(file: string, text: string): void {
  const partial = `${file}.new`;
  writeFileSync(partial, text, { mode: 0o600 });
  chmodSync(partial, 0o600);
  renameSync(partial, file);
}

export interface Tokens {
  readonly device: string;
  readonly operator: string;
}

/** The tokens of an earlier run, undefined on the first. */
export function readTokens(state: StateFolder): Tokens | undefined {
  if (!existsSync(state.tokensFile)) return undefined;
  return JSON.parse(readFileSync(state.tokensFile, 'utf8')) as Tokens;
}
