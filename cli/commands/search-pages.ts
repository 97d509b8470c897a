import type { CommandContext } from '../command.ts';
import { type HttpAnswer, headerOf, retryAfterMsOf } from '../http-client.ts';

/** Tries of one page in a row: a service that is busy, or was started anew, gets a moment. */
const triesMax = 6;
const retryAfterMsDefault = 1_000;

/** Every page of a search, one at a time. Whoever reads them holds one in memory, whatever their number. */
export async function* searchPages(
  context: CommandContext,
  query: URLSearchParams,
  accept: string,
): AsyncGenerator<HttpAnswer> {
  const asked = new URLSearchParams(query);
  for (;;) {
    const answer = await pageOf(context, `/v1/certificates?${asked}`, accept);
    yield answer;
    const cursor = headerOf(answer, 'x-next-cursor');
    if (cursor === undefined) return;
    asked.set('cursor', cursor);
  }
}

async function pageOf(context: CommandContext, path: string, accept: string): Promise<HttpAnswer> {
  const request = { method: 'GET', path, headers: { accept }, repeatable: true } as const;
  for (let tries = 1; tries < triesMax; tries++) {
    const answer = await context.service.call(request, 'operator', [200, 429, 503]);
    if (answer.status === 200) return answer;
    await context.io.sleep(retryAfterMsOf(answer, context.io.now()) ?? retryAfterMsDefault);
  }
  return context.service.call(request, 'operator', [200]);
}
