/** Pages of a list, with a token that belongs to that list. */
import { type AwsErrorCode, refuse } from './errors.ts';

interface Page<T> {
  readonly items: readonly T[];
  readonly nextToken: string | undefined;
}

function encodeToken(listName: string, after: number): string {
  return Buffer.from(JSON.stringify([listName, after])).toString('base64url');
}

function decodeToken(listName: string, token: string, code: AwsErrorCode): number {
  try {
    const [name, after] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[];
    if (name === listName && typeof after === 'number' && Number.isSafeInteger(after)) return after;
  } catch {
    // Not a token of ours: answered below.
  }
  refuse(code, 'The token specified in the NextToken argument is not valid.');
}

/**
 * One page of at most `sizeMax` items of a list in ascending order of `keyOf`. The token holds the last key seen, so that what
 * is removed between two pages hides nothing. InvalidNextTokenException, or `tokenError`, for a token of another list or of nobody.
 */
export function readPage<T>(
  list: readonly T[],
  keyOf: (item: T, index: number) => number,
  page: {
    readonly listName: string;
    readonly token: string | undefined;
    readonly sizeMax: number;
    readonly tokenError?: AwsErrorCode;
  },
): Page<T> {
  const { listName, token, tokenError = 'InvalidNextTokenException' } = page;
  const after = token === undefined ? Number.NEGATIVE_INFINITY : decodeToken(listName, token, tokenError);
  const rest = list.map((item, index) => ({ item, key: keyOf(item, index) })).filter(({ key }) => key > after);
  const shown = rest.slice(0, page.sizeMax);
  const last = shown.at(-1);
  const isEnd = last === undefined || rest.length === shown.length;
  return {
    items: shown.map(({ item }) => item),
    nextToken: isEnd ? undefined : encodeToken(page.listName, last.key),
  };
}
