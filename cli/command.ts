import type { HttpAnswer, HttpClient, HttpRequest } from './http-client.ts';

/** What a command is given of the world: nothing of it reads `process`. */
export interface CommandIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly readStdin: (bytesMax: number) => Promise<Uint8Array>;
  /** Asks for a line of standard input; undefined at its end, or where nobody can answer. */
  readonly readLine?: (question: string, write: (text: string) => void) => Promise<string | undefined>;
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

export interface OutputStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  /** False where what was written waits for its reader: `drain` says when there is room again. */
  write(text: string | Uint8Array): unknown;
  once?(event: 'drain', listener: () => void): unknown;
}

/** Writes, and waits for a slow reader, so that what is streamed does not gather in memory. */
export async function writeSlowly(stream: OutputStream, text: string | Uint8Array): Promise<void> {
  if (stream.write(text) !== false || stream.once === undefined) return;
  await new Promise<void>((resolve) => stream.once!('drain', resolve));
}

export interface OptionDescription {
  readonly type: 'string' | 'boolean';
  /** May be given more than once. */
  readonly multiple?: boolean;
  /** Placeholder of the value in the help. */
  readonly value?: string;
  readonly help: string;
}

export type TokenKind = 'device' | 'operator';

/** One command: its words, its help and what it does. A file of `commands/` holds one or a family of them. */
export interface Command {
  /** As typed: `credential create`. */
  readonly name: string;
  /** Arguments in the usage line; a name in brackets may be left out. */
  readonly arguments: readonly string[];
  readonly summary: string;
  readonly options: Readonly<Record<string, OptionDescription>>;
  readonly examples: readonly string[];
  /** Answers the exit status: 0 done, 1 refused or failed. Throws `UsageError` or `CommandFailure`. */
  readonly run: (context: CommandContext) => Promise<number>;
}

export interface CommandContext {
  readonly io: CommandIo;
  /** Positional arguments, as many as the command takes. */
  readonly positionals: readonly string[];
  option(name: string): string | undefined;
  optionList(name: string): readonly string[];
  flag(name: string): boolean;
  readonly json: boolean;
  readonly color: boolean;
  /** Address of the service, without a slash at the end. */
  readonly url: string;
  readonly service: Service;
  /** Prints to standard output; with --json, an object instead of the text. */
  answer(json: unknown, text: () => string): void;
}

/** The running service as a command sees it. */
export interface Service {
  readonly client: HttpClient;
  /** The token that this kind of call carries. Throws `CommandFailure` when there is none, saying where one comes from. */
  token(kind: TokenKind): Promise<Token>;
  /**
   * Sends, with a token unless `kind` is undefined, and answers what came with a status of `expected`. Anything else
   * throws `CommandFailure` that says what to do next.
   */
  call(request: HttpRequest, kind: TokenKind | undefined, expected: readonly number[]): Promise<HttpAnswer>;
}

export interface Token {
  readonly secret: string;
  /** Where it came from, for messages: never the token itself. */
  readonly origin: string;
}

/** The command line is wrong: exit 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** Refused or failed: exit 1. `next` says what to type. Texts are printable already. */
export class CommandFailure extends Error {
  readonly code: string;
  readonly next: readonly string[];
  constructor(code: string, message: string, next: readonly string[] = []) {
    super(message);
    this.name = 'CommandFailure';
    this.code = code;
    this.next = next;
  }
}

/** A whole number within bounds. Throws `UsageError`. */
export function wholeNumber(text: string, name: string, min: number, max: number): number {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new UsageError(`${name} takes a whole number from ${min} to ${max}`);
  return value;
}
