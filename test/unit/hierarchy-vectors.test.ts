import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hierarchyFaultCodes, parseHierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { faultsOf } from '../support/hierarchies.ts';

// Each file is the sample hierarchy with one mistake and is named after it. `# fault: CODE …` at the end of a line says
// which faults are to be reported there, and so no others anywhere.
const folder = new URL('../vectors/hierarchy/', import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));

function expectedFaults(text: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    const codes = /# fault: (.+)$/.exec(line)?.[1]?.trim().split(' ') ?? [];
    return codes.map((code) => `${index + 1}: ${code}`);
  });
}

describe('the faulty hierarchies', () => {
  it.each(files)('%s is refused with the faults marked in it, each on its line', (file) => {
    const text = readFileSync(new URL(file, folder), 'utf8');
    const expected = expectedFaults(text);
    const faults = faultsOf(text);
    expect(expected.length).toBeGreaterThan(0);
    expect(faults.map((fault) => `${fault.line}: ${fault.code}`).sort()).toEqual(expected.sort());
  });

  it.each(files.filter((file) => file !== 'twenty-faults.yaml'))('%s is named after a fault it has', (file) => {
    const codes = faultsOf(readFileSync(new URL(file, folder), 'utf8')).map((fault) => fault.code);
    expect(codes).toContain(file.slice(0, -'.yaml'.length));
  });

  it('leave out no code that a file of bounded size and depth can have', () => {
    const notInFiles = [
      'too-large',
      'yaml-too-deep',
      'name-constraints-on-root',
      'path-without-name-constraints',
      'hash-weaker-than-key',
      'cmvp-revoked-accepted',
      'short-leaves-priced-each',
      'extended-key-usage-on-root',
      'validity-filled',
      'issuance-window-short',
      'cmvp-historical-refused',
      'revocation-unpublished',
    ];
    const covered = new Set(
      files.flatMap((file) => faultsOf(readFileSync(new URL(file, folder), 'utf8')).map((f) => f.code)),
    );
    expect(hierarchyFaultCodes.filter((code) => !covered.has(code))).toEqual(notInFiles);
  });

  it('with twenty different mistakes is told those twenty, in the order of the text', () => {
    const text = readFileSync(new URL('twenty-faults.yaml', folder), 'utf8');
    const reading = parseHierarchy(text);
    const faults = reading.ok ? [] : reading.faults;
    expect(faults.map(({ code, line }) => `${line}: ${code}`)).toEqual(expectedFaults(text));
    expect(new Set(faults.map(({ code }) => code)).size).toBe(20);
    expect(faults).toHaveLength(20);
  });

  it('say where, what and by which rule, in printable text', () => {
    for (const file of files) {
      for (const fault of faultsOf(readFileSync(new URL(file, folder), 'utf8'))) {
        expect(fault.message, file).toMatch(/^[\x20-\x7e…→–]{10,400}$/);
        expect(fault.column, file).toBeGreaterThan(0);
      }
    }
  });
});
