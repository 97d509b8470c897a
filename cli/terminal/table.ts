import { cut, printable, styled, textWidth, wrap } from './text.ts';

export interface Column {
  readonly header: string;
  /** Numbers to the right. */
  readonly align?: 'left' | 'right';
  /** What happens to a cell that is too long: cut with '…' (default) or broken into lines. */
  readonly overflow?: 'cut' | 'wrap';
  /** Never made narrower than this or its header. 8 by default. */
  readonly widthMin?: number;
}

export interface TableOptions {
  /** 100 by default. */
  readonly widthMax?: number;
  readonly color?: boolean;
  /** Lines of a wrapped cell. 6 by default. */
  readonly cellLinesMax?: number;
  readonly indent?: string;
}

const gap = '  ';
const widthMaxDefault = 100;
const widthMinDefault = 8;

/**
 * A table as text: a header, a rule, one line a row (more where a cell is wrapped), each line ended with '\n' and no
 * longer than `widthMax` columns. Cells are made printable here, so callers pass them as they came.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | number)[])[],
  options: TableOptions = {},
): string {
  const color = options.color ?? false;
  const indent = options.indent ?? '';
  const cells = rows.map((row) => columns.map((_, index) => printable(String(row[index] ?? ''))));
  const widths = columnWidths(columns, cells, (options.widthMax ?? widthMaxDefault) - textWidth(indent));
  const header = columns.map((column, index) =>
    styled(pad(cut(column.header, widths[index]!), widths[index]!, column), 'bold', color),
  );
  const rule = widths.map((width) => styled('─'.repeat(width), 'dim', color));
  const lines = cells.flatMap((row) => rowLines(columns, row, widths, options.cellLinesMax ?? 6));
  return [header, rule, ...lines]
    .map((line) => `${indent}${line.join(gap)}`.trimEnd())
    .join('\n')
    .concat('\n');
}

function rowLines(
  columns: readonly Column[],
  row: readonly string[],
  widths: readonly number[],
  cellLinesMax: number,
): readonly (readonly string[])[] {
  const parts = row.map((cell, index) =>
    columns[index]!.overflow === 'wrap' ? wrap(cell, widths[index]!, cellLinesMax) : [cut(cell, widths[index]!)],
  );
  const height = Math.max(1, ...parts.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    columns.map((column, index) => pad(parts[index]![line] ?? '', widths[index]!, column)),
  );
}

function pad(text: string, width: number, column: Column): string {
  const space = ' '.repeat(Math.max(0, width - textWidth(text)));
  return column.align === 'right' ? space + text : text + space;
}

/** Natural widths; while they do not fit, the widest column that may still shrink gives up one. */
function columnWidths(
  columns: readonly Column[],
  cells: readonly (readonly string[])[],
  widthMax: number,
): readonly number[] {
  const widths = columns.map((column, index) =>
    cells.reduce((width, row) => Math.max(width, textWidth(row[index]!)), textWidth(column.header)),
  );
  const floors = columns.map((column, index) =>
    Math.min(widths[index]!, Math.max(textWidth(column.header), column.widthMin ?? widthMinDefault)),
  );
  const room = widthMax - gap.length * (columns.length - 1);
  let excess = widths.reduce((sum, width) => sum + width, 0) - room;
  while (excess > 0) {
    let widest = -1;
    for (let index = 0; index < widths.length; index += 1) {
      if (widths[index]! > floors[index]! && (widest < 0 || widths[index]! > widths[widest]!)) widest = index;
    }
    // Every column is at its floor: narrower than a header, evenly, rather than wider than the screen.
    if (widest < 0) {
      widest = widths.indexOf(Math.max(...widths));
      if (widths[widest]! <= 1) break;
    }
    widths[widest]! -= 1;
    excess -= 1;
  }
  return widths;
}
