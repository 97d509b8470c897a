/** What is wrong with an object, as against the world: nothing may be concluded from its bytes. */
export class ObjectError extends Error {
  override readonly name = 'ObjectError';
}

/** Bytes of an object from a place in it to its end, as a connection gives them. */
export interface OpenedObject {
  readonly body: AsyncIterable<Uint8Array> | undefined;
  /** Of what is left from that place. */
  readonly length: number | undefined;
  /** ETag. */
  readonly version: string | undefined;
}

/** Opens an object: `from` bytes in, and, with a version, only while it has that one (Range, If-Match). Throws when it is not there. */
export type OpenObject = (from: number, version: string | undefined) => Promise<OpenedObject>;

/** Connections for one object: a report of gigabytes takes minutes, in which one may break. */
const connectionsMax = 5;

/**
 * The bytes of an object, from the first to the last. A connection that breaks is taken up where it broke, and only on the same
 * object. Throws `ObjectError` when the object ends before its length or was replaced meanwhile.
 */
export async function* readResumed(key: string, open: OpenObject): AsyncIterable<Uint8Array> {
  let at = 0;
  let length: number | undefined;
  let version: string | undefined;
  for (let connection = 1; length === undefined || at < length; connection++) {
    const opened = await open(at, version);
    if (opened.body === undefined || opened.length === undefined)
      throw new ObjectError(`${key} was answered without bytes`);
    if (length !== undefined && at + opened.length !== length) throw new ObjectError(`${key} has another length now`);
    length ??= opened.length;
    version ??= opened.version;
    if (length === 0) return;
    try {
      for await (const chunk of opened.body) {
        at += chunk.length;
        if (at > length) throw new ObjectError(`${key} is longer than it says`);
        yield chunk;
      }
    } catch (cause) {
      // Without a version another object could go on where this one broke.
      if (cause instanceof ObjectError || version === undefined || connection >= connectionsMax) throw cause;
      continue;
    }
    if (at < length && connection >= connectionsMax) throw new ObjectError(`${key} ends before its length`);
  }
}
