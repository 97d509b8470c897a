/**
 * Where the PIN of a token comes from. A PIN is never in a file that is kept with the code, never an argument (any user of
 * the machine reads the arguments of every process) and never in an error or a log. What is configured is its source:
 *
 * | text | read from |
 * |---|---|
 * | `fd:3` | that file descriptor, to its end: `sealwright … --pin fd:3 3< <(pass show root-pin)` |
 * | `file:PATH` | a regular file of this user or root that nobody else can read (mode 600 or 400) |
 * | `prompt` | the terminal, without echo |
 * | `secretsmanager:ARN` | AWS Secrets Manager, the secret's text |
 *
 * A final line break is no part of the PIN. For CloudHSM a PIN is `user:password` of a crypto user.
 */
import { createReadStream, fstatSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';
import { addAbortSignal, type Readable } from 'node:stream';

export type PinSource =
  | { readonly kind: 'fd'; readonly fd: number }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'prompt' }
  | { readonly kind: 'secretsmanager'; readonly arn: string; readonly region: string };

/**
 * - `pin-source-syntax`: the text names no source. The text itself is never repeated: it may be a PIN.
 * - `pin-source-unreadable`: the source is not there or does not answer.
 * - `pin-file-mode`: others could read the file.
 * - `pin-unusable`: empty, too long, or with control characters.
 * - `pin-prompt-no-terminal`, `pin-prompt-interrupted`: nobody can type, or somebody pressed Ctrl-C.
 */
export type PinSourceErrorCode =
  | 'pin-source-syntax'
  | 'pin-source-unreadable'
  | 'pin-file-mode'
  | 'pin-unusable'
  | 'pin-prompt-no-terminal'
  | 'pin-prompt-interrupted';

export class PinSourceError extends Error {
  readonly code: PinSourceErrorCode;
  constructor(code: PinSourceErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'PinSourceError';
    this.code = code;
  }
}

/** What a terminal is to the prompt: `process.stdin` is one. */
export interface PinTerminalInput {
  readonly isTTY?: boolean | undefined;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
  off(event: 'end', listener: () => void): unknown;
  resume(): unknown;
  pause(): unknown;
  unshift?(chunk: Buffer): void;
}

export interface PinIo {
  readonly input: PinTerminalInput;
  /** Where the question goes. Standard error, so that standard output stays a script's. */
  readonly output: { write(text: string): unknown };
  /** The text of a secret; AWS Secrets Manager with the machine's own credentials when left out. */
  readonly readSecret?: (arn: string, region: string) => Promise<string | undefined>;
  /** How long a file descriptor may stay silent. */
  readonly fdWaitMsMax?: number;
}

/** The longest PIN: CloudHSM takes 31 characters of a name, a colon and 32 of a password; SoftHSM 255 bytes. */
export const pinBytesMax = 255;
const fdMax = 1_023;
const fdWaitMsMaxDefault = 30_000;
const pathBytesMax = 4_096;

export const pinSourceForms = 'fd:N, file:PATH, prompt or secretsmanager:ARN';

/** Reads the text of a source. Throws `PinSourceError` that does not repeat the text. */
export function parsePinSource(spec: string): PinSource {
  if (spec === 'prompt') return { kind: 'prompt' };
  const colon = spec.indexOf(':');
  const scheme = spec.slice(0, Math.max(colon, 0));
  const rest = spec.slice(colon + 1);
  switch (scheme) {
    case 'fd': {
      const fd = /^\d{1,4}$/.test(rest) ? Number(rest) : Number.NaN;
      // 1 and 2 are where answers and messages go.
      if (!(fd <= fdMax) || fd === 1 || fd === 2) throw syntax(`fd: takes 0, or a number from 3 to ${fdMax}`);
      return { kind: 'fd', fd };
    }
    case 'file':
      if (rest === '' || rest.includes('\0') || Buffer.byteLength(rest) > pathBytesMax)
        throw syntax('file: takes the path of a file that holds the PIN and nothing else');
      return { kind: 'file', path: rest };
    case 'secretsmanager': {
      const match = /^arn:aws[a-z-]{0,10}:secretsmanager:([a-z0-9-]{1,32}):\d{12}:secret:[\w/+=.@-]{1,519}$/.exec(rest);
      if (match === null) throw syntax('secretsmanager: takes the ARN of a secret of AWS Secrets Manager');
      return { kind: 'secretsmanager', arn: rest, region: match[1]! };
    }
    default:
      throw syntax(`a PIN is not given as such, but where it is read from: ${pinSourceForms}`);
  }
}

function syntax(message: string): PinSourceError {
  return new PinSourceError('pin-source-syntax', message);
}

/**
 * The PIN that a source holds. `question` is what a person at a terminal is asked, such as `PIN of token root`.
 * Throws `PinSourceError`; no message or cause holds the PIN.
 */
export async function readPin(spec: string, io: PinIo, question = 'PIN'): Promise<string> {
  const source = parsePinSource(spec);
  switch (source.kind) {
    case 'fd':
      return usable(await readDescriptor(source.fd, io.fdWaitMsMax ?? fdWaitMsMaxDefault), `fd:${source.fd}`);
    case 'file':
      return usable(await readPrivateFile(source.path), source.path);
    case 'prompt':
      return usable(await ask(io, `${question}: `), 'what was typed');
    case 'secretsmanager':
      return usable(await readSecretText(source, io), source.arn);
  }
}

/** One final line break is the file's. Anything else that is no text is not a PIN. */
function usable(bytes: Uint8Array, where: string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw new PinSourceError('pin-unusable', `${where} is no text, and so no PIN`);
  }
  if (text === '') throw new PinSourceError('pin-unusable', `${where} is empty`);
  if (Buffer.byteLength(text) > pinBytesMax)
    throw new PinSourceError('pin-unusable', `${where} is longer than a PIN of ${pinBytesMax} bytes`);
  if (/[\u0000-\u001f\u007f]/.test(text))
    throw new PinSourceError('pin-unusable', `${where} has more than one line, or control characters`);
  return text;
}

/** Enough to tell what is too long. */
const readBytesMax = pinBytesMax + 3;

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}

/** A pipe is read as a socket, since a blocking read could not be given up. */
function descriptorStream(fd: number, signal: AbortSignal): Readable {
  let stat: Stats;
  try {
    stat = fstatSync(fd);
  } catch (cause) {
    const message = `file descriptor ${fd} is not open (${codeOf(cause)}): a source is read once, and has to be handed over, as in fd:${fd} ${fd}< FILE`;
    throw new PinSourceError('pin-source-unreadable', message, cause);
  }
  if (stat.isFile()) return createReadStream('', { fd, signal });
  if (stat.isFIFO() || stat.isSocket())
    return addAbortSignal(signal, new Socket({ fd, readable: true, writable: false }));
  throw new PinSourceError(
    'pin-source-unreadable',
    `file descriptor ${fd} is no pipe and no file; a terminal is 'prompt'`,
  );
}

async function readDescriptor(fd: number, waitMsMax: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of descriptorStream(fd, AbortSignal.timeout(waitMsMax))) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length > readBytesMax) break;
    }
  } catch (cause) {
    if (cause instanceof PinSourceError) throw cause;
    const why =
      codeOf(cause) === 'ABORT_ERR' ? `did not end within ${waitMsMax / 1000} s` : `failed (${codeOf(cause)})`;
    throw new PinSourceError('pin-source-unreadable', `file descriptor ${fd} ${why}`, cause);
  }
  return Buffer.concat(chunks).subarray(0, readBytesMax);
}

/** The file that was opened is the one that is judged: a path can change its file between two calls. */
async function readPrivateFile(path: string): Promise<Uint8Array> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    throw new PinSourceError('pin-source-unreadable', `the PIN file ${path} cannot be read (${codeOf(cause)})`, cause);
  }
  try {
    const stat = await file.stat();
    const { mode, uid } = stat;
    if (!stat.isFile()) throw new PinSourceError('pin-source-unreadable', `${path} is no file`);
    const own = process.getuid?.();
    if (own !== undefined && uid !== own && uid !== 0)
      throw new PinSourceError('pin-file-mode', `the PIN file ${path} belongs to another user: chown it`);
    if ((mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8);
      throw new PinSourceError('pin-file-mode', `others can read the PIN file ${path} (mode ${octal}): chmod 600 it`);
    }
    const { buffer, bytesRead } = await file.read(Buffer.alloc(readBytesMax), 0, readBytesMax, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const ctrlC = '\u0003';
const ctrlD = '\u0004';
const ctrlU = '\u0015';
const backspaces: readonly string[] = ['\b', '\u007f'];

/** Asks at the terminal without echo. The terminal is put back whatever happens. */
async function ask({ input, output }: PinIo, question: string): Promise<Uint8Array> {
  if (input.isTTY !== true || input.setRawMode === undefined) {
    const message = 'there is no terminal to ask for the PIN: give fd:N, file:PATH or secretsmanager:ARN instead';
    throw new PinSourceError('pin-prompt-no-terminal', message);
  }
  output.write(question);
  input.setRawMode(true);
  try {
    return await typedLine(input);
  } finally {
    input.setRawMode(false);
    output.write('\n');
  }
}

function typedLine(input: PinTerminalInput): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  let typed: readonly string[] = [];
  const leave = () => {
    input.off('data', onData);
    input.off('end', interrupted);
    input.pause();
  };
  const interrupted = () => {
    leave();
    reject(new PinSourceError('pin-prompt-interrupted', 'the PIN was not given'));
  };
  const onData = (chunk: Buffer | string): void => {
    const characters = [...(typeof chunk === 'string' ? chunk : chunk.toString('utf8'))];
    for (const [index, character] of characters.entries()) {
      if (character === '\r' || character === '\n') {
        leave();
        // What was pasted after it answers the next question.
        const rest = Buffer.from(characters.slice(index + 1).join(''));
        if (rest.length > 0) input.unshift?.(rest);
        resolve(Buffer.from(typed.join('')));
        return;
      }
      if (character === ctrlC || character === ctrlD) {
        interrupted();
        return;
      }
      if (character === ctrlU) typed = [];
      else if (backspaces.includes(character)) typed = typed.slice(0, -1);
      // What is longer is no PIN, and `usable` says so.
      else if (typed.length <= pinBytesMax) typed = [...typed, character];
    }
  };
  input.on('data', onData);
  input.on('end', interrupted);
  input.resume();
  return promise;
}

async function readSecretText(
  { arn, region }: Extract<PinSource, { readonly kind: 'secretsmanager' }>,
  io: PinIo,
): Promise<Uint8Array> {
  let text: string | undefined;
  try {
    text = await (io.readSecret ?? readAwsSecret)(arn, region);
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : 'unknown';
    throw new PinSourceError('pin-source-unreadable', `the secret ${arn} cannot be read (${name})`, cause);
  }
  if (text === undefined) throw new PinSourceError('pin-source-unreadable', `the secret ${arn} holds no text`);
  return Buffer.from(text).subarray(0, readBytesMax);
}

const secretMsMax = 10_000;

/** With the credentials that the machine has; the SDK is loaded by who needs it only. */
async function readAwsSecret(arn: string, region: string): Promise<string | undefined> {
  const { GetSecretValueCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager');
  const client = new SecretsManagerClient({ region });
  try {
    const command = new GetSecretValueCommand({ SecretId: arn });
    const { SecretString } = await client.send(command, { abortSignal: AbortSignal.timeout(secretMsMax) });
    return SecretString;
  } finally {
    client.destroy();
  }
}
