import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { parseExportOptions } from '../../bench/export/options.ts';
import { createSerialSum, type ExportFormat, readExport } from '../../bench/export/sink.ts';

const serials = ['0a', '0b', '0c'];

function digestOf(of: readonly string[]): string {
  const sum = createSerialSum();
  for (const serial of of) sum.add(serial);
  return sum.digest();
}

/** As the command writes it, cut wherever a pipe cuts it. */
function piped(text: string): Readable {
  return Readable.from(text.match(/[\s\S]{1,7}/g)!.map((part) => Buffer.from(part)));
}

const exports: Readonly<Record<ExportFormat, string>> = {
  ndjson: serials.map((serial) => `{"serial":"${serial}"}\n`).join(''),
  csv: `fingerprint,serial,names\r\n${serials.map((serial) => `ff,${serial},"a, b"\r\n`).join('')}`,
  json: `{"certificates":[\n${serials.map((serial) => `{"serial":"${serial}"}`).join(',\n')}\n]}\n`,
};

describe('bench export', () => {
  it.each(['ndjson', 'csv', 'json'] as const)(
    'reads what the command writes as %s, row by row (export-sink)',
    async (format) => {
      const { rows, bytes, serialsDigest } = await readExport(piped(exports[format]), format);
      expect([rows, bytes, serialsDigest]).toEqual([3, exports[format].length, digestOf(serials)]);
    },
  );

  it('sees a serial that is missing, that comes twice, and one for another, in whatever order (export-sum)', () => {
    expect(digestOf(serials.toReversed())).toBe(digestOf(serials));
    for (const others of [
      ['0a', '0b'],
      ['0a', '0b', '0b'],
      [...serials, '0c'],
      ['0a', '0b', '0d'],
    ])
      expect(digestOf(others)).not.toBe(digestOf(serials));
  });

  it('refuses an export that breaks off (export-broken)', async () => {
    await expect(readExport(piped('{"serial":"0a"}\n{"ser'), 'ndjson')).rejects.toThrow('within a line');
    await expect(readExport(piped('{"serial":\n'), 'ndjson')).rejects.toThrow();
  });

  it('takes its options, and every fault at once (export-options)', () => {
    expect(parseExportOptions(['--rows', '1000', '--json'])).toMatchObject({
      options: { rows: 1_000, growthMiBMax: 64, json: true },
    });
    const { faults } = parseExportOptions(['--rows', '1', '--growth-mib', '0']) as {
      readonly faults?: readonly string[];
    };
    expect(faults).toHaveLength(2);
  });
});
