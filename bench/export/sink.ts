import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';

export type ExportFormat = 'ndjson' | 'csv' | 'json';

/** What came out of an export, by a reader that keeps one line at a time. */
export interface Exported {
  readonly rows: number;
  readonly bytes: number;
  readonly serialsDigest: string;
}

/** Digests of the serials, added: the same for the same serials in any order, another one when one is missing or comes twice. */
export interface SerialSum {
  add(serial: string): void;
  digest(): string;
}

const modulus = 1n << 256n;

export function createSerialSum(): SerialSum {
  let sum = 0n;
  return {
    add(serial) {
      sum = (sum + BigInt(`0x${createHash('sha256').update(serial).digest('hex')}`)) % modulus;
    },
    digest: () => sum.toString(16).padStart(64, '0'),
  };
}

/** Reads an export to its end. Throws when a line is not what the format says. */
export async function readExport(stream: Readable, format: ExportFormat): Promise<Exported> {
  const serials = createSerialSum();
  let [rows, bytes, rest] = [0, 0, ''];
  const take = (line: string) => {
    const serial = serialOf(line, format);
    if (serial === undefined) return;
    serials.add(serial);
    rows += 1;
  };
  stream.setEncoding('utf8');
  for await (const chunk of stream as AsyncIterable<string>) {
    bytes += Buffer.byteLength(chunk);
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  }
  if (rest !== '') throw new Error(`the ${format} ends within a line`);
  return { rows, bytes, serialsDigest: serials.digest() };
}

/** Undefined for a line that is no certificate's: the names of the columns, the brackets around a document. */
function serialOf(line: string, format: ExportFormat): string | undefined {
  if (format === 'csv') {
    const [fingerprint, serial] = line.trimEnd().split(',', 2);
    return fingerprint === 'fingerprint' || fingerprint === '' ? undefined : serial;
  }
  const text = format === 'json' ? line.replace(/,$/, '') : line;
  if (format === 'json' && (text === '{"certificates":[' || text === ']}')) return undefined;
  return (JSON.parse(text) as { readonly serial: string }).serial;
}
