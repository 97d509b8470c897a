/**
 * Members of an answer that the pinned SDK drops, put back from the JSON as it came over the wire: its deserializer copies the
 * members of its model, and Mode came to the model later. Values are unchecked: who reads them accepts what it knows.
 */
import type { CloudHSMV2Client } from '@aws-sdk/client-cloudhsm-v2';

type Members = Record<string, unknown>;

/** A description of 25 clusters has some 200 KB. */
const answerBytesMax = 4 * 1024 * 1024;
/** Lists of an answer, the member that identifies one of them, and what is put back. */
const lists = [
  { list: 'Clusters', id: 'ClusterId', members: ['Mode'] },
  { list: 'Backups', id: 'BackupId', members: ['Mode', 'HsmType'] },
] as const;

interface RawResponse {
  body: unknown;
}

export function keepRawMembers(client: CloudHSMV2Client): void {
  // The step's order is from high priority to low: the second of these is nearest to the wire, the first sees what was made of it.
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const raw = rawOf.get(result.response as object);
      if (raw !== undefined) restore(result.output as unknown as Members, raw);
      return result;
    },
    { step: 'deserialize', priority: 'high', name: 'restoreRawMembers' },
  );
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as RawResponse;
      const bytes = await bytesOf(response.body);
      // The SDK reads a byte array as it reads a stream.
      response.body = bytes;
      const raw = parsed(bytes);
      if (raw !== undefined) rawOf.set(response, raw);
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'keepRawMembers' },
  );
}

const rawOf = new WeakMap<object, Members>();

async function bytesOf(body: unknown): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > answerBytesMax) throw new RangeError(`CloudHSM answered with more than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Undefined for what is no JSON object: the SDK's own reading decides what that means. */
function parsed(bytes: Uint8Array): Members | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return isMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function restore(output: Members, raw: Members): void {
  for (const { list, id, members } of lists) {
    const known = output[list];
    const sent = raw[list];
    if (!Array.isArray(known) || !Array.isArray(sent)) continue;
    const byId = new Map(sent.filter(isMembers).map((one) => [one[id], one]));
    for (const one of known.filter(isMembers)) {
      const original = byId.get(one[id]);
      for (const member of members) if (original?.[member] !== undefined) one[member] ??= original[member];
    }
  }
}
