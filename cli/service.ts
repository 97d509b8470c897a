import { open } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandFailure, type CommandIo, type Service, type Token, type TokenKind, UsageError } from './command.ts';
import {
  createHttpClient,
  type HttpAnswer,
  type HttpClient,
  type HttpRequest,
  isObject,
  problemOf,
  UnreachableError,
} from './http-client.ts';
import { printable } from './terminal/text.ts';

export const urlDefault = 'http://127.0.0.1:3000';
export const stateFolderDefault = '.sealwright';
const tokensName = 'tokens.json';
const tokensBytesMax = 64 * 1024;
/** What a token may look like in a header; anything else would be a mistake to send. */
const tokenForm = /^sw_[eo]_[A-Za-z0-9_-]{1,200}$/;

export interface ServiceOptions {
  readonly url: string;
  /** `--state`, relative to the working directory; undefined: `.sealwright` of the project. */
  readonly stateFolder: string | undefined;
  readonly io: CommandIo;
}

/** Throws `UsageError` for an address that is none, or that a secret must not be sent to. */
export function connect(options: ServiceOptions): Service {
  const client = clientOf(options.url);
  const secretsMayPass = isConfidential(options.url);
  const token = (kind: TokenKind) => {
    if (!secretsMayPass)
      throw new UsageError('a token goes over plain http to this machine only: use an https address');
    return findToken(options, kind);
  };
  return {
    client,
    token,
    async call(request, kind, expected) {
      const chosen = kind === undefined ? undefined : await token(kind);
      const answer = await answerOf(client, withToken(request, chosen));
      if (!expected.includes(answer.status)) throw failureOf(answer, chosen);
      return answer;
    },
  };
}

function clientOf(url: string): HttpClient {
  try {
    return createHttpClient({ baseUrl: url });
  } catch {
    throw new UsageError(`--url ${printable(url)} is no address: ${urlDefault}, for example`);
  }
}

function isConfidential(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:' || hostname === 'localhost') return true;
  const address = hostname.replace(/^\[|\]$/g, '');
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function withToken(request: HttpRequest, token: Token | undefined): HttpRequest {
  if (token === undefined) return request;
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token.secret}` } };
}

async function answerOf(client: HttpClient, request: HttpRequest): Promise<HttpAnswer> {
  try {
    return await client.send({
      ...request,
      headers: { accept: 'application/json, application/problem+json', ...request.headers },
    });
  } catch (error) {
    if (error instanceof UnreachableError) throw unreachable(client.baseUrl, error.code, error.message);
    throw error;
  }
}

/** No answer came. */
export function unreachable(url: string, code: string, message: string): CommandFailure {
  const refused = code === 'ECONNREFUSED';
  return new CommandFailure(
    'service-unreachable',
    refused ? `no service answers at ${printable(url)}` : `no answer from ${printable(url)}: ${printable(message)}`,
    ['npm start', 'or name another one: --url URL, SEALWRIGHT_URL'],
  );
}

/** What an unexpected answer means, and what to do about it. */
export function failureOf(answer: HttpAnswer, token: Token | undefined): CommandFailure {
  const problem = problemOf(answer);
  if (problem === undefined) {
    return new CommandFailure('answer-unexpected', `an answer of status ${answer.status} that is not Sealwright's`, [
      'check the address: --url URL, SEALWRIGHT_URL',
    ]);
  }
  const detail = problem.detail === undefined ? '' : `: ${printable(problem.detail)}`;
  return new CommandFailure(
    problem.code,
    `${problem.status} ${printable(problem.code)}. ${printable(problem.title)}${detail}`,
    nextAfter(answer.status, token),
  );
}

/** What to try after a status. */
export function nextAfter(status: number, token: Token | undefined): readonly string[] {
  const used = token === undefined ? 'no token was sent' : `the token was that of ${token.origin}`;
  if (status === 401) return [used, 'give the state folder of this very service: --state DIR; or set SEALWRIGHT_TOKEN'];
  if (status === 403) return [used, 'ask for one whose roles or profiles reach it'];
  if (status === 429 || status === 503)
    return ['the same command again in a moment: a repeated request is the same issuance'];
  return [];
}

async function findToken(options: ServiceOptions, kind: TokenKind): Promise<Token> {
  const fromEnvironment = options.io.environment.SEALWRIGHT_TOKEN;
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    return checked({ secret: fromEnvironment.trim(), origin: 'SEALWRIGHT_TOKEN' });
  }
  const paths = tokenPaths(options);
  for (const path of paths) {
    const tokens = await readTokens(path);
    const secret = tokens?.[kind];
    if (typeof secret === 'string') return checked({ secret, origin: `${printable(path)} (${kind})` });
  }
  throw new CommandFailure('token-missing', `no ${kind} token: there is none in ${paths.map(printable).join(' or ')}`, [
    'npm start (its first run writes tokens.json into the state folder)',
    'or --state DIR, or SEALWRIGHT_TOKEN',
  ]);
}

/** `--state` alone when given; else `.sealwright` here, then the project's. */
function tokenPaths({ stateFolder, io }: ServiceOptions): readonly string[] {
  if (stateFolder !== undefined) return [join(resolve(io.workingDirectory, stateFolder), tokensName)];
  const project = dirname(dirname(fileURLToPath(import.meta.url)));
  return [...new Set([io.workingDirectory, project])].map((folder) => join(folder, stateFolderDefault, tokensName));
}

function checked(token: Token): Token {
  if (!tokenForm.test(token.secret)) {
    throw new CommandFailure('token-malformed', `what stands in ${token.origin} is no token (sw_e_… or sw_o_…)`);
  }
  return token;
}

/** Undefined when the file is not there. */
async function readTokens(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text: string;
  try {
    const file = await open(path, 'r');
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(tokensBytesMax), 0, tokensBytesMax, 0);
      text = buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new CommandFailure('token-unreadable', `${printable(path)} cannot be read (${code ?? 'unknown'})`, [
      'run as the user who runs the service',
    ]);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {}
  throw new CommandFailure('token-unreadable', `${printable(path)} is not the JSON that npm start writes`);
}
