import { describe, expect, it } from 'vitest';
import {
  evaluateCustody,
  type KeyDescription,
  type OwnerValidation,
  validationByOwner,
} from '../../shared/custody/custody.ts';
import { parseHierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { faultsOf, sampleHierarchyText } from '../support/hierarchies.ts';

const entryText = `modules:
  - manufacturer: Example HSM Maker
    model: HSM 9000
    firmware: '7'
    standard: FIPS 140-2
    certificateNumber: '0000'
    securityLevel: 3
    status: active
    statusAsOf: 2026-03-01
    source: https://csrc.nist.gov/projects/cryptographic-module-validation-program
`;
const withEntry = (edit: (text: string) => string = (text) => text) =>
  sampleHierarchyText.replace('profiles:\n  device:', `${edit(entryText)}profiles:\n  device:`);

function entriesOf(text: string): readonly OwnerValidation[] {
  const reading = parseHierarchy(text);
  if (!reading.ok) throw new Error(reading.faults[0]?.message);
  return reading.hierarchy.modules;
}

const module = { manufacturer: 'Example HSM Maker', model: 'HSM 9000', serial: '1', firmware: '7.4', library: 'L 1.0' };
const beforeSunset = Date.parse('2026-06-01');
const afterSunset = Date.parse('2026-10-01');
const spkiSha256 = 'ab'.repeat(32);

/** A key in that module that is as it has to be, judged in prod; the codes of what is found. */
function judged(entries: readonly OwnerValidation[], described: typeof module, at: number): readonly string[] {
  const key: KeyDescription = {
    source: 'module',
    model: 'self-managed-hsm',
    keyId: `sha256:${spkiSha256}`,
    spkiSha256,
    keyAlgorithm: 'EC_prime256v1',
    attributes: {
      token: true,
      sensitive: true,
      extractable: false,
      neverExtractable: true,
      alwaysSensitive: true,
      local: true,
      sign: true,
    },
    ...validationByOwner(entries, described, at),
    module: described,
    status: 'usable',
    readAt: at,
  };
  const requirement = { model: 'self-managed-hsm', securityLevelMin: 3, cmvpAccepted: ['active'] } as const;
  const expected = { spkiSha256, keyAlgorithm: 'EC_prime256v1' };
  return evaluateCustody(requirement, expected, key, 'prod', at).findings.map(({ code }) => code);
}

describe("a validation by the owner's entry", () => {
  const entries = entriesOf(withEntry());
  const unknown = ['security-level-too-low', 'cmvp-status-unknown'];

  it('lets a key in a module that this project does not know sign in prod, and no key without the entry', () => {
    expect(judged(entries, module, beforeSunset)).toEqual([]);
    expect(judged([], module, beforeSunset)).toEqual(unknown);
  });

  it('is for the manufacturer, model and firmware it names, to the letter', () => {
    for (const other of [{ firmware: '70.4' }, { firmware: '6.9' }, { model: 'HSM 9001' }, { manufacturer: 'Example' }])
      expect(judged(entries, { ...module, ...other }, beforeSunset)).toEqual(unknown);
  });

  it('is historical with every other of FIPS 140-2 from the sunset on (NIST CMVP)', () => {
    expect(judged(entries, module, afterSunset)).toEqual(['cmvp-status-not-accepted']);
  });

  it('is worth nothing before the day that it says it was looked up', () => {
    expect(judged(entries, module, Date.parse('2026-02-28'))).toEqual(unknown);
  });

  it('is never one of SoftHSM, even past the file', () => {
    const soft = { ...module, manufacturer: 'SoftHSM project', model: 'SoftHSM v2' };
    const claimed = entries.map((entry) => ({ ...entry, manufacturer: soft.manufacturer, model: soft.model }));
    expect(judged(claimed, soft, beforeSunset)).toEqual(['softhsm-outside-dev', ...unknown]);
  });

  it('does not change the policy version: what a request is judged by is the same', () => {
    const versionOf = (text: string) => {
      const reading = parseHierarchy(text);
      return reading.ok ? reading.hierarchy.policyVersion : undefined;
    };
    expect(versionOf(withEntry())).toBe(versionOf(sampleHierarchyText));
  });

  it('is refused with the rest of the file, every fault on its line', () => {
    const text = withEntry((entry) =>
      entry
        .replace("'7'", '7.4')
        .replace("'0000'", "'#12'")
        .replace('securityLevel: 3', 'securityLevel: 5')
        .replace('https', 'http')
        .replace('statusAsOf: 2026-03-01', 'statusAsOf: yesterday')
        .replace('    status: active\n', ''),
    );
    const first = text.split('\n').indexOf('modules:') + 1;
    expect(faultsOf(text).map(({ code, line }) => [line - first, code])).toEqual([
      [1, 'key-missing'],
      [3, 'value-type'],
      [5, 'value-not-allowed'],
      [6, 'value-out-of-range'],
      [7, 'module-status-date'],
      [8, 'value-not-allowed'],
    ]);
  });
});
