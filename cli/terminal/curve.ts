/** A falling curve drawn in characters: eighths of a block, a scale to the left, instants below. */

export interface CurvePoint {
  readonly at: number;
  /** Value from here to the next point. */
  readonly value: number;
}

export interface CurveOptions {
  /** Columns in all. 96 by default. */
  readonly width?: number;
  /** Lines of the curve itself. 8 by default. */
  readonly height?: number;
  /** Text of an instant on the axis. */
  readonly label: (at: number) => string;
}

const eighths = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** Points in order, at least two different instants; else nothing is drawn. Each line ends with '\n'. */
export function renderCurve(points: readonly CurvePoint[], options: CurveOptions): string {
  const { width = 96, height = 8, label } = options;
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || last.at <= first.at) return '';
  const top = points.reduce((most, { value }) => Math.max(most, value), 0);
  if (top <= 0) return '';
  const scale = [top, Math.round(top / 2), 0].map((value) => value.toLocaleString('en'));
  const margin = Math.max(...scale.map((text) => text.length)) + 1;
  const columns = width - margin - 1;
  const values = Array.from({ length: columns }, (_, column) =>
    valueAt(points, first.at + ((last.at - first.at) * column) / columns),
  );
  const lines = Array.from({ length: height }, (_, line) => {
    const text = line === 0 ? scale[0]! : line === Math.floor(height / 2) ? scale[1]! : '';
    const cells = values.map((value) => cellOf(value / top, height - 1 - line, height));
    return `${text.padStart(margin - 1)} │${cells.join('')}`.trimEnd();
  });
  const axis = `${scale[2]!.padStart(margin - 1)} └${'─'.repeat(columns)}`;
  return [...lines, axis, labels(first.at, last.at, columns, margin + 1, label)].map((line) => `${line}\n`).join('');
}

/** The value of the last point that is not after the instant. */
function valueAt(points: readonly CurvePoint[], at: number): number {
  let value = points[0]!.value;
  for (const point of points) {
    if (point.at > at) break;
    value = point.value;
  }
  return value;
}

function cellOf(share: number, row: number, height: number): string {
  const filled = Math.round((share * height - row) * 8);
  // What is not nothing is seen.
  const least = row === 0 && share > 0 ? 1 : 0;
  return eighths[Math.min(8, Math.max(least, filled))]!;
}

/** The first instant to the left, the last one to the right, one in the middle where there is room. */
function labels(from: number, to: number, columns: number, indent: number, label: (at: number) => string): string {
  const [left, middle, right] = [label(from), label((from + to) / 2), label(to)];
  const room = columns - left.length - right.length;
  if (room < middle.length + 4) return `${' '.repeat(indent)}${left}${' '.repeat(Math.max(1, room))}${right}`;
  const before = Math.floor(columns / 2 - middle.length / 2) - left.length;
  const after = columns - left.length - before - middle.length - right.length;
  return `${' '.repeat(indent)}${left}${' '.repeat(before)}${middle}${' '.repeat(after)}${right}`;
}
