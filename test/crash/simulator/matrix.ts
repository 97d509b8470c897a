/** The matrix call × fault × redelivery as text, 100 columns wide. */
import { cellCount, faultKinds, indexOf, matrixRows, redeliveries } from './faults.ts';

const labelColumns = 40;
const cellColumns = 4;

/** Four columns at most, with a space before it. */
function countText(count: number): string {
  if (count === 0) return '·';
  return count < 1_000 ? String(count) : `${Math.min(99, Math.floor(count / 1_000))}k`;
}

export function renderMatrix(hits: readonly number[]): string {
  const groupColumns = cellColumns * redeliveries.length;
  const marks = { inside: 'in', after: 'aft', twice: '2×' } as const;
  const lines = [
    ''.padEnd(labelColumns) + faultKinds.map((fault) => ` ${fault}`.padEnd(groupColumns)).join(''),
    ''.padEnd(labelColumns) +
      faultKinds.flatMap(() => redeliveries.map((one) => marks[one].padStart(cellColumns))).join(''),
  ];
  matrixRows.forEach(({ role, call }, row) => {
    if (matrixRows[row - 1]?.role !== role) lines.push(role);
    const counts = faultKinds.flatMap((fault) =>
      redeliveries.map((redelivery) => countText(hits[indexOf({ row, fault, redelivery })]!).padStart(cellColumns)),
    );
    lines.push(` ${call}`.padEnd(labelColumns) + counts.join(''));
  });
  return lines.map((line) => line.trimEnd()).join('\n');
}

export interface Coverage {
  readonly cells: number;
  readonly hitMin: number;
  readonly unhit: number;
  readonly below20: number;
}

export function coverageOf(hits: readonly number[]): Coverage {
  return {
    cells: cellCount,
    hitMin: Math.min(...hits),
    unhit: hits.filter((count) => count === 0).length,
    below20: hits.filter((count) => count < 20).length,
  };
}

/** Every cell with its names. */
export function cellsOf(hits: readonly number[]) {
  return matrixRows.flatMap(({ role, call }, row) =>
    faultKinds.flatMap((fault) =>
      redeliveries.map((redelivery) => ({
        role,
        call,
        fault,
        redelivery,
        hits: hits[indexOf({ row, fault, redelivery })]!,
      })),
    ),
  );
}
