import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { SignatureFile } from '../../shared/ceremony/ceremony.ts';
import { transcriptBytesMax } from '../../shared/ceremony/transcript.ts';
import { CommandFailure } from '../command.ts';
import { printable } from '../terminal/text.ts';

/** What a ceremony leaves behind. */
export interface CeremonyFolder {
  readonly dir: string;
  readonly transcriptFile: string;
  readonly authoritiesDir: string;
  readonly requestsDir: string;
  readonly signaturesDir: string;
}

const signatureBytesMax = 16 * 1024;
const signaturesMax = 64;

export function ceremonyFolder(dir: string): CeremonyFolder {
  return {
    dir,
    transcriptFile: join(dir, 'transcript.jsonl'),
    authoritiesDir: join(dir, 'authorities'),
    requestsDir: join(dir, 'requests'),
    signaturesDir: join(dir, 'signatures'),
  };
}

export function makeFolders(folder: CeremonyFolder): void {
  for (const dir of [folder.dir, folder.authoritiesDir, folder.signaturesDir]) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }
}

/** A file of at most `bytesMax` bytes. Throws CommandFailure that names it. */
export function readBounded(path: string, bytesMax: number): Buffer {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CommandFailure('file-unreadable', `${printable(path)} cannot be read (${code})`);
  }
  try {
    const { size } = fstatSync(fd);
    if (!fstatSync(fd).isFile()) throw new CommandFailure('file-unreadable', `${printable(path)} is not a file`);
    if (size > bytesMax)
      throw new CommandFailure('file-too-long', `${printable(path)} has more than ${bytesMax} bytes`);
    const buffer = Buffer.alloc(size);
    const read = readSync(fd, buffer, 0, size, 0);
    return buffer.subarray(0, read);
  } finally {
    closeSync(fd);
  }
}

/** Writes a file whole or not at all. */
export function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, text, { mode: 0o644, flush: true });
  renameSync(`${path}.new`, path);
}

/** A transcript that grows by whole lines, each on the disk before the act goes on. */
export interface TranscriptFile {
  /** What was there when it was opened, whole lines only. */
  readonly bytes: Buffer;
  append(line: string): void;
  close(): void;
}

/**
 * Opens or makes a transcript. A last line without its end is one whose write was interrupted: nothing followed from it
 * yet, and it is cut off. Throws CommandFailure when somebody else writes to it meanwhile.
 */
export function openTranscriptFile(path: string): TranscriptFile {
  const there = existsSync(path) ? readBounded(path, transcriptBytesMax) : Buffer.alloc(0);
  const whole = there.subarray(0, there.lastIndexOf(0x0a) + 1);
  const fd = openSync(path, 'a', 0o644);
  if (whole.length < there.length) ftruncateSync(fd, whole.length);
  let size = whole.length;
  return {
    bytes: Buffer.from(whole),
    append(line) {
      if (fstatSync(fd).size !== size) {
        throw new CommandFailure('transcript-in-use', `another ceremony writes to ${printable(path)}`, [
          'end the other one; nothing of this one was recorded since',
        ]);
      }
      size += writeSync(fd, line);
      fsyncSync(fd);
    },
    close: () => closeSync(fd),
  };
}

/** Every `.sig` file of a folder, by name; none when there is no such folder. */
export function readSignatures(dir: string): readonly SignatureFile[] {
  if (!existsSync(dir) || !statSync(dir).isDirectory()) return [];
  const names = readdirSync(dir)
    .filter((name) => name.endsWith('.sig'))
    .sort();
  if (names.length > signaturesMax)
    throw new CommandFailure('too-many-signatures', `${printable(dir)} holds more than ${signaturesMax} signatures`);
  return names.map((name) => ({
    name: basename(name),
    text: readBounded(join(dir, name), signatureBytesMax).toString('latin1'),
  }));
}
