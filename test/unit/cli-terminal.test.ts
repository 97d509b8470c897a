import { describe, expect, it } from 'vitest';
import { progressBar } from '../../cli/terminal/progress-bar.ts';
import { renderTable } from '../../cli/terminal/table.ts';
import { cut, printable, printableJson, textWidth, wantsColor, wrap } from '../../cli/terminal/text.ts';

describe('printable', () => {
  it('lets nothing through that moves the cursor, rings, hides or turns the text', () => {
    const hostile = '\u001b[2J\u0007a\u0000\r\nb\u009b1m\u202ec\u2066d\u200be\ufefff\ud800g\u{e0041}';
    const shown = printable(hostile);
    expect(shown).toBe(
      '\\x1b[2J\\x07a\\x00\\x0d\\x0ab\\x9b1m\\u{202e}c\\u{2066}d\\u{200b}e\\u{feff}f\\u{d800}g\\u{e0041}',
    );
  });

  it('cannot be made to show an escape that was not there', () => {
    expect(printable('\\x1b')).not.toBe(printable('\u001b'));
  });

  it('leaves ordinary text of any script alone', () => {
    expect(printable('Bücher — 証明書 🔑')).toBe('Bücher — 証明書 🔑');
  });

  it('keeps JSON parseable and escapes C1 and direction in it', () => {
    const value = { name: 'a\u009b\u202e\n' };
    expect(JSON.parse(printableJson(value))).toEqual(value);
    expect(printableJson(value)).toBe('{"name":"a\\u009b\\u202e\\n"}');
  });
});

describe('cut and wrap', () => {
  it('count columns, not characters', () => {
    expect(textWidth('証明')).toBe(4);
    expect(textWidth('e\u0301')).toBe(1);
    expect(cut('証明書', 5)).toBe('証明…');
    expect(cut('abcdef', 6)).toBe('abcdef');
    expect(cut('abcdefg', 6)).toBe('abcde…');
  });

  it('break at spaces, inside words that are too long, and end with … past the last line', () => {
    expect(wrap('one two three', 7, 5)).toEqual(['one two', 'three']);
    expect(wrap('abcdefghij', 4, 5)).toEqual(['abcd', 'efgh', 'ij']);
    expect(wrap('a b c d e f', 1, 3)).toEqual(['a', 'b', '…']);
  });
});

describe('renderTable', () => {
  const long = `spiffe://fleet.example/${'x'.repeat(300)}`;

  it('aligns columns and puts numbers to the right', () => {
    const table = renderTable(
      [{ header: 'CA' }, { header: 'outstanding', align: 'right' }],
      [
        ['root', 1],
        ['devices', 120],
      ],
    );
    expect(table).toBe('CA       outstanding\n───────  ───────────\nroot               1\ndevices          120\n');
  });

  it('is never wider than told, whatever the cells hold', () => {
    const columns = ['a', 'b', 'c', 'd'].map((header, index) => ({
      header,
      overflow: index % 2 === 0 ? ('wrap' as const) : ('cut' as const),
    }));
    for (const widthMax of [100, 60, 20]) {
      const table = renderTable(
        columns,
        [
          [long, long, long, long],
          ['1', '2', '3', '証'.repeat(90)],
        ],
        { widthMax },
      );
      for (const line of table.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(widthMax);
    }
  });

  it('wraps the long cell into a bounded number of lines and keeps the short ones', () => {
    const table = renderTable(
      [{ header: 'file' }, { header: 'why', overflow: 'wrap' }],
      [['a.csr', 'word '.repeat(200)]],
      { cellLinesMax: 3 },
    );
    expect(table.trimEnd().split('\n')).toHaveLength(5);
    expect(table).toContain('a.csr');
    expect(table).toContain('…');
  });

  it('shows what came from outside without its control characters', () => {
    expect(renderTable([{ header: 'x' }], [['\u001b[31mred\n']])).toContain('\\x1b[31mred\\x0a');
  });
});

describe('wantsColor', () => {
  it('needs a terminal and no NO_COLOR', () => {
    expect(wantsColor({ isTTY: true }, {})).toBe(true);
    expect(wantsColor({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
    expect(wantsColor({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColor({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
    expect(wantsColor({}, {})).toBe(false);
  });
});

describe('progressBar', () => {
  function drawn(isTTY: boolean, enabled = true) {
    const written: string[] = [];
    let now = 0;
    const stream = { isTTY, columns: 80, write: (text: string) => written.push(text) };
    const bar = progressBar({ stream, label: 'enrolling', total: 4, enabled, now: () => now });
    const at = (ms: number) => {
      now = ms;
    };
    return { written, bar, at };
  }

  it('redraws one line on a terminal, at most ten times a second, and leaves it at the end', () => {
    const { written, bar, at } = drawn(true);
    bar.update(1);
    at(50);
    bar.update(2);
    at(150);
    bar.update(3, '1 refused');
    bar.update(4, '1 refused');
    bar.end();
    bar.end();
    expect(written.map((text) => /\d\/4/.exec(text)?.[0] ?? text)).toEqual(['1/4', '3/4', '4/4', '\n']);
    for (const text of written.slice(0, -1)) {
      expect(text.startsWith('\r\u001b[2K')).toBe(true);
      expect(textWidth(text.slice(5))).toBeLessThan(80);
    }
  });

  it('writes plain lines now and then where there is no terminal', () => {
    const { written, bar, at } = drawn(false);
    bar.update(1);
    at(4_000);
    bar.update(2);
    at(6_000);
    bar.update(3);
    bar.update(4);
    bar.end();
    expect(written).toEqual(['enrolling: 3 of 4\n', 'enrolling: 4 of 4\n']);
  });

  it('is silent when not enabled', () => {
    const { written, bar } = drawn(true, false);
    bar.update(4);
    bar.end();
    expect(written).toEqual([]);
  });
});
