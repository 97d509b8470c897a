import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';

/** Where a load goes. `tlsAnchorsPem` makes it TLS. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tlsAnchorsPem?: string;
}

export interface Reply {
  readonly status: number;
  readonly body: Buffer;
}

/**
 * One HTTP/1.1 connection that is kept alive, with one request under way at a time. It does no more than a load needs, so
 * that the client costs little of the machine it shares with the server: bytes ready to send in, status and body out.
 */
export interface Connection {
  /** Rejects when the connection fails, or on an answer with neither Content-Length nor chunks. */
  send(request: Uint8Array): Promise<Reply>;
  /** `plain HTTP`, or protocol and cipher suite as negotiated. */
  readonly transport: string;
  close(): void;
}

export async function openConnection(target: Target): Promise<Connection> {
  const socket = await openSocket(target);
  socket.setNoDelay(true);
  let waiting: { readonly resolve: (reply: Reply) => void; readonly reject: (cause: unknown) => void } | undefined;
  let received: Buffer | undefined;
  let failure: Error | undefined;

  function fail(cause: Error): void {
    failure ??= cause;
    waiting?.reject(failure);
    waiting = undefined;
  }

  socket.on('data', (chunk: Buffer) => {
    received = received === undefined ? chunk : Buffer.concat([received, chunk]);
    let reply: Reply | undefined;
    try {
      reply = readReply(received);
    } catch (cause) {
      fail(cause as Error);
      socket.destroy();
      return;
    }
    if (reply === undefined) return;
    received = undefined;
    const { resolve } = waiting!;
    waiting = undefined;
    resolve(reply);
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the server closed the connection')));

  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        waiting = { resolve, reject };
        socket.write(request);
      }),
    transport: transportOf(socket),
    close: () => socket.destroy(),
  };
}

function openSocket({ host, port, tlsAnchorsPem }: Target): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      tlsAnchorsPem === undefined
        ? connectTcp({ host, port }, () => resolve(socket))
        : connectTls({ host, port, ca: tlsAnchorsPem, servername: 'localhost' }, () => resolve(socket));
    socket.once('error', reject);
  });
}

function transportOf(socket: Socket): string {
  return socket instanceof TLSSocket ? `${socket.getProtocol()}, ${socket.getCipher().standardName}` : 'plain HTTP';
}

const lineEnd = Buffer.from('\r\n');
const headEnd = Buffer.from('\r\n\r\n');

/** The first answer in `bytes`; undefined while some of it is still to come. Throws when it does not say where it ends. */
export function readReply(bytes: Buffer): Reply | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const status = Number(head.slice(9, 12));
  const start = end + headEnd.length;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const stop = start + Number(length);
    return bytes.length < stop ? undefined : { status, body: bytes.subarray(start, stop) };
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head))
    throw new Error('an answer with neither Content-Length nor chunks');
  const body = readChunks(bytes, start);
  return body === undefined ? undefined : { status, body };
}

/** Chunked coding (RFC 9112 §7.1) without trailer fields, which nobody sends us; undefined while its end is to come. */
function readChunks(bytes: Buffer, start: number): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let at = start; ; ) {
    const end = bytes.indexOf(lineEnd, at);
    if (end < 0) return undefined;
    const length = Number.parseInt(bytes.toString('latin1', at, end), 16);
    if (Number.isNaN(length)) throw new Error('a chunk without its length');
    const from = end + lineEnd.length;
    at = from + length + lineEnd.length;
    if (bytes.length < at) return undefined;
    if (length === 0) return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    chunks.push(bytes.subarray(from, from + length));
  }
}
