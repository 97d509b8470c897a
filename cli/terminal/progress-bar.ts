import { cut, printable, styled, textWidth } from './text.ts';

export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface ProgressBarOptions {
  /** Where it is drawn; standard error as a rule, so that standard output stays the answer. */
  readonly stream: ProgressStream;
  readonly label: string;
  readonly total: number;
  /** False draws nothing at all. */
  readonly enabled: boolean;
  readonly color?: boolean;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

export interface ProgressBar {
  /** `note` follows the figures: refused, failed and the like. */
  update(done: number, note?: string): void;
  /** Leaves the last state on its own line. Further updates are ignored. */
  end(): void;
}

const redrawMs = 100;
const plainLineMs = 5_000;
const barWidth = 30;
const widthMax = 100;

/**
 * A bar that redraws itself on a terminal; elsewhere a plain line every five seconds and at the end, so that the log of a build server stays readable.
 */
export function progressBar(options: ProgressBarOptions): ProgressBar {
  if (!options.enabled || options.total <= 0) return { update: () => {}, end: () => {} };
  const tty = options.stream.isTTY === true;
  const every = tty ? redrawMs : plainLineMs;
  let drawnAt = tty ? Number.NEGATIVE_INFINITY : options.now();
  let last = { done: 0, note: '' };
  let shown = '';
  let ended = false;
  const draw = () => {
    const line = tty ? barLine(options, last.done, last.note) : plainLine(options, last.done, last.note);
    if (line === shown) return;
    shown = line;
    options.stream.write(tty ? `\r\u001b[2K${line}` : `${line}\n`);
  };
  return {
    update(done, note = '') {
      if (ended) return;
      last = { done, note };
      const now = options.now();
      if (now - drawnAt < every) return;
      drawnAt = now;
      draw();
    },
    end() {
      if (ended) return;
      ended = true;
      draw();
      if (tty) options.stream.write('\n');
    },
  };
}

function plainLine(options: ProgressBarOptions, done: number, note: string): string {
  return cut(printable(`${options.label}: ${done} of ${options.total}${note === '' ? '' : ` (${note})`}`), widthMax);
}

function barLine(options: ProgressBarOptions, done: number, note: string): string {
  const share = Math.min(1, done / options.total);
  const filled = Math.round(share * barWidth);
  const figures = ` ${done}/${options.total}${note === '' ? '' : `  ${note}`}`;
  // One column is left free: a terminal that wraps at its last column would scroll at every redraw.
  const room = Math.min(widthMax, (options.stream.columns ?? 80) - 1) - barWidth - 1;
  const label = cut(printable(options.label), Math.max(1, room - textWidth(figures)));
  const bar = styled('█'.repeat(filled), 'green', options.color ?? false) + '░'.repeat(barWidth - filled);
  return `${label} ${bar}${cut(printable(figures), Math.max(1, room - textWidth(label)))}`;
}
