import type { Finding, Part } from './findings.ts';
import { slowMs } from './findings.ts';
import { makeInput } from './inputs.ts';
import { judge, type Parse } from './judge.ts';
import { createMaterial } from './material.ts';
import { minimise } from './minimise.ts';

/** Findings of one reason that are kept with their bytes; the others are counted. */
const keptOfAReason = 2;

export interface Engine {
  /** Makes input `index`, judges it, and adds what came of it to `part`. */
  run(index: number, part: Part): void;
}

export function createEngine(seed: number, parse?: Parse): Engine {
  const material = createMaterial();
  const found = new Map<string, number>();

  function note(part: Part, finding: Finding): void {
    const count = (found.get(finding.reason) ?? 0) + 1;
    found.set(finding.reason, count);
    part.reasons[finding.reason] = (part.reasons[finding.reason] ?? 0) + 1;
    if (count > keptOfAReason) return;
    part.findings.push({ ...finding, bytes: minimise(finding.bytes, finding.reason, parse) });
  }

  return {
    run(index, part) {
      const { bytes, origin } = makeInput(material, seed, index);
      const verdict = judge(bytes, parse);
      part.inputs += 1;
      part.bytes += bytes.length;
      part.kinds[verdict.kind] += 1;
      if (verdict.kind === 'stricter') part.rules[verdict.rule] = (part.rules[verdict.rule] ?? 0) + 1;
      if (verdict.kind === 'crash' || verdict.kind === 'disagreement')
        note(part, { index, kind: verdict.kind, reason: verdict.reason, bytes, origin });
      // The machine may have been elsewhere: only what is slow each time is slow.
      let parseMs = verdict.parseMs;
      for (let again = 0; again < 4 && parseMs > part.slowest.parseMs; again++)
        parseMs = Math.min(parseMs, judge(bytes, parse).parseMs);
      if (parseMs > part.slowest.parseMs) part.slowest = { index, parseMs, bytes: bytes.length };
      if (parseMs > slowMs) note(part, { index, kind: 'slow', reason: 'slow', bytes, origin });
    },
  };
}
